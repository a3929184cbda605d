"""What has changed from one version of a data set to the next, in words, the largest change first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knownat.accepted import Column, Version
from knownat.profile import KEPT
from knownat.report.numbers import count, listed, share, significant

LEAST = 0.0005  # what share() would show as the same
MEDIAN = KEPT.index(0.5)


@dataclass(frozen=True)
class Change:
    """One column's change: `size` from 0 to 1, to sort by."""

    column: str
    size: float
    words: str


def changes(old: Version, new: Version) -> list[Change]:
    """The columns that differ, the largest difference first."""
    if old.hash == new.hash:
        return []
    gone = [Change(name, 1.0, "no longer there") for name in old.columns if name not in new.columns]
    found = [_column(name, old.columns.get(name), column) for name, column in new.columns.items()]
    return sorted((change for change in [*gone, *found] if change), key=lambda change: (-change.size, change.column))


def rows_changed(old: Version, new: Version) -> str:
    """49,995 rows as before; or 49,995 → 50,010 rows."""
    return f"{count(new.rows)} rows as before" if old.rows == new.rows else f"{count(old.rows)} → {count(new.rows)} rows"


def _column(name: str, old: Column | None, new: Column) -> Change | None:
    if old is None:
        return Change(name, 1.0, "new")
    parts = [*_missing(old, new), *_middle(old, new), *_top(old, new)]
    return Change(name, max(size for size, _ in parts), "; ".join(words for _, words in parts)) if parts else None


def _missing(old: Column, new: Column) -> Iterator[tuple[float, str]]:
    size = abs(new.nulls - old.nulls)
    if size >= LEAST:
        yield size, f"missing {share(old.nulls)} → {share(new.nulls)}"


def _middle(old: Column, new: Column) -> Iterator[tuple[float, str]]:
    """The median, as a part of the range that most values are in; of times, that it has moved."""
    if not old.quantiles or not new.quantiles:
        if len(old.quantiles) != len(new.quantiles):
            yield 1.0, "has values now" if new.quantiles else "no longer has values"
        return
    before, after = old.quantiles[MEDIAN], new.quantiles[MEDIAN]
    if before == after:
        return
    if isinstance(before, str) or isinstance(after, str):
        yield 0.0, f"median {before} → {after}"
        return
    low, high = float(old.quantiles[0]), float(old.quantiles[-1])
    size = abs(after - before) / (high - low) if high > low else 1.0
    if size >= LEAST:
        yield min(size, 1.0), f"median {significant(before)} → {significant(after)}"


def _top(old: Column, new: Column) -> Iterator[tuple[float, str]]:
    """The value whose share has changed most, and which are frequent no longer or only now."""
    both = [(abs(new.top[value] - part), value) for value, part in old.top.items() if value in new.top]
    if both and max(both)[0] >= LEAST:
        size, value = max(both)
        yield size, f"{value} {share(old.top[value])} → {share(new.top[value])}"
    for words, here, there in (("no longer frequent", old.top, new.top), ("frequent now", new.top, old.top)):
        names = [value for value in here if value not in there]
        if names:
            yield max(here[value] for value in names), f"{words}: {listed(names)}"
