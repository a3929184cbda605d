"""Features that are too good to be honest: one that alone tells the labels apart probably knows the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knownat.declaration import Declaration
from knownat.gates import Outcome
from knownat.separation import Rows, separation
from knownat.splits import SPLIT

if TYPE_CHECKING:
    import pyarrow as pa

EXPECTATION, AUC = "single_feature_auc_to_be_at_most", "auc"


def judge_inputs(asset: str, training_set: pa.Table, declaration: Declaration, service: str, limit: float) -> list[Outcome]:
    """One outcome for each input of a service: it holds at an AUC of at most `limit`, or where the service waives it."""
    waivers, label = declaration.service(service).waivers, declaration.outcome.name
    measured = {item.name: _separation(training_set, label, item.name) for item in declaration.inputs(service)}
    return [_outcome(asset, name, found, limit, waivers.get(name)) for name, found in measured.items()]


def _separation(training_set: pa.Table, label: str, name: str) -> float | None:
    """None where it cannot be told: a column is missing, or there are not both labels."""
    import pyarrow.compute as pc

    if not {name, label, SPLIT} <= set(training_set.column_names):
        return None
    is_train, is_labelled = pc.field(SPLIT) == "train", pc.field(label).is_valid()
    train, later = training_set.filter(is_labelled & is_train), training_set.filter(is_labelled & ~is_train)
    return separation(_rows(train, label, name), _rows(later, label, name))


def _rows(table: pa.Table, label: str, name: str) -> Rows:
    import numpy as np
    import pyarrow.types as kinds

    column, labels = table[name], np.array(table[label].to_pylist(), dtype=bool)
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return Rows(np.array(column.to_pylist(), dtype=float), labels)  # None becomes NaN
    return Rows(np.array([*column.to_pylist(), None], dtype=object)[:-1], labels)  # with a None, so that all stay objects


def _outcome(asset: str, name: str, found: float | None, limit: float, waiver: str | None) -> Outcome:
    reason = f"alone it separates the label with an AUC of at most {limit:g}"
    if found is not None and found > limit:
        reason = f"alone it separates the label with AUC {found:.3f}, above {limit:g}: does it know the outcome?"
    evidence = f"AUC {found:.3f}" if found is not None else "it cannot be told: a column, rows or one of the labels are missing"
    return Outcome(
        asset=asset,
        expectation=EXPECTATION,
        column=name,
        success=found is not None and (found <= limit or waiver is not None),
        reason=reason,
        found=f"{evidence}; waived: {waiver}" if waiver else evidence,
        configuration={"type": EXPECTATION, "kwargs": {"column": name, "max_value": limit}, "meta": {"reason": reason, AUC: found}},
    )
