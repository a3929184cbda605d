"""Scores of parts of the rows: by an input's value, and by the quarter of the event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.intervals import Floats, Labels, drawn_aucs, interval
from knownat.scores import log_loss, rounded

# a part with fewer rows, or without both labels, says nothing
LEAST_ROWS = 50
NO_VALUE = "(none)"
SCORES = ("rows", "label_rate", "auc", "auc_low", "auc_high", "peer_auc", "log_loss", "accuracy")
COLUMNS = {"slices": ("input", "value", *SCORES), "quarters": ("quarter", *SCORES)}


def refuse_unknown(slices: Sequence[str], encoder: Encoder) -> None:
    """KnownatError for the first of `evaluate.slices` that is no input of the model."""
    names = [i.name for i in encoder.inputs]
    for name in slices:
        if name not in names:
            raise KnownatError(
                f"params.yaml: evaluate.slices: service '{encoder.service}' has no input '{name}'; choose of {', '.join(names)}."
            )


def by_value(rows: pa.Table, name: str, labels: Labels, model: Floats, peer: Floats) -> list[dict[str, Any]]:
    """The scores of each value of an input, by name."""
    return [{"input": name, **row} for row in _scored("value", values_of(rows, name), labels, model, peer)]


def by_quarter(rows: pa.Table, labels: Labels, model: Floats, peer: Floats) -> list[dict[str, Any]]:
    """The scores of each quarter of the events' time, in UTC: does the model decay?"""
    times = rows["event_timestamp"]
    quarters = [
        f"{year} Q{quarter}" for year, quarter in zip(pc.year(times).to_pylist(), pc.quarter(times).to_pylist(), strict=True)
    ]
    return _scored("quarter", np.array(quarters, dtype=object), labels, model, peer)


def values_of(rows: pa.Table, name: str) -> NDArray[Any]:
    """An input's values as text."""
    return np.asarray(pc.fill_null(rows[name].cast(pa.string()), NO_VALUE).to_numpy())


def parts(values: NDArray[Any], labels: Labels, least: int = LEAST_ROWS) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each value that has enough rows and both labels, by name, and which rows are its."""
    for value in sorted(set(values.tolist())):
        inside = values == value
        if inside.sum() >= least and 0 < labels[inside].mean() < 1:
            yield value, inside


def _scored(key: str, values: NDArray[Any], labels: Labels, model: Floats, peer: Floats) -> list[dict[str, Any]]:
    return [{key: v, **_scores(labels[rows], model[rows], peer[rows])} for v, rows in parts(values, labels)]


def _scores(labels: Labels, model: Floats, peer: Floats) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    low, high = interval(drawn_aucs(labels, {"model": model})["model"])
    return {
        "rows": len(labels),
        "label_rate": rounded(labels.mean()),
        "auc": rounded(roc_auc_score(labels, model)),
        "auc_low": rounded(low),
        "auc_high": rounded(high),
        "peer_auc": rounded(roc_auc_score(labels, peer)),
        "log_loss": rounded(log_loss(labels, model).mean()),
        "accuracy": rounded(((model >= 0.5) == labels).mean()),
    }
