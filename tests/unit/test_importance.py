"""Permutation importance, through a real model."""

from __future__ import annotations

import keras
import numpy as np
import pyarrow as pa

from knownat.calibration import Calibration
from knownat.importance import importance
from knownat.model import predict
from knownat.network import core, whole
from knownat.params import TrainSettings
from knownat.plots import PLOTS
from tests.modelling import training_set
from tests.unit.test_train import ENCODER

SETTINGS = TrainSettings(batch_size=8, learning_rate=0.1, epochs=1, layers=[4], embedding=2, dropout=0, l2=0, patience=1, seed=0)


def test_an_input_that_nothing_depends_on_costs_nothing() -> None:
    """Labels are what the model says above its median, so what it reads costs AUC; a constant costs exactly 0."""
    keras.utils.set_random_seed(3)
    model = whole(ENCODER, core(ENCODER, SETTINGS), Calibration())
    rows = training_set()
    rows = rows.set_column(rows.column_names.index("basket__shop"), "basket__shop", pa.array(["shop 1"] * rows.num_rows))
    said = predict(model, ENCODER, {i.name: rows[i.name].to_pylist() for i in ENCODER.inputs})
    found = importance(model, rows, said > np.median(said), ENCODER)
    assert {tuple(point) for point in found} == {PLOTS["importance"]}
    losses = {point["input"]: point for point in found}
    assert losses["basket__shop"] == {"input": "basket__shop", "auc_loss": 0.0, "auc_loss_low": 0.0, "auc_loss_high": 0.0}
    assert found[0]["auc_loss"] > 0.1
    assert all(point["auc_loss_low"] <= point["auc_loss"] <= point["auc_loss_high"] for point in found)
    assert found == importance(model, rows, said > np.median(said), ENCODER)
