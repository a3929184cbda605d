"""A profile says what is in a column, exactly, whatever the chunks and the threads."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownat.changes import changes, rows_changed
from knownat.data_sets import DataSet, Measured
from knownat.paths import TABLES
from knownat.profile import KEPT_SHARE, QUANTILES, TOP, Column, column, compact, profile


def profiled(values: list[Any], kind: pa.DataType | None = None, labels: list[bool | None] | None = None) -> Column:
    known = None if labels is None else pa.chunked_array([pa.array(labels, pa.bool_())])
    return column("one", pa.chunked_array([pa.array(values, kind)]), known)


def quantile(found: Column, share: float) -> Any:
    return found.quantiles[QUANTILES.index(share)]


def test_numbers_have_exact_counts_and_quantiles_that_are_values() -> None:
    """Missing and what is no finite number are counted apart; the rest is spread over bins that lose no row."""
    found = profiled([1.0, 2.0, 2.0, None, float("nan"), float("inf"), 90.0], pa.float64())
    assert (found.rows, found.nulls, found.odd, found.distinct) == (7, 1, 2, 3)
    assert [quantile(found, q) for q in (0.0, 0.5, 1.0)] == [1.0, 2.0, 90.0]
    assert sum(b.tally.rows for b in found.bins) == 4
    assert [(f.value, f.tally.rows) for f in found.top] == [(2.0, 2), (1.0, 1), (90.0, 1)]


def test_times_are_iso_text_in_utc() -> None:
    """A timestamp's quantiles show seconds, a date's none."""
    at = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert quantile(profiled([at, at + timedelta(days=1)], pa.timestamp("us", tz="UTC")), 0.5) == "2024-02-29T12:00:00"
    assert quantile(profiled([date(2024, 2, 29)], pa.date32()), 1.0) == "2024-02-29"


def test_the_label_rate_is_of_the_rows_that_have_a_label() -> None:
    """By value and by bin; a value without any labelled row has no rate."""
    words = profiled(["a", "a", "a", "b", None], labels=[True, False, None, None, True])
    assert [(f.value, f.tally.rows, f.tally.rate) for f in words.top] == [("a", 3, 0.5), ("b", 1, None)]
    numbers = profiled([1, 1, 2, 2], pa.int64(), labels=[True, True, False, None])
    assert [(b.low, b.tally.rows, b.tally.rate) for b in numbers.bins] == [(0.5, 2, 1.0), (1.5, 2, 0.0)]


def test_the_label_is_not_told_by_itself() -> None:
    """The label's own column has no label rate; the others have."""
    table = pa.table({"label": [True, False], "word": ["a", "b"]})
    label, word = profile(table.column_names, table.column, "label")
    assert all(f.tally.labelled == 0 for f in label.top)
    assert [f.tally.rate for f in word.top] == [1.0, 0.0]


def test_what_is_different_in_every_row_has_no_frequent_values() -> None:
    """A key or a name that hardly occurs twice is not listed, so that nobody's name is."""
    assert profiled([str(n) for n in range(50)]).top == ()
    assert profiled([str(n // 2) for n in range(5000)]).top == ()
    assert len(profiled([str(n % 20) for n in range(5000)]).top) == TOP


@pytest.mark.parametrize(
    ("values", "kind"),
    [([], pa.string()), ([None, None], pa.float64()), ([float("nan")], pa.float64()), ([None], pa.null()), ([None], pa.bool_())],
)
def test_a_column_without_a_value_is_profiled_as_such(values: list[Any], kind: pa.DataType) -> None:
    """No rows, nothing but nulls, nothing finite: no quantile, no bin, no frequent value, and no error."""
    found = profiled(values, kind)
    assert (found.distinct, found.quantiles, found.bins, found.top) == (0, (), (), ())
    assert compact(found).quantiles == []


numbers = st.lists(st.none() | st.floats(), max_size=60)


@given(numbers, st.integers(1, 60))
def test_chunks_do_not_show(values: list[float | None], size: int) -> None:
    """However the rows are cut into chunks, the profile is the same and is plain JSON; every finite number is in a bin."""
    whole = profiled(values, pa.float64())
    chunks = [pa.array(values[i : i + size], pa.float64()) for i in range(0, len(values), size)]
    assert column("one", pa.chunked_array(chunks, pa.float64())) == whole
    assert json.loads(json.dumps(asdict(whole), allow_nan=False))["rows"] == len(values)
    assert sum(b.tally.rows for b in whole.bins) == whole.rows - whole.nulls - whole.odd


@given(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=60), st.randoms())
def test_the_order_of_the_rows_does_not_show(words: list[str], random: Any) -> None:
    """Frequent values come by their count and then by themselves."""
    assert profiled(random.sample(words, len(words))) == profiled(words)


def test_a_skewed_column_has_logarithmic_bins() -> None:
    """Where a few are far above the rest, equal bins would show one bar."""
    found = profiled([float(n) for n in range(1, 99)] + [1e6] * 2, pa.float64())
    assert found.is_log
    assert sum(b.tally.rows > 0 for b in found.bins) > 3
    assert not profiled([float(n) for n in range(100)], pa.float64()).is_log


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0, 1.7976931345000204e308], [-1.7e308, -1.0, 1.7e308], [5e-324, 1.0]])
def test_numbers_as_large_as_they_get_have_bins(values: list[float]) -> None:
    """No edge and no quantile is rounded to more than the greatest number."""
    found = profiled(values, pa.float64())
    assert sum(b.tally.rows for b in found.bins) == len(values)
    assert np.isfinite([edge for b in found.bins for edge in (b.low, b.high)]).all()
    assert np.isfinite(compact(found).quantiles).all()


def test_an_accepted_column_keeps_no_rare_value() -> None:
    """Shares below a hundredth are left out of what is committed, and numbers are kept to five digits."""
    kept = compact(profiled(["a"] * 150 + ["b"] * 49 + ["rare"]))
    assert kept.top == {"a": 0.75, "b": 0.245}
    assert min(kept.top.values()) >= KEPT_SHARE
    assert compact(profiled([123456.7], pa.float64())).quantiles == [123460.0] * 5


def version(**columns: list[Any]) -> Any:
    found = tuple(column(name, pa.chunked_array([pa.array(values)])) for name, values in columns.items())
    data_set = DataSet("features", "things", "table", TABLES / "things")
    return Measured(data_set, repr(columns), len(next(iter(columns.values()))), found).version


def test_changes_are_named_with_the_largest_first() -> None:
    """A column that is gone, new, emptier, moved or of other words is said in a few words; one that is the same is not."""
    old = version(gone=[1], same=[1, 2], empty=["x", "x", "x", "x"], moved=[0, 10, 20], words=["a", "a", "b", "b"])
    new = version(same=[1, 2], empty=["x", "x", "x", None], moved=[0, 11, 20], words=["a", "a", "a", "c"], fresh=[1])
    said = {change.column: change.words for change in changes(old, new)}
    assert [change.column for change in changes(old, new)] == ["fresh", "gone", "words", "empty", "moved"]
    assert said["gone"] == "no longer there"
    assert said["fresh"] == "new"
    assert said["empty"].replace("\N{NO-BREAK SPACE}", " ") == "missing 0 % → 25.0 %; x 100 % → 75.0 %"
    assert said["moved"] == "median 10 → 11"
    assert "no longer frequent: b" in said["words"]
    assert "frequent now: c" in said["words"]
    assert changes(new, new) == []
    assert rows_changed(old, old.model_copy(update={"rows": 1234})) == "1 → 1,234 rows"
