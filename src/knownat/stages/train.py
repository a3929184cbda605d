"""From the encoded matrix to the model that takes raw values by name, with its learning curves."""

from __future__ import annotations

import sys

from knownat import paths
from knownat.canonical import save
from knownat.console import Counts, run_stage
from knownat.encoder import Encoder
from knownat.params import Params
from knownat.parquet import read
from knownat.splits import refuse_unusable, rows_of


def main() -> Counts:
    settings = Params.load().train
    encoder = Encoder.read(paths.ENCODER)
    matrix = read(paths.ENCODED)
    train, validation = rows_of(matrix, "train"), rows_of(matrix, "validation")
    refuse_unusable("train", train[encoder.label_columns[True]])
    refuse_unusable("validation", validation[encoder.label_columns[True]])
    # here, so that a refusal does not wait for TensorFlow
    from knownat.curves import Curves
    from knownat.network import whole
    from knownat.training import calibrated, trained

    core, losses = trained(train, validation, encoder, settings, [Curves(paths.CURVES, settings.epochs)])
    save(whole(encoder, core, calibrated(core, validation, encoder, settings)), paths.MODEL)
    return {"rows": train.num_rows, "epochs": len(losses), "validation_loss": round(min(losses), 6)}


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
