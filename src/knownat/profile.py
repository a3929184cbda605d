"""A data set column by column: what is missing, how values are spread, the most frequent, and how often the label holds.

Every number is a count or a value of the data, so that no order of threads or machine shows in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knownat import accepted

if TYPE_CHECKING:
    import pyarrow as pa

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
KEPT = (0.05, 0.25, 0.5, 0.75, 0.95)  # of these, what an accepted version keeps
BINS = 20
TOP = 10
FREQUENT = 0.005  # the share of rows from which on a value is worth naming, where there are many
KEPT_TOP, KEPT_SHARE = 5, 0.01  # an accepted version keeps no rare value: it may be somebody's name
SKEW = 8  # a 99th percentile so many times the 75th is drawn on a logarithmic axis
WORDS = {"string", "bool"}
TIMES = {"timestamp", "date"}

Value = int | float | str


@dataclass(frozen=True)
class Tally:
    """Rows, how many of them have a label, and of how many it is true."""

    rows: int
    labelled: int = 0
    positive: int = 0

    @property
    def rate(self) -> float | None:
        return self.positive / self.labelled if self.labelled else None


@dataclass(frozen=True)
class Bin:
    """Rows from `low` on, below `high`; the outermost bins hold what lies beyond too."""

    low: Value
    high: Value
    tally: Tally


@dataclass(frozen=True)
class Frequent:
    value: Value
    tally: Tally


@dataclass(frozen=True)
class Column:
    """`odd`: values that are no finite number. `quantiles` (at QUANTILES) and `bins` are empty where values have no order.

    `top` is empty where no value is frequent. Times are ISO text.
    """

    name: str
    dtype: str
    rows: int
    nulls: int
    odd: int
    distinct: int
    quantiles: tuple[Value, ...]
    bins: tuple[Bin, ...]
    is_log: bool
    top: tuple[Frequent, ...]

    @property
    def missing(self) -> float:
        """The share of rows without a value; of no rows, none is missing."""
        return self.nulls / self.rows if self.rows else 0.0


def profile(names: Sequence[str], load: Callable[[str], pa.ChunkedArray], label: str | None) -> tuple[Column, ...]:
    """Each column as `load` gives it, one at a time; by the label where there is one, but not the label by itself."""
    labels = load(label) if label in names and label is not None else None
    return tuple(column(name, load(name), None if name == label else labels) for name in names)


def column(name: str, values: pa.ChunkedArray, labels: pa.ChunkedArray | None = None) -> Column:
    """The profile of one column; `labels` are booleans, row by row."""
    import pyarrow.compute as pc

    dtype, sides = dtype_of(values.type), _sides(labels)
    plain, odd = _plain(values, dtype)
    counts = pc.value_counts(plain.drop_null())
    ordered = np.sort(np.array([]) if dtype in WORDS else plain.drop_null().to_numpy())
    quantiles = tuple(_at(ordered, q) for q in QUANTILES) if len(ordered) else ()
    edges, is_log = edges_of([quantiles[i] for i in (0, 1, 5, 7)], whole=dtype == "int64") if quantiles else (None, False)
    return Column(
        name=name,
        dtype=dtype,
        rows=len(values),
        nulls=values.null_count,
        odd=odd,
        distinct=len(counts),
        quantiles=tuple(_value(value, dtype) for value in quantiles),
        bins=_bins(plain, edges, dtype, sides) if edges is not None else (),
        is_log=is_log,
        top=_top(plain, counts, dtype, sides),
    )


def dtype_of(kind: pa.DataType) -> str:
    """The declaration's word for an Arrow type."""
    import pyarrow as pa

    known = {
        "bool": pa.types.is_boolean, "int64": pa.types.is_integer, "float64": pa.types.is_floating,
        "timestamp": pa.types.is_timestamp, "date": pa.types.is_date,
    }  # fmt: skip
    return next((name for name, is_kind in known.items() if is_kind(kind)), "string")


def compact(found: Column) -> accepted.Column:
    """What an accepted version keeps of it: a line to compare the next version with."""
    shares = {str(item.value): _rounded(item.tally.rows / found.rows) for item in found.top[:KEPT_TOP] if found.rows}
    kept = [found.quantiles[QUANTILES.index(q)] for q in KEPT] if found.quantiles else []
    quantiles: accepted.Quantiles = [str(v) for v in kept] if found.dtype in TIMES else [_rounded(float(v)) for v in kept]
    top = {value: share for value, share in shares.items() if share >= KEPT_SHARE} if found.dtype in WORDS else {}
    return accepted.Column(nulls=_rounded(found.missing), distinct=found.distinct, quantiles=quantiles, top=top)


def _rounded(number: float) -> float:
    """Five significant digits: finer than any difference worth a look."""
    rounded = float(f"{number:.5g}")
    return rounded if math.isfinite(rounded) else number


def _plain(values: pa.ChunkedArray, dtype: str) -> tuple[pa.Array, int]:
    """The values in one piece as texts, whole numbers (times: microseconds, days) or finite numbers; what is not is counted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if dtype in WORDS:
        return array.cast(pa.string()), 0
    if dtype in TIMES:
        return array.cast(pa.timestamp("us")).cast(pa.int64()), 0
    if dtype == "int64":
        return array.cast(pa.int64()), 0
    finite = pc.is_finite(array)
    kept = pc.if_else(finite, array, pa.scalar(None, array.type)).cast(pa.float64())
    return kept, kept.null_count - array.null_count


def _at(ordered: NDArray[Any], share: float) -> Any:
    """The smallest value that so many of the values do not exceed: always one of them."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)].item()


def edges_of(ends: Sequence[float], *, whole: bool) -> tuple[NDArray[np.float64], bool]:
    """The edges of bins from the 1st to the 99th percentile, of (minimum, 1st, 75th, 99th); and whether they are logarithmic."""
    least, low, upper, high = (float(end) for end in ends)
    if few(low, high, whole=whole) or least < 0 or high < SKEW * upper:
        return even_edges(low, high, whole=whole), False
    logs = np.linspace(math.log1p(low), math.log1p(high), BINS + 1)
    # to ten digits: a logarithm's last bit is the machine's; rounding may lead beyond the greatest number there is
    return np.array([min(float(f"{math.expm1(edge):.10g}"), high) for edge in logs[:-1]] + [high]), True


def few(low: float, high: float, *, whole: bool) -> bool:
    """Whether there is but one value, or so few whole numbers that each gets a bin."""
    return low == high or (whole and high - low < BINS + 4)


def even_edges(low: float, high: float, *, whole: bool) -> NDArray[np.float64]:
    """Equal bins; one for each whole number where there are few."""
    if not few(low, high, whole=whole):
        return 2 * np.linspace(low / 2, high / 2, BINS + 1)  # by halves, since their difference may be beyond all numbers
    low, high = math.floor(low) - 0.5, math.ceil(high) + 0.5
    return np.linspace(low, high, max(1, round(high - low)) + 1)


def _bins(plain: pa.Array, edges: NDArray[np.float64], dtype: str, sides: _Sides) -> tuple[Bin, ...]:
    import pyarrow.compute as pc

    there = plain.is_valid().to_numpy(zero_copy_only=False)
    places = np.searchsorted(edges[1:-1], pc.fill_null(plain, 0).to_numpy(), side="right")
    tallies = _tallies(np.where(there, places, -1), len(edges) - 1, sides)
    ends = [_value(round(edge) if dtype in TIMES else edge, dtype) for edge in edges.tolist()]
    return tuple(Bin(low, high, tally) for low, high, tally in zip(ends[:-1], ends[1:], tallies, strict=True))


def _top(plain: pa.Array, counts: pa.StructArray, dtype: str, sides: _Sides) -> tuple[Frequent, ...]:
    """The most frequent values, the smaller first where two are as frequent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"values": counts.field("values"), "counts": counts.field("counts")})
    if not len(table) or (len(table) > TOP and pc.max(table["counts"]).as_py() <= max(1, FREQUENT * len(plain))):
        return ()
    first = table.sort_by([("counts", "descending"), ("values", "ascending")]).slice(0, TOP)["values"].combine_chunks()
    places = pc.fill_null(pc.index_in(plain, value_set=first, skip_nulls=True), -1).to_numpy()
    tallies = _tallies(places, len(first), sides)
    return tuple(Frequent(_value(value, dtype), tally) for value, tally in zip(first.to_pylist(), tallies, strict=True))


_Sides = tuple[NDArray[np.bool_], NDArray[np.bool_]] | None


def _sides(labels: pa.ChunkedArray | None) -> _Sides:
    """Which rows have a label, and of which it is true."""
    import pyarrow.compute as pc

    if labels is None:
        return None
    return labels.is_valid().to_numpy().astype(bool), pc.fill_null(labels, False).to_numpy().astype(bool)


def _tallies(places: NDArray[Any], number: int, sides: _Sides) -> list[Tally]:
    """Rows by place (−1: none), all of them, with a label and with a true one."""

    def counted(mask: NDArray[np.bool_] | None) -> list[int]:
        chosen = places if mask is None else places[mask]
        return [int(n) for n in np.bincount(chosen[chosen >= 0], minlength=number)]

    if sides is None:
        return [Tally(rows) for rows in counted(None)]
    known, positive = sides
    return [Tally(*numbers) for numbers in zip(counted(None), counted(known), counted(known & positive), strict=True)]


def _value(value: Any, dtype: str) -> Value:
    """A plain value as it is shown: times as ISO text."""
    if dtype not in TIMES:
        return value if isinstance(value, int | str) else float(value)
    moment = np.datetime64(int(value), "us")
    return str(np.datetime_as_string(moment, unit="D" if dtype == "date" else "s"))
