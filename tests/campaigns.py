"""Generated campaigns as `preprocess` keeps them, and windows over campaigns once more, by brute force."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from knownat.declaration import Declaration, FeatureView, span
from knownat.judging import judge
from knownat.params import PreprocessSettings
from tests.projects import ROOT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MICRO = 1_000_000


def kept(spark: SparkSession, declared: Declaration, folder: Path, rows: int, seed: int, observed_at: datetime) -> DataFrame:
    """The generated rows that are neither quarantined nor duplicates, typed, with label and keys."""
    import pandas as pd

    path = folder / "campaigns.csv"
    options = ["--rows", str(rows), "--seed", str(seed), "--output", str(path)]
    subprocess.run([sys.executable, str(ROOT / "synthetic" / "campaigns.py"), *options], check=True)
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = declared.event_table.raw_columns
    texts = raw.rename(columns={source: name for name, source in columns.items()})[list(columns)].replace({"": None})
    texts.insert(0, "line", range(2, len(texts) + 2))
    judged = judge(spark.createDataFrame(texts), declared, declared.event.table, PreprocessSettings(), observed_at)
    return judged.where("verdict = 'kept'")


def times(table: pa.Table, column: str) -> Any:
    return table[column].cast(pa.timestamp("us")).to_numpy()


def entries(events: pa.Table, view: FeatureView) -> Any:
    """When each event begins to count."""
    assert view.known_at is not None
    return times(events, view.known_at.column) + np.timedelta64(view.known_at.delay)


def differences(stored: pa.Table, events: pa.Table, view: FeatureView, moments: Any, observed_at: Any) -> tuple[int, int]:
    """Of one key's stored rows and events: how many values as of the moments were compared, and how many differ."""
    rows = stored.sort_by("known_at")
    pairs = [
        pair
        for name, values in brute_force(events, view, moments, observed_at).items()
        for pair in zip(as_of(rows, name, moments), values, strict=True)
    ]
    return len(pairs), sum(not same(found, expected) for found, expected in pairs)


def as_of(rows: pa.Table, name: str, moments: Any) -> list[Any]:
    """The stored value at or before each moment; 0 or None before the first."""
    places = np.searchsorted(times(rows, "known_at"), moments, side="right") - 1
    values = rows[name].to_pylist()
    empty = 0 if pa.types.is_integer(rows.schema.field(name).type) else None
    return [values[place] if place >= 0 else empty for place in places]


def brute_force(events: pa.Table, view: FeatureView, moments: Any, observed_at: Any) -> dict[str, list[Any]]:
    """Each feature at each moment, over the events whose entry lies in (moment - window, moment]."""
    entry = entries(events, view)
    logs = {"log_goal": _micro(events["usd_goal_real"], 0), "log_backers": _micro(events["backers"], 1)}
    rates = [None if value is None else int(value) for value in events["is_successful"].to_pylist()]
    expected: dict[str, list[Any]] = {}
    for window in view.windows:
        lasts = np.timedelta64(span(window))
        inside = [(entry <= moment) & (entry > moment - lasts) & (entry <= observed_at) for moment in moments]
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


def same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    return bool(found == expected) if isinstance(expected, int) else math.isclose(found, expected, rel_tol=1e-12)
