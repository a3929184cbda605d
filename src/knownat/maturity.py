"""Which events a training set may hold: those whose label was known in time for their part of it.

The idea is purging and embargo (M. López de Prado, Advances in Financial Machine Learning, 2018, chapter 7): nothing
is learned from an outcome that overlaps the period on which the model is judged. His embargo leaves out what follows a
test period; here each part lies wholly before the next, so ours is a margin before it. A row of train counts only if
its label was known before validation starts less the embargo, a row of validation if before test starts less the
embargo (not at that moment: before it); a row of test if its label was known by `observed_at`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from knownat.declaration import Declaration

if TYPE_CHECKING:
    from knownat.params import Split

Reason = Literal["no label", "label not known", "not asked yet", "too late to train on", "too late to validate on"]


def part_of(events: pa.Table, declaration: Declaration, split: Split) -> pa.ChunkedArray:
    """The part of each event, by its own time, so that all services are scored on the same rows."""
    happened = events[declaration.event_table.known_at]
    later = pc.if_else(pc.less(happened, _at(split.test_from)), "validation", "test")
    return pc.if_else(pc.less(happened, _at(split.validation_from)), "train", later)


def cutoffs(split: Split) -> dict[Literal["train", "validation"], datetime]:
    """The moment before which a label must be known, of the parts that have one."""
    return {"train": split.validation_from - split.margin, "validation": split.test_from - split.margin}


def held_back(
    events: pa.Table, declaration: Declaration, service: str, split: Split, observed_at: datetime
) -> dict[Reason, pa.ChunkedArray]:
    """In order: each reason to leave events out of the training set, and which; each event under its first reason alone."""
    known, part, before = events["label_known_at"], part_of(events, declaration, split), cutoffs(split)
    too_late = {name: pc.and_(pc.equal(part, name), _not(pc.less(known, _at(moment)))) for name, moment in before.items()}
    conditions = (
        pc.is_null(events[declaration.outcome.name]),
        _not(pc.less_equal(known, _at(observed_at))),
        _not(pc.less_equal(events[declaration.service(service).as_of], _at(observed_at))),
        too_late["train"],
        too_late["validation"],
    )
    masks, left = {}, pc.is_valid(part)  # all of them: preprocess keeps no event without its time
    for reason, holds in zip(get_args(Reason), conditions, strict=True):
        masks[reason] = pc.and_(left, holds)
        left = pc.and_not(left, holds)
    return masks


def _at(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))


def _not(condition: Any) -> Any:
    """Null, too, is not."""
    return pc.invert(pc.fill_null(condition, False))
