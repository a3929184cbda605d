"""`knownat lineage <input>`: the columns of the files that an input derives from, by the files' own names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from knownat import paths
from knownat.cli import app
from knownat.column_lineage import as_json, as_text, inputs, traced
from knownat.errors import KnownatError
from knownat.loading import load_declaration
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited
from tests.projects import ROOT

CAMPAIGN = load_declaration(CAMPAIGNS)
DELIVERY = load_declaration(DELIVERIES)


def columns(name: str) -> list[tuple[str, str, str, str]]:
    declaration = DELIVERY if name in inputs(DELIVERY) else CAMPAIGN
    return [(o.table, o.column, o.field, o.known_at) for o in traced(declaration, name).origins]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("category_history__success_rate_365d", [("campaigns", "state", "state", "resolved_at")]),
        ("campaign__name_length", [("campaigns", "name", "name", "launched_at")]),
        ("campaign__duration_days", [("campaigns", "deadline", "deadline", "launched_at"), ("campaigns", "launched_at", "launched", "launched_at")]),
        ("rain__rain_mm", [("weather", "rain_mm", "rain_mm", "measured_at")]),
        ("depot_record__late_rate_7d", [("deliveries", "minutes_late", "minutes_late", "delivered_at")]),
    ],
)  # fmt: skip
def test_an_input_is_followed_to_the_columns_of_its_file(name: str, found: list[tuple[str, str, str, str]]) -> None:
    """With the name that the file gives them, and when each is known."""
    assert columns(name) == found


def test_a_query_is_followed_to_its_files_too() -> None:
    assert {"distance_km", "depot", "ordered"} <= {field for _, _, field, _ in columns("usual__median_km")}


def test_every_input_is_told_in_text_and_json() -> None:
    """Of both data sets: nothing raises, and each says which services read it."""
    for declaration in (CAMPAIGN, DELIVERY):
        for name in inputs(declaration):
            found = traced(declaration, name)
            assert as_text(found).startswith(f"{name} (")
            assert json.loads(json.dumps(as_json(found)))["services"] == list(found.services)
            assert found.origins or "It counts rows of" in as_text(found)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        (
            "category_history__success_rate_36d",
            "did you mean category_history__success_rate_365d, category_history__success_rate_30d",
        ),
        ("success_rate_365d", "category_history__success_rate_365d"),
        ("qqq", "there are "),
    ],
)
def test_what_is_no_input_is_one_sentence_with_near_names(name: str, near: str) -> None:
    with pytest.raises(KnownatError, match=f"^'{name}' is neither a feature nor a file that dvc.lock names") as caught:
        traced(CAMPAIGN, name)
    assert near in str(caught.value)


def test_a_query_that_cannot_be_followed_says_why(tmp_path: Path) -> None:
    folder = edited(copied(DELIVERIES, tmp_path), "views/usual.sql", "percentile(distance_km, 0.5)", "max(struct(*))")
    with pytest.raises(
        KnownatError, match=r"^usual__median_km: its query cannot be followed: .* names no column; name its columns"
    ):
        traced(load_declaration(folder), "usual__median_km")


def test_the_command_needs_neither_git_nor_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled declaration is all that it reads; a picture or events are of files."""
    monkeypatch.chdir(tmp_path)
    path = paths.compiled("report")
    path.parent.mkdir()
    path.write_text(CAMPAIGN.model_dump_json(by_alias=True, exclude_defaults=True))
    name = "campaign__duration_days"
    done = CliRunner().invoke(app, ["lineage", name, "--json"])
    assert [c["from"] for c in json.loads(done.stdout)["columns"]] == ["deadline", "launched"]
    assert "campaign__duration_days ← launched_at: 'launched' of campaigns" in CliRunner().invoke(app, ["lineage", name]).stdout
    assert "shows files" in str(CliRunner().invoke(app, ["lineage", name, "--svg"]).exception)
    assert "did you mean" in str(CliRunner().invoke(app, ["lineage", "campaign__duration_day"]).exception)


def test_asking_loads_no_engine() -> None:
    """Neither for a column nor for a file: the command answers in about a second."""
    import subprocess
    import sys

    heavy = "{'pyspark', 'feast', 'tensorflow', 'pandas', 'pyarrow', 'duckdb', 'great_expectations', 'dvc', 'openlineage'}"
    code = f"import sys, knownat.column_lineage, knownat.lineage_text, knownat.lineage_picture; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
