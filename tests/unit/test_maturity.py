"""A row counts only if its label was known in time for its part, to the microsecond; each that does not has one reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.maturity import held_back
from knownat.params import Split
from knownat.stages.retrieve import spine_of

VALIDATION, TEST, OBSERVED = (datetime(2020, month, 1, tzinfo=UTC) for month in (3, 6, 9))
MICRO, DAY = timedelta(microseconds=1), timedelta(days=1)
DECLARED = Declaration.model_validate(
    {
        "tables": {"visits": {"key": ["number"], "known_at": "came_at", "columns": {}}},
        "entities": {"visit": "number"},
        "event": {"table": "visits", "entity": "visit"},
        "label": {"name": "is_cured", "expr": "cured"},
        "services": {"coming": {"as_of": "came_at", "views": ["visit"]}, "going": {"as_of": "left_at", "views": ["visit"]}},
    }
)
Row = tuple[datetime, datetime | None, bool | None, datetime | None]


def events(rows: list[Row]) -> pa.Table:
    """(came, left, cured, label known) of visits that are numbered from 0."""
    came, left, cured, known = zip(*rows, strict=True)
    times = [pa.array(values, pa.timestamp("us", tz="UTC")) for values in (came, left, known)]
    names = ["visit_id", "came_at", "left_at", "label_known_at", "is_cured"]
    return pa.table([[f"{n:04d}" for n in range(len(rows))], *times, pa.array(cured, pa.bool_())], names=names)


def spine(rows: list[Row], embargo: str | None = None, service: str = "coming") -> dict[int, str]:
    """Which of the visits are asked about, and in which part they are."""
    split = Split(validation_from=VALIDATION, test_from=TEST, embargo=embargo)
    try:
        found = spine_of(events(rows), DECLARED, service, split, OBSERVED)
    except KnownatError:
        return {}
    return dict(zip(map(int, found["visit_id"].to_pylist()), found["split"].to_pylist(), strict=True))


@pytest.mark.parametrize(("embargo", "margin"), [(None, 0 * DAY), ("1s", DAY / 86400), ("7d", 7 * DAY)])
@pytest.mark.parametrize(("part", "start"), [("train", VALIDATION), ("validation", TEST)])
def test_a_label_is_known_before_the_next_part_starts(part: str, start: datetime, embargo: str | None, margin: timedelta) -> None:
    """A microsecond before the next part less the embargo the row counts; at that very moment it does not."""
    came = start - 20 * DAY
    rows = [(came, came, True, start - margin + off) for off in (-MICRO, 0 * MICRO, MICRO)]
    assert spine(rows, embargo) == {0: part}


@pytest.mark.parametrize("embargo", [None, "7d"])
def test_a_label_of_the_test_split_is_known_by_observed_at(embargo: str | None) -> None:
    """At observed_at it counts, a microsecond later it does not; an embargo asks no more of it."""
    assert spine([(TEST, TEST, True, OBSERVED + off) for off in (-MICRO, 0 * MICRO, MICRO)], embargo) == {0: "test", 1: "test"}


@pytest.mark.parametrize("embargo", [None, "7d"])
def test_parts_begin_at_their_moment(embargo: str | None) -> None:
    """By the event's own time, whatever the embargo and the moment that is asked about."""
    came = [VALIDATION - MICRO, VALIDATION, TEST - MICRO, TEST]
    rows: list[Row] = [(at, OBSERVED, True, at - 10 * DAY) for at in came]
    assert spine(rows, embargo, "going") == {0: "train", 1: "validation", 2: "validation", 3: "test"}


def test_what_is_asked_about_after_observed_at_is_left_out() -> None:
    """As of a moment that is missing or lies ahead, nothing can be asked."""
    assert spine([(TEST, left, True, TEST) for left in (OBSERVED, OBSERVED + MICRO, None)], service="going") == {0: "test"}


def first_reason(row: Row, margin: timedelta) -> str | None:
    """The rule once more, a row at a time."""
    came, left, cured, known = row
    if cured is None:
        return "no label"
    if known is None or known > OBSERVED:
        return "label not known"
    if left is None or left > OBSERVED:
        return "not asked yet"
    if came < VALIDATION:
        return None if known < VALIDATION - margin else "too late to train on"
    return None if came >= TEST or known < TEST - margin else "too late to validate on"


@pytest.mark.parametrize(("embargo", "margin"), [(None, 0 * DAY), ("7d", 7 * DAY)])
def test_each_row_is_in_the_training_set_or_under_its_first_reason(embargo: str | None, margin: timedelta) -> None:
    """Over all combinations of moments around the boundaries, reasons do not overlap and the counts add up."""
    starts = [VALIDATION, TEST, OBSERVED]
    moments = [at - before + off for at in starts for before in {0 * DAY, margin} for off in (-MICRO, 0 * MICRO, MICRO)]
    rows: list[Row] = list(product(moments, [VALIDATION, OBSERVED + MICRO, None], [True, False, None], [*moments, None]))
    split = Split(validation_from=VALIDATION, test_from=TEST, embargo=embargo)
    masks = held_back(events(rows), DECLARED, "going", split, OBSERVED)
    found: list[str | None] = [None] * len(rows)
    for reason, mask in masks.items():
        for place in (n for n, holds in enumerate(mask.to_pylist()) if holds):
            assert found[place] is None
            found[place] = reason
    assert found == [first_reason(row, margin) for row in rows]
    assert set(masks) == {reason for reason in found if reason}
    kept = spine(rows, embargo, "going")
    assert len(rows) == len(kept) + sum(pc.sum(mask).as_py() for mask in masks.values())
    assert set(kept) == {n for n, reason in enumerate(found) if reason is None}


def test_no_label_in_time_is_refused_with_the_remedy() -> None:
    """One sentence that says where to look."""
    split = Split(validation_from=VALIDATION, test_from=TEST)
    with pytest.raises(KnownatError, match=r"No event has a label that is known in time; look at the label's expr"):
        spine_of(events([(TEST, TEST, None, TEST)]), DECLARED, "coming", split, OBSERVED)
