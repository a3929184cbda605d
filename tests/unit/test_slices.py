"""Scores of parts of the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from knownat.errors import KnownatError
from knownat.plots import PLOTS
from knownat.slices import LEAST_ROWS, Judged, quarters, refuse_unknown, slices
from tests.unit.test_train import ENCODER

SHOP = "basket__shop"


def judged(shops: list[Any], start: datetime = datetime(2019, 12, 31, tzinfo=UTC)) -> Judged:
    """A row an hour, the label true in every other."""
    rows = len(shops)
    at = pa.array([start + timedelta(hours=n) for n in range(rows)], pa.timestamp("us", tz="UTC"))
    generator = np.random.default_rng(2)
    table = pa.table({"event_timestamp": at, SHOP: pa.array(shops)})
    return Judged(table, np.arange(rows) % 2 == 0, generator.random(rows), generator.random(rows))


def test_a_slice_needs_enough_rows_and_both_labels() -> None:
    """One row too few, or one label, is no slice; what is missing is one, and a whole number is sliced as a word."""
    rows = judged(["a"] * LEAST_ROWS + ["b"] * (LEAST_ROWS - 1) + [None] * LEAST_ROWS + ["one"] * 100)
    labels = rows.labels.copy()
    labels[-100:] = True
    found = slices(Judged(rows.rows, labels, rows.probabilities, rows.peer), [SHOP], ENCODER)
    assert [(point["slice"], point["value"], point["rows"]) for point in found] == [
        (f"{SHOP} is missing", "", LEAST_ROWS),
        (f"{SHOP} = a", "a", LEAST_ROWS),
    ]
    assert {tuple(point) for point in found} == {PLOTS["slices"]}
    assert all(point["auc_low"] <= point["auc"] <= point["auc_high"] for point in found)
    assert [point["value"] for point in slices(judged([7] * 60), [SHOP], ENCODER)] == ["7"]


def test_quarters_are_of_the_calendar_and_hold_all_parts_together() -> None:
    """The turn of the year parts them, in UTC; rows of two splits in one quarter are judged as one."""
    parts = [judged(["a"] * 84), judged(["a"] * 60, datetime(2020, 3, 31, 12, tzinfo=UTC))]
    found = quarters(parts)
    assert [(point["quarter"], point["rows"]) for point in found] == [("2020-Q1", 72)]
    assert {tuple(point) for point in found} == {PLOTS["quarters"]}


def test_what_is_no_input_is_refused() -> None:
    """By name, with the closest input or the form of one."""
    with pytest.raises(KnownatError, match="has no input 'basket__shp'; did you mean 'basket__shop'"):
        refuse_unknown([SHOP, "basket__shp"], ENCODER)
    with pytest.raises(KnownatError, match="has no input 'zzz'; write <view>__<feature>"):
        refuse_unknown(["zzz"], ENCODER)
