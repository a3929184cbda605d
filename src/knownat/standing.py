"""How well a model file does on rows, the worst slice included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn import metrics

from knownat.declaration import Model
from knownat.encoder import Encoder
from knownat.params import Params
from knownat.scores import Floats, Labels, auc, rounded
from knownat.slices import parts, values_of


class Slice(Model):
    value: str
    rows: int
    auc: float


class Standing(Model):
    """How well a model does on rows that it has not learned from; `worst_slice` is None where no slice has enough rows."""

    rows: int
    auc: float
    log_loss: float
    worst_slice: Slice | None


def standing_of(path: Path, encoder: Encoder, rows: pa.Table, params: Params) -> Standing:
    """Through the whole model and from raw values; the slices are those of the first of `evaluate.slices`."""
    from knownat.model import load, predict

    columns = {i.name: rows[i.name].to_pylist() for i in encoder.inputs}
    foretold = predict(load(path, encoder), encoder, columns).astype(np.float64)
    labels = rows[encoder.label].to_numpy(zero_copy_only=False).astype(np.bool_)
    return Standing(
        rows=len(labels),
        auc=auc(labels, foretold),
        log_loss=rounded(metrics.log_loss(labels, foretold)),
        worst_slice=_worst(rows, labels, foretold, params),
    )


def _worst(rows: pa.Table, labels: Labels, foretold: Floats, params: Params) -> Slice | None:
    found = [
        Slice(value=value, rows=int(inside.sum()), auc=auc(labels[inside], foretold[inside]))
        for name in params.evaluate.slices[:1]
        for value, inside in parts(values_of(rows, name), labels, params.promote.min_slice_rows)
    ]
    return min(found, key=lambda part: part.auc, default=None)
