"""How a column is spread in train and in test, in the same bins, and how far apart the two are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knownat.profile import even_edges
from knownat.report.numbers import significant

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = 12


@dataclass(frozen=True)
class Histogram:
    """Shares of the rows that have a value, in the same bins for train and test.

    Of categories, `words` name the bins, and if there are `others`, they share one more bin, the last.
    """

    train: tuple[float, ...]
    test: tuple[float, ...]
    low: str
    high: str
    words: tuple[str, ...] = ()
    others: int = 0


@dataclass(frozen=True)
class Shift:
    """`chance` is what `distance` would be on average if nothing had moved, since no two samples are alike."""

    distance: float
    chance: float


def of_words(train: pa.ChunkedArray, test: pa.ChunkedArray) -> Histogram:
    """The train split's most frequent values; the rest as one."""
    counts, later = _counts(train), _counts(test)
    ranked = sorted(counts | later, key=lambda word: (-counts.get(word, 0), word))
    shown = ranked if len(ranked) <= WORDS else ranked[: WORDS - 1]
    rest = ranked[len(shown) :]
    tallies = [
        [tally.get(word, 0) for word in shown] + ([sum(tally.get(word, 0) for word in rest)] if rest else [])
        for tally in (counts, later)
    ]
    return Histogram(_shares(tallies[0]), _shares(tallies[1]), shown[0], shown[-1], tuple(shown), len(rest))


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    import pyarrow.compute as pc

    found = pc.value_counts(values).to_pylist()
    return {str(f["values"]).lower() if isinstance(f["values"], bool) else str(f["values"]): f["counts"] for f in found}


def of_numbers(train: pa.ChunkedArray, test: pa.ChunkedArray, *, logs: bool) -> Histogram | None:
    """Equal bins between the 1st and the 99th percentile of train; the outermost hold what lies beyond.

    Of ln(1 + x) where the model reads it so; one bin for each whole number where there are few. None without a number.
    """
    import pyarrow as pa

    numbers, later = finite(train), finite(test)
    if not len(numbers):
        return None
    ends = [float(q) for q in np.quantile(numbers, (0.01, 0.99))]
    low, high = (math.log1p(max(end, 0)) for end in ends) if logs else ends
    edges = even_edges(low, high, whole=pa.types.is_integer(train.type) and not logs)[1:-1]
    scaled = [np.log1p(np.maximum(values, 0)) if logs else values for values in (numbers, later)]
    tallies = [np.bincount(np.searchsorted(edges, v, side="right"), minlength=len(edges) + 1).tolist() for v in scaled]
    return Histogram(_shares(tallies[0]), _shares(tallies[1]), significant(ends[0]), significant(ends[1]))


def finite(values: pa.ChunkedArray) -> NDArray[np.float64]:
    """The numbers that are there."""
    numbers = np.asarray(values.drop_null().to_numpy(), dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(number / total if total else 0.0 for number in counts)


def shift(histogram: Histogram | None, missing: tuple[float, float], rows: tuple[int, int]) -> Shift | None:
    """Total variation: half the sum of the differences between train's and test's shares, missing a bin of its own.

    By chance, two shares p of n and m rows differ by sqrt(2 p (1 - p) / pi (1/n + 1/m)) on average (half-normal).
    """
    if not all(rows):
        return None
    sides = [histogram.train, histogram.test] if histogram else [(), ()]
    train, test = (np.array([m, *((1 - m) * p for p in side)]) for m, side in zip(missing, sides, strict=True))
    together = (rows[0] * train + rows[1] * test) / sum(rows)
    noise = np.sqrt(2 / math.pi * together * (1 - together) * (1 / rows[0] + 1 / rows[1]))
    return Shift(float(np.abs(train - test).sum() / 2), float(noise.sum() / 2))
