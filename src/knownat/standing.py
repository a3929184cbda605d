"""How well a model file does on rows, slice by slice, and how much worse one does than another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn import metrics

from knownat.declaration import Model
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.params import Params, PromoteSettings
from knownat.scores import Floats, Labels, auc, rounded
from knownat.slices import parts, values_of


class Slice(Model):
    name: str
    rows: int
    auc: float


class Standing(Model):
    """How well a model does on rows that it has not learned from; `slices` are those with enough rows of both labels."""

    rows: int
    auc: float
    log_loss: float
    slices: list[Slice]

    @property
    def worst(self) -> Slice | None:
        return min(self.slices, key=lambda part: part.auc, default=None)


@dataclass(frozen=True)
class Loss:
    """How much worse a score became, and how much the parameter `limit` allows."""

    score: str
    before: float
    after: float
    worse: float
    limit: str
    allowed: float

    @property
    def is_too_much(self) -> bool:
        return rounded(self.worse) > self.allowed

    def __str__(self) -> str:
        change = f"worse by {self.worse:.4f} ({self.before:.4f} → {self.after:.4f})"
        return f"Its {self.score} is {change}; promote.{self.limit} allows {self.allowed}."


def standing_of(path: Path, encoder: Encoder, rows: pa.Table, params: Params) -> Standing:
    """Through the whole model and from raw values; the slices are those of the first of `evaluate.slices`."""
    from knownat.model import load, predict

    columns = {i.name: rows[i.name].to_pylist() for i in encoder.inputs}
    foretold = predict(load(path, encoder), encoder, columns).astype(np.float64)
    if not np.isfinite(foretold).all():
        raise KnownatError(f"{path} foretells what is no number; train it with a lower train.learning_rate.")
    labels = rows[encoder.label].to_numpy(zero_copy_only=False).astype(np.bool_)
    return Standing(
        rows=len(labels),
        auc=auc(labels, foretold),
        log_loss=rounded(metrics.log_loss(labels, foretold)),
        slices=[part for name in params.evaluate.slices[:1] for part in _slices(name, rows, labels, foretold, params.promote)],
    )


def _slices(name: str, rows: pa.Table, labels: Labels, foretold: Floats, settings: PromoteSettings) -> Iterator[Slice]:
    for value, inside in parts(values_of(rows, name), labels, settings.min_rows):
        words = f"{name} = {value}" if value else f"{name} is missing"
        yield Slice(name=words, rows=int(inside.sum()), auc=auc(labels[inside], foretold[inside]))


def losses(before: Standing, after: Standing, allowed: PromoteSettings) -> list[Loss]:
    """Of the AUC, the log loss, and the AUC of each slice that both were judged on; the same rows are behind both."""
    known = {part.name: part.auc for part in before.slices}
    gain = after.log_loss - before.log_loss
    return [
        _auc_loss("AUC", before.auc, after.auc, "max_auc_loss", allowed.max_auc_loss),
        Loss("log loss", before.log_loss, after.log_loss, gain, "max_log_loss_gain", allowed.max_log_loss_gain),
        *(
            _auc_loss(f"AUC of {part.name}", known[part.name], part.auc, "max_slice_auc_loss", allowed.max_slice_auc_loss)
            for part in after.slices
            if part.name in known
        ),
    ]


def _auc_loss(score: str, before: float, after: float, limit: str, allowed: float) -> Loss:
    return Loss(score, before, after, before - after, limit, allowed)


def shown(*standings: Standing) -> list[str]:
    """AUC, log loss and worst slice, a line each; of several models side by side."""
    worst = [f"{part.auc:.4f} ({part.name})" for standing in standings if (part := standing.worst)]
    scores = {
        "AUC": [f"{standing.auc:.4f}" for standing in standings],
        "log loss": [f"{standing.log_loss:.4f}" for standing in standings],
        "AUC of the worst slice": worst or ["no slice has enough rows"],
    }
    return [f"  {name}: {' → '.join(found)}" for name, found in scores.items()]
