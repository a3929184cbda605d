"""From the encoded matrix to the model that takes raw values by name, with its learning curves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from knownat import paths
from knownat.canonical import save
from knownat.console import Counts, run_stage
from knownat.encoder import Encoder
from knownat.params import Params, TrainSettings
from knownat.parquet import read
from knownat.splits import refuse_unusable, rows_of

if TYPE_CHECKING:
    import keras
    import pyarrow as pa


def main() -> Counts:
    settings = Params.load().train
    encoder = Encoder.read(paths.ENCODER)
    matrix = read(paths.ENCODED)
    train, validation = rows_of(matrix, "train"), rows_of(matrix, "validation")
    refuse_unusable("train", train[encoder.label_columns[True]])
    refuse_unusable("validation", validation[encoder.label_columns[True]])
    network, history = trained(train, validation, encoder, settings)
    from knownat.network import whole

    save(whole(encoder, network), paths.MODEL)
    losses = history["val_loss"]
    return {"rows": train.num_rows, "epochs": len(losses), "validation_loss": round(min(losses), 6)}


def trained(
    train: pa.Table, validation: pa.Table, encoder: Encoder, settings: TrainSettings
) -> tuple[keras.Model, dict[str, list[float]]]:
    """The network with the weights of its best epoch, and the losses of all; the same for the same rows and settings."""
    import keras
    import tensorflow as tf

    from knownat.curves import Curves
    from knownat.network import core

    keras.utils.clear_session()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    return core, {}
