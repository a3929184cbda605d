"""Learning curves: DVC's plots and metrics after each epoch, and a line for whoever waits."""

from __future__ import annotations

import time
from pathlib import Path

import keras
from dvclive import Live

from knownat.console import log

SECONDS_BETWEEN_LINES = 3
NAMES = {"loss": "loss/train", "val_loss": "loss/validation"}


class Curves(keras.callbacks.Callback):
    """Writes the losses of each epoch to `folder`, by epoch and never by the clock."""

    def __init__(self, folder: Path, epochs: int) -> None:
        super().__init__()
        self.live = Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None)
        self.epochs = epochs
        self.reported = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {name: round(float((logs or {})[key]), 6) for key, name in NAMES.items()}
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.next_step()
        if time.monotonic() - self.reported > SECONDS_BETWEEN_LINES:
            self.reported = time.monotonic()
            log.info("train: epoch %d of at most %d, %s", epoch + 1, self.epochs, values)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' signature)
        self.live.end()
