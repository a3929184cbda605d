"""The real table, where it is at hand: rows add up, windows are exact, and what is known later is absent at launch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from knownat import parquet, paths
from knownat.declaration import Declaration
from knownat.params import Params
from knownat.report.gates import gate
from knownat.stages import compile as compile_stage
from knownat.stages import ingest, preprocess, register, retrieve, validate
from tests.campaigns import differences, times
from tests.projects import ROOT

REAL = Path(os.environ.get("KNOWNAT_CAMPAIGNS", ROOT.parent / "shared" / "data" / "ks-projects-sample.csv"))
pytestmark = [pytest.mark.full, pytest.mark.skipif(not REAL.exists(), reason="the real table is not here (KNOWNAT_CAMPAIGNS)")]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[Path]:  # noqa: ARG001
    """A folder in which the data stages have run on the real table, as of launch with the outcome asked for too."""
    folder = tmp_path_factory.mktemp("real")
    for name in ("feature_repo", "expectations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("data", "registry.json"))
    text = (ROOT / "params.yaml").read_text().replace("uri: synthetic/campaigns.py", f"uri: {REAL.resolve()}")
    (folder / "params.yaml").write_text(text)
    services = folder / "feature_repo" / "services.yaml"
    text = services.read_text().replace("views: [campaign, category_history", "views: [campaign, outcome, category_history", 1)
    names = ("backers", "pledged_usd", "pledged_to_goal")
    waivers = f"{{{', '.join(f'outcome__{name}: It shows that it is null' for name in names)}}}"
    text = text.replace("as_of: launched_at\n", f"as_of: launched_at\n  waivers: {waivers}\n", 1)
    services.write_text(text)
    before = Path.cwd()
    os.chdir(folder)
    try:
        compile_stage.main()
        ingest.main("campaigns")
        validate.main("raw")
        preprocess.main()
        validate.main("features")
        register.main()
        retrieve.main()
        yield folder
    finally:
        os.chdir(before)


def test_the_real_rows_add_up(real: Path) -> None:
    """9,999 rows are read, and each is kept or left out for a reason."""
    account = json.loads((real / paths.ROWS).read_text())["tables"]["campaigns"]
    parts = [sum(v.values()) if isinstance(v, dict) else v for k, v in account.items() if k != "read"]
    assert account["read"] == sum(parts) == 9999
    assert account["quarantined"] == {"launched_at: below 2009-04-21": 1}


def test_the_real_quirks_are_visible_by_name_and_count(real: Path) -> None:
    """The lost country and the state in a name as warnings, the launch of 1970 in quarantine with all of its text."""
    found = gate("raw", json.loads((real / paths.result("raw")).read_text()))
    warned = {f.column: f.found for f in found.of("warned")}
    assert warned["country"] == '102 of 9,999 unexpected; such as N,0"'
    assert warned["name"].startswith("620 of 9,999 unexpected")
    assert "(Canceled)" in warned["name"]
    [row] = parquet.read(real / paths.QUARANTINE / "campaigns").to_pylist()
    assert row["reasons"] == "launched_at: below 2009-04-21"
    assert row["launched_at"].startswith("1970-01-01")
    lines = REAL.read_text(encoding="utf-8").splitlines()
    assert lines[row["line"] - 1].startswith(row["project_id"] + ",")


def test_what_is_known_later_is_null_at_launch(real: Path) -> None:
    """Every outcome feature, retrieved as of launch, is null, and the gate expects just that."""
    training_set = parquet.read(real / paths.TRAINING_SET)
    late = [name for name in training_set.column_names if name.startswith("outcome__")]
    assert late
    assert all(training_set[name].null_count == len(training_set) for name in late)
    counts = validate.main("training_set")
    assert counts["expectations"] > 50
    found = json.loads((real / paths.result("training_set")).read_text())
    assert {f["column"] for f in found if "leakage audit" in f["reason"]} == set(late)


@pytest.mark.parametrize("embargo", [None, "30d"])
def test_no_label_is_known_after_the_next_part_starts(real: Path, embargo: str | None) -> None:
    """A train row's campaign was decided before validation starts, a validation row's before test starts, less the embargo."""
    events, params = parquet.read(real / paths.TABLES / "campaigns"), Params.load(real / "params.yaml")
    split = params.split.model_copy(update={"embargo": embargo})
    declaration = Declaration.read(real / paths.compiled("retrieve"))
    spine = retrieve.spine_of(events, declaration, params.service, split, params.observed_at)
    if embargo is None:
        columns = ["project_id", "event_timestamp", "split", "is_successful"]
        assert spine.select(columns).equals(parquet.read(real / paths.TRAINING_SET, columns))
    decided = dict(zip(events["project_id"].to_pylist(), events["label_known_at"].to_pylist(), strict=True))
    for part, start in (("train", split.validation_from), ("validation", split.test_from)):
        rows = spine.filter(pc.equal(spine["split"], part))
        assert len(rows) > 300
        assert max(decided[key] for key in rows["project_id"].to_pylist()) < start - timedelta(days=30 if embargo else 0)


@pytest.mark.parametrize("stem", ["history", "activity"])
@pytest.mark.parametrize("entity", ["category", "main_category", "country"])
def test_windows_equal_brute_force_at_every_event(real: Path, entity: str, stem: str) -> None:
    """At every launch and every close, a stored row equals a count over all the campaigns: 0 differences."""
    declaration = Declaration.read(real / paths.compiled("preprocess"))
    view = declaration.feature_views[f"{entity}_{stem}"]
    events = parquet.read(real / paths.TABLES / "campaigns")
    observed_at = np.datetime64("2018-01-03", "us")
    stored = parquet.read(real / paths.VIEWS / view.name)
    compared = wrong = 0
    for key in pc.unique(events[view.join_key]).to_pylist():
        mine, rows = (table.filter(pc.equal(table[view.join_key], key)) for table in (events, stored))
        moments = np.unique(np.concatenate([times(mine, column) for column in ("launched_at", "resolved_at")]))
        found = differences(rows, mine, view, moments[moments <= observed_at], observed_at)
        compared, wrong = compared + found[0], wrong + found[1]
    assert compared > 10_000
    assert wrong == 0
