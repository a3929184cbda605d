"""Each stage's part of the declaration: valid in itself, and changed by nothing that the stage does not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from knownat import paths
from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.stages import compile as stage
from knownat.stages.compile import PARTS
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited, loaded

DATASET, SERVICES, CAMPAIGN, HISTORY = "dataset.yaml", "services.yaml", "views/campaign.yaml", "views/history.yaml"
GATES, TEXTS = {"validate_features", "validate_training_set", "report"}, {"register", "evaluate", "report"}


def texts(folder: Path) -> dict[str, str]:
    declaration = loaded(folder)
    return {name: part(declaration).model_dump_json(by_alias=True, exclude_defaults=True) for name, part in PARTS.items()}


@pytest.mark.parametrize("source", [CAMPAIGNS, DELIVERIES], ids=["campaigns", "deliveries"])
@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_itself_a_declaration(source: Path, name: str) -> None:
    """What a stage reads back is what was compiled for it, views and order included."""
    part = PARTS[name](loaded(source))
    again = Declaration.model_validate_json(part.model_dump_json(by_alias=True, exclude_defaults=True))
    assert again == part
    assert list(again.feature_views.items()) == list(part.feature_views.items())
    assert [list(table.columns) for table in again.tables.values()] == [list(table.columns) for table in part.tables.values()]


@pytest.mark.parametrize("name", ["encode", "evaluate", "validate_training_set", "register", "retrieve", "report"])
def test_parts_agree_on_what_a_model_reads(name: str) -> None:
    """Every stage after the views finds the same inputs under the same names and dtypes."""
    whole = loaded(CAMPAIGNS)
    read = Declaration.model_validate_json(PARTS[name](whole).model_dump_json(by_alias=True, exclude_defaults=True))
    for service in whole.services:
        assert [(i.name, i.feature.dtype) for i in read.inputs(service)] == [
            (i.name, i.feature.dtype) for i in whole.inputs(service)
        ]


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        (CAMPAIGN, "Funding goal, USD", "The goal", TEXTS),
        (CAMPAIGN, "description: What a backer", "description: All a backer", TEXTS),
        (DATASET, "One row a Kickstarter", "A row a Kickstarter", TEXTS),
        (DATASET, "The campaign reached", "It reached", TEXTS),
        (SERVICES, "Will it succeed", "Does it succeed", TEXTS),
        (SERVICES, "  as_of: launched_at\n", "  as_of: launched_at\n  capture: 0.5\n", {"register", "report"}),
        (HISTORY, "min: 0, max: 1,", "min: 0, max: 0.9,", GATES),
        (CAMPAIGN, "max: 92", "max: 91", GATES | {"preprocess"}),
        (DATASET, "min: 2009-04-21", "min: 2009-04-22", GATES | {"preprocess"}),
        (DATASET, "timezone: UTC", "timezone: Europe/Oslo", set(PARTS)),
        (DATASET, "from: launched,", "from: start,", set(PARTS)),
        (CAMPAIGN, "month(launched_at)", "quarter(launched_at)", set(PARTS) - {"ingest", "validate_raw", "encode"}),
        (SERVICES, "as_of: launched_at", "as_of: resolved_at", set(PARTS) - {"ingest", "validate_raw", "preprocess", "validate_features"}),
        (DATASET, "# The tables", "# Some tables", set()),
        (CAMPAIGN, "  launch_month: ", "  launch_month:      ", set()),
    ],
)  # fmt: skip
def test_an_edit_changes_only_the_parts_that_need_it(tmp_path: Path, file: str, old: str, new: str, changed: set[str]) -> None:
    """A text reruns no computation, a bound no retrieval, an expression no encoding beyond its values."""
    folder = copied(CAMPAIGNS, tmp_path)
    if file == SERVICES and "as_of" in old:
        edited(folder, SERVICES, "close:", "other:")
        edited(folder, SERVICES, ", category_activity, main_category_activity, country_activity", "")
    before = texts(folder)
    after = texts(edited(folder, file, old, new))
    assert {name for name in PARTS if before[name] != after[name]} == changed


def test_a_refused_declaration_leaves_the_old_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written before all of it has been checked."""
    folder = copied(CAMPAIGNS, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert stage.main()["views"] == len(loaded(folder).feature_views)
    before = {path: path.read_bytes() for path in paths.COMPILED.iterdir()}
    assert {path.stem for path in before} == set(PARTS)
    edited(folder, SERVICES, "as_of: launched_at", "as_of: launch")
    with pytest.raises(KnownatError):
        stage.main()
    assert {path: path.read_bytes() for path in paths.COMPILED.iterdir()} == before


def test_every_constraint_is_dropped_where_no_bound_is_needed() -> None:
    """A constraint that is added to the model some day reruns no stage that does not judge by it."""
    for name in ("register", "retrieve", "encode", "ingest"):
        part = PARTS[name](loaded(CAMPAIGNS))
        stated = [*part.event_table.columns.values(), *(f for view in part.views.values() for f in view.features.values())]
        assert all(not constraint for column in stated for constraint in (column.required, column.min, column.max, column.values))
