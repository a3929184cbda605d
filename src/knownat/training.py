"""Training: the weights of the best epoch, the same for the same rows, settings and seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from knownat.calibration import Calibration, platt
from knownat.encoder import Encoder
from knownat.network import core
from knownat.params import TrainSettings

if TYPE_CHECKING:
    import pyarrow as pa

STEPS_PER_EXECUTION = 32
SCORED_ROWS = 4096

Arrays = tuple[tuple[NDArray[np.generic], ...], NDArray[np.float32]]


def trained(
    train: pa.Table,
    validation: pa.Table,
    encoder: Encoder,
    settings: TrainSettings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, list[float]]:
    """The network with its best epoch's weights, and the validation loss of each epoch."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    network = core(encoder, settings)
    steps = settings.epochs * math.ceil(train.num_rows / settings.batch_size)
    network.compile(
        # the rate falls to nothing over all epochs, so that the last ones only polish
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, restore_best_weights=True)
    history = network.fit(
        batches(arrays(train, encoder), settings),
        epochs=settings.epochs,
        validation_data=tf.data.Dataset.from_tensor_slices(arrays(validation, encoder)).batch(SCORED_ROWS),
        class_weight=weights(train[encoder.label_columns[True]].to_numpy()) if settings.class_weight == "balanced" else None,
        callbacks=[stop, *callbacks],
        shuffle=False,
        verbose=0,
    )
    return network, history.history["val_loss"]


def weights(labels: NDArray[np.generic]) -> dict[int, float]:
    """What a row of each label weighs, so that both labels together weigh the same."""
    rate = float(labels.mean())
    return {0: 0.5 / (1 - rate), 1: 0.5 / rate}


def calibrated(network: keras.Model, validation: pa.Table, encoder: Encoder, settings: TrainSettings) -> Calibration:
    """The calibration of the network's logits, fitted on validation."""
    if settings.calibration == "none":
        return Calibration()
    inputs, labels = arrays(validation, encoder)
    logits = network.predict(inputs, batch_size=SCORED_ROWS, verbose=0)
    return platt(logits[:, 0], labels[:, 0] > 0)


def arrays(table: pa.Table, encoder: Encoder) -> Arrays:
    """What the core reads, in its order, and the label as a column of 0 and 1."""
    columns = [names for names in (encoder.number_columns, encoder.one_hot_columns) if names]
    floats = [np.column_stack([table[name].to_numpy() for name in names]).astype(np.float32) for names in columns]
    places = [np.column_stack([table[name].to_numpy() for name in i.columns]).astype(np.int32) for i in encoder.embedded]
    return (*floats, *places), table[encoder.label_columns[True]].to_numpy().astype(np.float32).reshape(-1, 1)


def batches(rows: Arrays, settings: TrainSettings) -> tf.data.Dataset:
    """Rows in a drawn order, cut into batches once; each epoch shuffles the batches: nothing goes row by row."""
    inputs, label = rows
    order = np.random.default_rng(settings.seed).permutation(len(label))
    slices = (tuple(values[order] for values in inputs), label[order])
    cut = tf.data.Dataset.from_tensor_slices(slices).batch(settings.batch_size)
    count = math.ceil(len(label) / settings.batch_size)
    return cut.cache().shuffle(count, seed=settings.seed, reshuffle_each_iteration=True).prefetch(2)
