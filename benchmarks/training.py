"""Rows a second of training, against a bare TensorFlow loop over tensors in memory, and streamed from the disk.

All train the same network with the same optimiser and batch size, on the encoded matrix of the project, repeated to so many rows;
each in a process of its own, in turns. The first epoch, in which TensorFlow traces, does not count. Writes a table:

    dvc repro encode && python benchmarks/training.py [--rows 323055] [--folder docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from knownat import paths
from knownat.console import prepare
from knownat.encoder import Encoder
from knownat.params import Params, TrainSettings
from knownat.parquet import read, write_table
from knownat.splits import SPLIT, SPLITS

ROOT = Path(__file__).parent.parent
CONTENDERS = {"ours": "`dvc repro train`, in memory", "streamed": "`dvc repro train`, streamed", "bare": "bare loop"}
EPOCHS, REPEATS, VALIDATION_ROWS = 4, 3, 1000
STREAMED_BYTES = 40_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=323_055)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--run", nargs=2, metavar=("CONTENDER", "MATRIX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    prepare()
    if options.run:
        sys.stdout.write(json.dumps({"rate": rate(options.run[0], Path(options.run[1]))}) + "\n")
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="knownat-benchmark-") as folder:
        matrix = Path(folder) / "encoded.parquet"
        megabytes = repeated(options.rows, matrix)
        runs = [(name, *run(name, matrix)) for _ in range(REPEATS) for name in CONTENDERS]
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "training.md").write_text(report(runs, options.rows, megabytes, load), encoding="utf-8")


def repeated(rows: int, path: Path) -> float:
    """The project's encoded rows, over and over; returns the megabytes of their numbers."""
    table = read(paths.ENCODED)
    table = table.take(np.arange(rows) % table.num_rows)
    split = np.where(np.arange(rows) < rows - VALIDATION_ROWS, "train", "validation")
    write_table(table.set_column(table.column_names.index(SPLIT), SPLIT, [split]), path)
    encoder = Encoder.read(paths.ENCODER)
    columns = len(encoder.number_columns) + len(encoder.one_hot_columns) + sum(len(i.columns) for i in encoder.embedded)
    return rows * columns * 4 / 1e6


def run(name: str, matrix: Path) -> tuple[float, float]:
    """Rows a second and peak megabytes of one process."""
    process = subprocess.Popen([sys.executable, __file__, "--run", name, str(matrix)], stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{name} failed")
    return json.loads(said.splitlines()[-1])["rate"], peak / 1e6


def rate(name: str, matrix: Path) -> float:
    """Train rows a second, of the median epoch after the first."""
    from knownat.batches import Rows

    settings = Params.load().train.model_copy(update={"epochs": EPOCHS, "patience": EPOCHS})
    limit = STREAMED_BYTES if name == "streamed" else settings.memory_limit
    train, validation = (Rows(matrix, split, Encoder.read(paths.ENCODER), limit) for split in SPLITS[:2])
    seconds = bare(train, settings) if name == "bare" else ours(train, validation, settings)
    return len(train.labels) / statistics.median(seconds[1:])


def ours(train: object, validation: object, settings: TrainSettings) -> list[float]:
    import keras

    from knownat.training import trained

    class Clock(keras.callbacks.Callback):
        """Seconds of each epoch, up to its validation."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, *_: object) -> None:
            self.started = time.monotonic()

        def on_test_begin(self, *_: object) -> None:
            self.seconds.append(time.monotonic() - self.started)

    clock = Clock()
    trained(train, validation, settings, [clock])  # type: ignore[arg-type]
    return clock.seconds


def bare(train: object, settings: TrainSettings) -> list[float]:
    """One traced function goes through an epoch, slice by slice; no shuffling, no callback, no metric."""
    import keras
    import tensorflow as tf

    from knownat.network import core
    from knownat.training import compiled

    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    network, size = core(train.encoder, settings), settings.batch_size  # type: ignore[attr-defined]
    *inputs, label = (tf.constant(values) for values in train._held())  # type: ignore[attr-defined]
    compiled(network, settings, len(label))
    optimizer, loss = network.optimizer, keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer.build(network.trainable_variables)
    steps = len(label) // size

    @tf.function  # type: ignore[untyped-decorator]
    def epoch() -> None:
        for step in tf.range(steps):
            start = step * size
            with tf.GradientTape() as tape:
                logits = network([values[start : start + size] for values in inputs], training=True)
                value = loss(label[start : start + size], logits) + tf.add_n(network.losses)
            optimizer.apply(tape.gradient(value, network.trainable_variables))

    seconds = []
    for _ in range(EPOCHS):
        started = time.monotonic()
        epoch()
        seconds.append(time.monotonic() - started)
    return seconds


def report(runs: list[tuple[str, float, float]], rows: int, megabytes: float, load: float) -> str:
    median = {name: statistics.median(rate for who, rate, _ in runs if who == name) for name in CONTENDERS}
    lines = [
        "# How fast it trains",
        "",
        f"`python benchmarks/training.py`: the encoded matrix of the worked case repeated to {rows:,} rows ({megabytes:,.0f} MB of "
        f"numbers), network and batch size of params.yaml, {os.cpu_count()} cores, load average {load:.1f} when it began. Medians "
        f"of {REPEATS} processes each, in turns; the first of {EPOCHS} epochs, in which TensorFlow traces, does not count. "
        f"Streamed: with `train.memory_limit` at {STREAMED_BYTES // 10**6} MB.",
        "",
        "| | rows/s | of the bare loop | peak memory |",
        "|---|---:|---:|---:|",
    ]
    for name, words in CONTENDERS.items():
        peak = max(megabytes for who, _, megabytes in runs if who == name)
        lines.append(f"| {words} | {median[name]:,.0f} | {median[name] / median['bare']:.2f} | {peak:,.0f} MB |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
