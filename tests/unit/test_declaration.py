"""What follows from a declaration: windows spelt out, views by entity, inputs in order."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from knownat.declaration import NAME, Column, Declaration, KnownAt, Moment, Span, in_utc, span
from knownat.errors import KnownatError
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited, loaded


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return loaded(CAMPAIGNS)


def test_windows_are_spelt_out_in_order(declared: Declaration) -> None:
    """Each feature becomes one for each window, feature by feature, in the declared order."""
    names = [feature.name for feature in declared.feature_views["category_history"].features]
    assert names[:4] == ["ended_30d", "ended_365d", "success_rate_30d", "success_rate_365d"]


def test_entities_make_a_view_each(declared: Declaration) -> None:
    """`entities` of one file become feature views named <entity>_<stem>, keyed by <entity>_id."""
    views = {view.name: view.join_key for view in declared.feature_views.values() if view.stem == "history"}
    assert views == {
        "category_history": "category_id",
        "main_category_history": "main_category_id",
        "country_history": "country_id",
    }


def test_only_the_view_of_the_event_at_its_start_stores_keys(declared: Declaration) -> None:
    """A look-up by the event's id finds the other entities' keys there, and nowhere else."""
    keys = {view.name: view.keys for view in declared.feature_views.values() if view.keys}
    assert keys == {"campaign": ("category", "main_category", "country")}


def test_inputs_keep_the_declared_order(tmp_path: Path) -> None:
    """A model's inputs follow the service's views and the views' features, never the alphabet."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path), "views/campaign.yaml", "features:", "features:\n  zeal: {dtype: int64, expr: length(name)}"
    )
    edited(folder, "services.yaml", "[campaign, category_history, main", "[category_history, campaign, main")
    names = [item.name for item in loaded(folder).inputs("launch")]
    assert names[:2] == ["category_history__ended_30d", "category_history__ended_365d"]
    assert names[names.index("campaign__zeal") + 1] == "campaign__goal_usd"


def test_raw_columns_are_those_that_are_read(declared: Declaration) -> None:
    """Computed columns are not in the file; `from` names the others there."""
    raw = declared.event_table.raw_columns
    assert raw["project_id"] == "ID"
    assert raw["goal"] == "goal"
    assert "resolved_at" not in raw


def test_an_unknown_service_is_named(declared: Declaration) -> None:
    """params.yaml chooses one of the declared services."""
    with pytest.raises(KnownatError, match=r"params\.yaml: service: there is no service 'lunch'; declared: launch, close"):
        declared.inputs("lunch")


@pytest.mark.parametrize("share", ["-0.1", "1.1", ".nan", "true", "'0.1'"])
def test_a_captured_share_is_between_none_and_all(tmp_path: Path, share: str) -> None:
    """Whatever else stands under `capture` is refused by name."""
    edited(copied(CAMPAIGNS, tmp_path), "services.yaml", "  as_of: launched_at", f"  as_of: launched_at\n  capture: {share}")
    with pytest.raises(KnownatError, match=r"launch\.capture"):
        loaded(tmp_path / "feature_repo")


@pytest.mark.parametrize(("share", "kept"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (None, 0.1)])
def test_a_captured_share_is_a_tenth_unless_declared(tmp_path: Path, share: str | None, kept: float) -> None:
    """Both ends are allowed: nothing is kept, or everything."""
    folder = copied(CAMPAIGNS, tmp_path)
    if share is not None:
        edited(folder, "services.yaml", "  as_of: launched_at", f"  as_of: launched_at\n  capture: {share}")
    assert loaded(folder).service("launch").capture == kept


@pytest.mark.parametrize(("content", "said"), [(None, "is missing"), ("{", "damaged"), ('{"tables": {}}', "damaged")])
def test_a_compiled_part_that_is_not_usable_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    """A missing, torn or outdated part says which command makes it anew."""
    path = tmp_path / "encode.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KnownatError, match=f"{said}.*dvc repro") as refused:
        Declaration.read(path)
    assert str(path) in str(refused.value)


def test_a_part_without_a_label_is_named() -> None:
    """The part for `ingest` knows of no label, and says so when asked."""
    part = loaded(DELIVERIES).model_copy(update={"label": None})
    with pytest.raises(KnownatError, match="no label"):
        _ = part.outcome


@pytest.mark.parametrize(
    ("text", "column", "delay"),
    [
        ("a", "a", timedelta()),
        ("a + INTERVAL 1 DAY", "a", timedelta(days=1)),
        ("  a+interval 90 minutes ", "a", timedelta(minutes=90)),
        ("a + INTERVAL 0 SECONDS", "a", timedelta()),
    ],
)
def test_a_moment_is_a_column_and_a_delay(text: str, column: str, delay: timedelta) -> None:
    """known_at may lie a while after a column."""
    assert TypeAdapter(Moment).validate_python(text) == text
    assert KnownAt.parse(text) == KnownAt(column, delay)


@pytest.mark.parametrize(
    "text", ["", "a b", "a - INTERVAL 1 DAY", "a + INTERVAL 1 YEAR", "a + 1", "a + INTERVAL ٣ DAY", "a + INTERVAL 1e3 DAY", "é"]
)
def test_any_other_text_is_no_moment(text: str) -> None:
    """What cannot be added to a timestamp exactly is refused."""
    with pytest.raises(ValidationError, match="no moment"):
        TypeAdapter(Moment).validate_python(text)


@pytest.mark.parametrize(
    ("text", "length"), [("1s", timedelta(seconds=1)), ("90m", timedelta(minutes=90)), ("36525d", timedelta(36525))]
)
def test_a_span_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    """Seconds, minutes, hours and days have one length."""
    assert span(TypeAdapter(Span).validate_python(text)) == length


@pytest.mark.parametrize("text", ["", "0d", "-1d", "1.5d", "d", "1 d", "1y", "30d\n", "٣d", "36601d", "9" * 400 + "s"])
def test_any_other_text_is_no_span(text: str) -> None:
    """Zero means "no ttl" to Feast, months have no length, and longer than a century is a slip."""
    with pytest.raises(ValidationError, match="no length of time"):
        TypeAdapter(Span).validate_python(text)


@pytest.mark.parametrize(("text", "is_name"), [("a", True), ("a_1", True), ("a1b", True), ("a__b", False), ("_a", False), ("a_", False), ("A", False),
                                              ("1a", False), ("é", False), ("a\n", False), ("a-b", False), ("", False)])  # fmt: skip
def test_names_are_lower_case_words(text: str, is_name: bool) -> None:
    """Two underscores join view and feature, so that none stand within a name."""
    assert bool(NAME.fullmatch(text)) is is_name


@pytest.mark.parametrize(
    "bound",
    [datetime(2009, 4, 21, 2), datetime(2009, 4, 21, 4, tzinfo=timezone(timedelta(hours=2))), datetime(2009, 4, 21, 2, tzinfo=UTC)],
)
def test_a_bound_is_the_same_from_yaml_and_from_json(bound: datetime) -> None:
    """A time becomes ISO text in UTC, so that a compiled part says what the YAML said."""
    column = Column.model_validate({"dtype": "timestamp", "min": bound})
    assert column.min == "2009-04-21T02:00:00+00:00"
    assert Column.model_validate_json(column.model_dump_json()) == column


def test_the_first_and_last_hours_have_no_time_in_utc() -> None:
    """A time whose UTC lies outside the years 1 to 9999 is refused as a value, not as a crash."""
    with pytest.raises(ValueError, match="years 1 to 9999"):
        in_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))


def test_the_declaration_imports_no_engine() -> None:
    """Whoever reads a declaration pays for no engine and no parser of SQL."""
    code = "import sys, knownat.declaration, knownat.loading; print(','.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip().split(",")
    assert not {"pyspark", "duckdb", "sqlglot", "pandas", "pyarrow", "feast"} & set(modules)
