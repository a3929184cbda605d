"""Training: the weights of the best epoch, the same for the same rows, settings and seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from knownat.batches import Rows
from knownat.calibration import Calibration, platt
from knownat.network import core
from knownat.params import TrainSettings

STEPS_PER_EXECUTION = 32
SCORED_ROWS = 4096


def trained(
    train: Rows,
    validation: Rows,
    settings: TrainSettings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, list[float]]:
    """The network with its best epoch's weights, and the validation loss of each epoch."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    network, labels = core(train.encoder, settings), train.labels
    compiled(network, settings, len(labels))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, restore_best_weights=True)
    history = network.fit(
        train.shuffled(settings.batch_size, settings.seed),
        epochs=settings.epochs,
        validation_data=validation.batches(SCORED_ROWS),
        class_weight=weights(labels) if settings.class_weight == "balanced" else None,
        callbacks=[stop, *callbacks],
        shuffle=False,
        verbose=0,
    )
    return network, history.history["val_loss"]


def compiled(network: keras.Model, settings: TrainSettings, rows: int) -> None:
    """Give the network its optimiser and loss; the rate falls to nothing over all epochs, so that the last ones only polish."""
    steps = settings.epochs * math.ceil(rows / settings.batch_size)
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)),
        # its gradient divides, and of float32 a vector's reciprocals are estimates that differ by CPU
        loss=keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64"),
        steps_per_execution=STEPS_PER_EXECUTION,
    )


def weights(labels: NDArray[np.generic]) -> dict[int, float]:
    """What a row of each label weighs, so that both labels together weigh the same."""
    rate = float(labels.mean())
    return {0: 0.5 / (1 - rate), 1: 0.5 / rate}


def calibrated(network: keras.Model, validation: Rows, settings: TrainSettings) -> Calibration:
    """The calibration of the network's logits, fitted on validation."""
    if settings.calibration == "none":
        return Calibration()
    return platt(logits(network, validation), validation.labels > 0)


def logits(network: keras.Model, rows: Rows) -> NDArray[np.float32]:
    """(rows,), in the file's order."""
    found: NDArray[np.float32] = network.predict(rows.batches(SCORED_ROWS), verbose=0)[:, 0]
    return found
