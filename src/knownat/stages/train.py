"""From the encoded matrix to the model that takes raw values by name, with its learning curves."""

from __future__ import annotations

import sys

from knownat import paths
from knownat.canonical import save
from knownat.console import Counts, run_stage
from knownat.encoder import Encoder
from knownat.files import replacing
from knownat.params import Params
from knownat.parquet import read
from knownat.splits import SPLIT, Split, refuse_unusable, rows_of

FITTED: tuple[Split, ...] = ("train", "validation")


def main() -> Counts:
    settings = Params.load().train
    encoder = Encoder.read(paths.ENCODER)
    label = encoder.label_columns[True]
    labels = read(paths.ENCODED, [SPLIT, label])
    for split in FITTED:
        refuse_unusable(split, rows_of(labels, split)[label])
    # here, so that a refusal does not wait for TensorFlow
    from knownat.batches import Rows
    from knownat.curves import Curves
    from knownat.network import whole
    from knownat.training import calibrated, trained

    train, validation = (Rows(paths.ENCODED, split, encoder, settings.memory_limit) for split in FITTED)
    with replacing(paths.CURVES) as (folder,):
        core, losses = trained(train, validation, settings, [Curves(folder, settings.epochs)])
    save(whole(encoder, core, calibrated(core, validation, settings)), paths.MODEL)
    return {"rows": len(train.labels), "epochs": len(losses), "validation_loss": round(min(losses), 6)}


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
