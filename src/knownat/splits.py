"""The splits of a training set by time, and what each must hold for a model to be fitted and scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from knownat.errors import KnownatError

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["train", "validation", "test"]

TIME, SPLIT = "event_timestamp", "split"
SPLITS: tuple[Split, ...] = get_args(Split)
REMEDIES: dict[Split, str] = {
    "train": "move split.validation_from to a later time",
    "validation": "move split.validation_from and split.test_from further apart",
    "test": "move split.test_from to an earlier time",
}


def rows_of(table: pa.Table, split: Split) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.field(SPLIT) == split)


def refuse_unusable(split: Split, labels: pa.ChunkedArray) -> None:
    """KnownatError, with the remedy, for a split without rows or with one label only; `labels` are its rows'."""
    import pyarrow.compute as pc

    if not len(labels):
        raise KnownatError(f"params.yaml: split: no row falls into {split}; {REMEDIES[split]}.")
    found = pc.unique(labels).to_pylist()
    if len(found) == 1:
        label = str(found[0]).lower()
        raise KnownatError(f"params.yaml: split: all rows of {split} have the label {label}; {REMEDIES[split]}.")
