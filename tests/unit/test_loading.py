"""From files that a person wrote to models, or to one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knownat.errors import KnownatError
from knownat.loading import load_declaration, read_yaml
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited, loaded

DATASET, SERVICES, HISTORY, CAMPAIGN = "dataset.yaml", "services.yaml", "views/history.yaml", "views/campaign.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "fragments"),
    [
        (DATASET, "timezone: UTC", "timezon: UTC", ["tables.campaigns.timezon", "unknown key", "did you mean 'timezone'?"]),
        (DATASET, "dtype: string, required", "dtyp: string, required", ["columns.project_id.dtyp", "did you mean 'dtype'?"]),
        (DATASET, "entities:", "entitys:", ["entitys", "did you mean 'entities'?"]),
        (DATASET, "filters:", "filter:", ["tables.campaigns.filter", "did you mean 'filters'?"]),
        (DATASET, "event: {table", "event: {tabel", ["event", "table"]),
        (DATASET, "  name: is_successful", "  nmae: is_successful", ["label", "name"]),
        (DATASET, "", "\nviews: {}\n", ["views", "unknown key", "views/<view>.yaml"]),
        (DATASET, "", "\nservices: {}\n", ["services", "unknown key", "services.yaml"]),
        (HISTORY, "windows:", "window:", ["window", "did you mean 'windows'?"]),
        (HISTORY, "agg: count", "aggr: count", ["features.ended.aggr", "did you mean 'agg'?"]),
        (HISTORY, "agg: count", "qqq: count", ["features.ended.qqq", "use one of", "dtype, expr, agg"]),
        (HISTORY, "", "\nsql: SELECT 1\n", ["sql", "history.sql"]),
        (SERVICES, "as_of: launched_at", "asof: launched_at", ["launch.asof", "did you mean 'as_of'?"]),
        (SERVICES, "launch:", "Launch:", ["'Launch'", "lower_case"]),
        (SERVICES, "as_of: launched_at", "as_of: launched_at\n  waivers: {campaign__country: ' '}", ["launch.waivers.campaign__country", "correct it"]),
        (DATASET, "  main_category: main_category", "  project: main_category", ["line", "duplicate key", "project"]),
        (HISTORY, "features:", "entities: [country]\nfeatures:", ["line", "duplicate key", "entities"]),
        (DATASET, "tables:", "tables: [", ["line", "not valid YAML", "mend that line"]),
        (CAMPAIGN, "description:", "\tdescription:", ["line 1", "not valid YAML"]),
        (CAMPAIGN, "description:", "description: \x07", ["not valid YAML"]),
        (CAMPAIGN, "min: 1,", "min: 2009-13-45,", ["not valid YAML", "quote"]),
        (CAMPAIGN, "entity: project", f"entity: {'[' * 5000}", ["not valid YAML"]),
        (CAMPAIGN, "entity: project", "entity: !!python/object:os.system x", ["not valid YAML"]),
        (SERVICES, "views: [", "views: [1, ", ["launch.views.0", "string", "says 1"]),
        (DATASET, "dtype: date", "dtype: datum", ["deadline.dtype", "'datum'", "'timestamp'"]),
        (HISTORY, "agg: count", "agg: median", ["features.ended.agg", "'median'", "'count', 'sum' or 'mean'"]),
        (CAMPAIGN, "dtype: float64", "dtype: timestamp", ["features.goal_usd.dtype", "'timestamp'"]),
        (HISTORY, "[30d, 365d]", "[30 days]", ["windows.0", "'30 days'", "30d"]),
        (HISTORY, "[30d, 365d]", "[-30d]", ["windows.0", "'-30d'"]),
        (HISTORY, "[30d, 365d]", "[0d]", ["windows.0", "'0d'"]),
        (HISTORY, "[30d, 365d]", "[99999999999999999d]", ["windows.0", "no length of time"]),
        (HISTORY, "[30d, 365d]", "30d", ["windows", "list"]),
        (HISTORY, "INTERVAL 1 DAY", "INTERVAL -1 DAY", ["known_at", "no moment", "INTERVAL 1 DAY"]),
        (HISTORY, "INTERVAL 1 DAY", "INTERVAL 99999999999999 DAY", ["known_at", "no moment"]),
        (HISTORY, "INTERVAL 1 DAY", "INTERVAL 1 MONTH", ["known_at", "no moment"]),
        (HISTORY, "entities: [category, main_category, country]", "entities: []", ["entities", "at least 1"]),
        (CAMPAIGN, "known_at: launched_at", "known_at: launched_at\nttl: 0d", ["ttl", "'0d'", "positive"]),
        (CAMPAIGN, "min: 1, max: 92", "min: {}, max: 92", ["duration_days.min", "a number, a date or a time"]),
        (CAMPAIGN, "min: 1, max: 92", "min: true, max: 92", ["duration_days.min", "a number, a date or a time"]),
        (DATASET, "values: [AUD, ", "values: [1.5, ", ["columns.currency.values.0", "a text or a whole number"]),
        (DATASET, "values: [AUD, ", "values: [true, ", ["columns.currency.values.0", "quote"]),
        (DATASET, "required: true}", "required: 1}", ["project_id.required", "boolean"]),
        (DATASET, "from: ID", "from: ''", ["project_id.from", "at least 1"]),
        (DATASET, "min: 2009-04-21", "min: 0001-01-01T00:00:00+05:00", ["launched_at.min", "years 1 to 9999"]),
        (DATASET, "  campaigns:", "  Campaigns:", ["'Campaigns'", "lower_case"]),
        (DATASET, "      goal: ", "      the__goal: ", ["'the__goal'", "single underscores"]),
        (DATASET, "  country: country", "  Country: country", ["'Country'", "lower_case"]),
        (DATASET, "  name: is_successful", "  name: is_Successful", ["label.name", "'is_Successful'"]),
        (CAMPAIGN, "goal_usd:  ", "goal__usd:  ", ["'goal__usd'", "single underscores"]),
        (CAMPAIGN, "goal_usd:  ", "1:  ", ["features", "1"]),
        (CAMPAIGN, "features:", "features: {}\nx:", ["x", "unknown key", "use one of description, entity"]),
        (CAMPAIGN, "entity: project", 'entity: "\\ud800"', ["not valid YAML", "ud800"]),
        (CAMPAIGN, "entity: project", "entity: &a [*a]", ["not valid YAML", "ircular"]),
        (DATASET, "key: [project_id]", "key: []", ["tables.campaigns.key", "at least 1"]),
        (DATASET, "event: {table: campaigns, entity: project}", "event: 3", ["event", "keys and values belong here", "says 3"]),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_named(tmp_path: Path, file: str, old: str, new: str, fragments: list[str]) -> None:
    """What no model takes ends in one sentence that names file, key and remedy."""
    folder = edited(copied(CAMPAIGNS, tmp_path), file, old, new)
    with pytest.raises(KnownatError) as refused:
        load_declaration(folder)
    sentence = str(refused.value)
    assert sentence.startswith(str(folder / file))
    assert "\n" not in sentence
    for fragment in fragments:
        assert fragment in sentence


@pytest.mark.parametrize(("file", "key"), [(DATASET, "label"), (DATASET, "entities"), (DATASET, "event"), (DATASET, "tables")])
@pytest.mark.parametrize("content", ["", " null", " {}"])
def test_a_part_that_is_left_out_is_asked_for(tmp_path: Path, file: str, key: str, content: str) -> None:
    """A declaration without tables, entities, event or label is refused by the missing key."""
    folder = copied(CAMPAIGNS, tmp_path)
    kept = {k: v for k, v in read_yaml(folder / file).items() if k != key}
    whole = json.dumps(kept, default=str)
    (folder / file).write_text(whole[:-1] + f', "{key}":{content}}}' if content else whole)
    with pytest.raises(KnownatError, match=f"dataset.yaml: {key}"):
        load_declaration(folder)


@pytest.mark.parametrize("file", [DATASET, SERVICES, CAMPAIGN])
def test_a_file_that_holds_nothing_is_named(tmp_path: Path, file: str) -> None:
    """An empty file, a list and a text that is not UTF-8 are each refused by file."""
    folder = copied(CAMPAIGNS, tmp_path)
    for content, said in [
        (b"", "holds no keys"),
        (b"- a\n", "holds no keys"),
        (b"{}", "holds no keys"),
        (b"a: \xff\n", "not UTF-8 text"),
    ]:
        (folder / file).write_bytes(content)
        with pytest.raises(KnownatError, match=said) as refused:
            load_declaration(folder)
        assert str(folder / file) in str(refused.value)


@pytest.mark.parametrize("file", [DATASET, SERVICES])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    """The two files that each declaration has are asked for by name."""
    folder = copied(CAMPAIGNS, tmp_path)
    (folder / file).unlink()
    with pytest.raises(KnownatError, match=f"{file} is missing; create it"):
        load_declaration(folder)


def test_a_declaration_without_views_is_refused(tmp_path: Path) -> None:
    """Without a view there is nothing to learn from."""
    folder = copied(CAMPAIGNS, tmp_path)
    for path in (folder / "views").iterdir():
        path.unlink()
    with pytest.raises(KnownatError, match="declares no view; add"):
        load_declaration(folder)


def test_a_view_under_another_ending_is_not_overlooked(tmp_path: Path) -> None:
    """views/history.yml would otherwise silently be no view."""
    folder = copied(CAMPAIGNS, tmp_path)
    (folder / HISTORY).rename(folder / "views/history.yml")
    with pytest.raises(KnownatError, match=r"rename it to history\.yaml"):
        load_declaration(folder)


def test_a_query_without_a_declaration_is_refused(tmp_path: Path) -> None:
    """SQL stands beside a YAML of the same stem."""
    folder = copied(DELIVERIES, tmp_path)
    (folder / "views/usual.yaml").unlink()
    with pytest.raises(KnownatError, match=r"usual\.sql has no usual\.yaml beside it"):
        load_declaration(folder)


def test_a_query_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """SQL is UTF-8, as YAML is."""
    folder = copied(DELIVERIES, tmp_path)
    (folder / "views/usual.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(KnownatError, match=r"usual\.sql is not UTF-8"):
        load_declaration(folder)


def test_a_long_value_is_not_repeated_in_full(tmp_path: Path) -> None:
    """A sentence stays one that can be read."""
    folder = edited(copied(CAMPAIGNS, tmp_path), CAMPAIGN, "entity: project", "entity: [" + "x, " * 5000 + "]")
    with pytest.raises(KnownatError) as refused:
        load_declaration(folder)
    assert len(str(refused.value)) < 400


def test_norway_stays_a_text(tmp_path: Path) -> None:
    """YAML 1.2: NO, yes, off and 1:30 are texts; 1e-3 and 0.5 are numbers; true is a boolean."""
    path = tmp_path / "a.yaml"
    path.write_text("a: [NO, yes, off, 1:30, on]\nb: [1e-3, 0.5]\nc: true\n")
    assert read_yaml(path) == {"a": ["NO", "yes", "off", "1:30", "on"], "b": [0.001, 0.5], "c": True}


def test_bounds_are_inherited_by_bare_columns_only(tmp_path: Path) -> None:
    """A feature that is a column takes its bounds over, unless it states its own; a computed one does not."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path),
        CAMPAIGN,
        "features:",
        "features:\n  goal: {dtype: float64, min: 5}\n  usd_goal_real: {dtype: float64}",
    )
    edited(folder, CAMPAIGN, "expr: country}", "expr: country, values: null}")
    features = loaded(folder).views["campaign"].features
    assert (features["goal_usd"].min, features["goal_usd"].required) == (0.01, True)
    assert features["usd_goal_real"].min == 0.01
    assert features["goal"].min == 5
    assert features["country"].values is None
    assert "Art" in (features["main_category"].values or [])
    assert features["category"].required is False
    assert features["duration_days"].required is False


def test_aggregates_inherit_no_bound(tmp_path: Path) -> None:
    """The mean of a column is no value of the column."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path), HISTORY, "features:", "features:\n  goal: {dtype: float64, agg: sum, expr: usd_goal_real}"
    )
    assert loaded(folder).views["history"].features["goal"].min is None


Parsed = dict[str, Any]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([[], {}, [None], {"a": 1}]),
    st.sampled_from(["launched_at", "resolved_at", "state", "project", "campaigns", "9d", "int64", "1", "NULL", "a + ", "((("]),
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, part in inner for p in _places(part, (*path, key))]


def _mutated(content: Parsed, data: st.DataObject) -> Parsed:
    """A copy with one key deleted, renamed or given another value."""
    changed: Parsed = json.loads(json.dumps(content, default=str))
    *parents, key = data.draw(st.sampled_from(_places(changed)))
    place: Any = changed
    for parent in parents:
        place = place[parent]
    how = data.draw(st.sampled_from(["delete", "replace", "rename", "wrap"]))
    value = place.pop(key)
    if how == "delete":
        return changed
    new = {"replace": lambda: data.draw(ODD), "rename": lambda: value, "wrap": lambda: [value]}[how]()
    if isinstance(place, list):
        place.insert(key, new)
    else:
        place[data.draw(st.text(max_size=5)) if how == "rename" else key] = new
    return changed


@pytest.mark.parametrize("source", [CAMPAIGNS, DELIVERIES], ids=["campaigns", "deliveries"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_loads_or_is_refused(tmp_path: Path, source: Path, data: st.DataObject) -> None:
    """Whatever a key is deleted, renamed or set to: a declaration that is consistent, or one sentence; never a crash."""
    folder = copied(source, tmp_path)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml") if path.name != "feature_store.yaml")
    file = data.draw(st.sampled_from(files))
    content = _mutated(read_yaml(folder / file), data)
    if data.draw(st.booleans()) and content:
        content = _mutated(content, data)
    (folder / file).write_text(json.dumps(content, default=str, ensure_ascii=False), encoding="utf-8")
    try:
        declaration = loaded(folder)
    except KnownatError as refused:
        sentence = str(refused)
    else:
        sentence = ""
        assert declaration.feature_views
    assert "\n" not in sentence
    assert "Traceback" not in sentence
