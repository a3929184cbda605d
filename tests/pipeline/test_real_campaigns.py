"""The real table, where it is at hand: rows add up, windows are exact, and what is known later is absent at launch."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from knownat import parquet, paths
from knownat.declaration import Declaration, FeatureView, span
from knownat.params import Params
from knownat.stages import compile as compile_stage
from knownat.stages import ingest, preprocess, register, retrieve, validate
from tests.projects import ROOT

REAL = Path(os.environ.get("KNOWNAT_CAMPAIGNS", ROOT.parent / "shared" / "data" / "ks-projects-sample.csv"))
pytestmark = [pytest.mark.full, pytest.mark.skipif(not REAL.exists(), reason="the real table is not here (KNOWNAT_CAMPAIGNS)")]

MICRO = 1_000_000


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
    waivers = "{outcome__backers: It shows that it is null, outcome__pledged_usd: It shows that it is null}"
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


def test_no_training_label_is_known_after_validation_starts(real: Path) -> None:
    """A train row's campaign was decided before validation starts."""
    training_set, events = parquet.read(real / paths.TRAINING_SET), parquet.read(real / paths.TABLES / "campaigns")
    train = training_set.filter(pc.equal(training_set["split"], "train"))
    decided = dict(zip(events["project_id"].to_pylist(), events["label_known_at"].to_pylist(), strict=True))
    latest = max(decided[key] for key in train["project_id"].to_pylist())
    assert latest < Params.load(real / "params.yaml").split.validation_from


@pytest.mark.parametrize("stem", ["history", "activity"])
@pytest.mark.parametrize("entity", ["category", "main_category", "country"])
def test_windows_equal_brute_force_at_every_event(real: Path, entity: str, stem: str) -> None:
    """At every launch and every close, a stored row equals a count over all the campaigns: 0 differences."""
    declaration = Declaration.read(real / paths.compiled("preprocess"))
    view = declaration.feature_views[f"{entity}_{stem}"]
    events = parquet.read(real / paths.TABLES / "campaigns")
    observed_at = np.datetime64("2018-01-03", "us")
    asked = [_times(events, "launched_at"), _times(events, "resolved_at")]
    stored = parquet.read(real / paths.VIEWS / view.name)
    differences, compared = 0, 0
    for key in pc.unique(events[view.join_key]).to_pylist():
        mine = events.filter(pc.equal(events[view.join_key], key))
        rows = stored.filter(pc.equal(stored[view.join_key], key)).sort_by("known_at")
        here = np.array(events[view.join_key].to_pylist()) == key
        moments = np.unique(np.concatenate([times[here] for times in asked]))
        moments = moments[moments <= observed_at]
        expected = _brute_force(mine, view, moments, observed_at)
        for name, values in expected.items():
            found = _as_of(rows, name, moments)
            compared += len(values)
            differences += sum(not _same(a, b) for a, b in zip(found, values, strict=True))
    assert compared > 10_000
    assert differences == 0


def _times(table: pa.Table, column: str) -> Any:
    return table[column].cast(pa.timestamp("us")).to_numpy()


def _as_of(rows: pa.Table, name: str, moments: Any) -> list[Any]:
    """The stored value at or before each moment; 0 or None before the first."""
    places = np.searchsorted(_times(rows, "known_at"), moments, side="right") - 1
    values = rows[name].to_pylist()
    empty = 0 if pa.types.is_integer(rows.schema.field(name).type) else None
    return [values[place] if place >= 0 else empty for place in places]


def _brute_force(events: pa.Table, view: FeatureView, moments: Any, observed_at: Any) -> dict[str, list[Any]]:
    """Each feature at each moment, over the events whose entry lies in (moment - window, moment]."""
    assert view.known_at is not None
    entries = _times(events, view.known_at.column) + np.timedelta64(view.known_at.delay)
    logs = {"log_goal": _micro(events["usd_goal_real"], 0), "log_backers": _micro(events["backers"], 1)}
    rates = [None if value is None else int(value) for value in events["is_successful"].to_pylist()]
    expected: dict[str, list[Any]] = {}
    for window in view.windows:
        lasts = np.timedelta64(span(window))
        inside = [(entries <= moment) & (entries > moment - lasts) & (entries <= observed_at) for moment in moments]
        for feature in (f for f in view.features if f.window == window):
            measure = feature.name.removesuffix(f"_{window}")
            if measure in {"ended", "launched"}:
                expected[feature.name] = [int(mask.sum()) for mask in inside]
            else:
                values, unit = (rates, 1) if measure == "success_rate" else (logs[measure], MICRO)
                expected[feature.name] = [_mean(values, mask, unit) for mask in inside]
    return expected


def _micro(column: pa.ChunkedArray, plus: int) -> list[int | None]:
    values = (None if v is None or v + plus <= 0 else math.log(v + plus) for v in column.to_pylist())
    return [None if v is None else math.floor(v * MICRO + 0.5) if v >= 0 else -math.floor(-v * MICRO + 0.5) for v in values]


def _mean(values: list[int | None], mask: Any, unit: int) -> float | None:
    chosen = [values[i] for i in np.flatnonzero(mask)]
    known = [v for v in chosen if v is not None]
    return sum(known) / unit / len(known) if known else None


def _same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    return bool(found == expected) if isinstance(expected, int) else math.isclose(found, expected, rel_tol=1e-12)
