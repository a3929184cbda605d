"""How good the model is over several seeds, beside the peer and, on generated data, beside the best that can be reached.

Run it where `dvc repro encode` has run; it trains the model of params.yaml anew for each seed, and writes nothing:

    python benchmarks/model.py [--seeds 5] [--truth truth.csv]

The truth (ID, probability) is what `synthetic/campaigns.py --truth` writes for the same rows and seed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knownat import paths
from knownat.console import prepare
from knownat.encoder import Encoder
from knownat.params import Params
from knownat.parquet import read
from knownat.resampling import Ranked, draws, interval
from knownat.splits import SPLITS, rows_of

Floats = NDArray[np.float64]


def foretold(encoder: Encoder, seed: int) -> Floats:
    """The logits that the network trained with a seed gives the test rows."""
    from knownat.batches import Rows
    from knownat.training import logits, trained

    settings = Params.load().train.model_copy(update={"seed": seed})
    train, validation, test = (Rows(paths.ENCODED, split, encoder, settings.memory_limit) for split in SPLITS)
    network, _ = trained(train, validation, settings)
    return logits(network, test).astype(np.float64)


def reachable(truth: Path, keys: list[str]) -> Floats:
    with truth.open(encoding="utf-8", newline="") as file:
        probability = {row["ID"]: float(row["probability"]) for row in csv.DictReader(file)}
    return np.array([probability[key] for key in keys])


def told(name: str, drawn: Floats, value: float) -> str:
    low, high = interval(drawn)
    return f"{name}: {value:.4f}, 95 % interval {low:.4f} to {high:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--truth", type=Path)
    options = parser.parse_args()
    prepare()
    from sklearn.metrics import roc_auc_score

    from knownat.peer import foretold_by_peer

    encoder, table = Encoder.read(paths.ENCODER), read(paths.TRAINING_SET)
    test = rows_of(table, "test")
    labels = test[encoder.label].to_numpy(zero_copy_only=False).astype(np.bool_)
    peer = foretold_by_peer(rows_of(table, "train"), {"test": test}, encoder)["test"]
    models = {str(seed): foretold(encoder, seed) for seed in range(1, options.seeds + 1)}
    aucs = {seed: float(roc_auc_score(labels, logits)) for seed, logits in models.items()}
    ranked = [Ranked(labels, logits) for logits in (*models.values(), peer)]
    drawn = np.array([[one.auc(weights) for one in ranked] for weights in draws(len(labels))])
    ours, theirs, peers = drawn[:, :-1].mean(axis=1), drawn[:, -1], float(roc_auc_score(labels, peer))
    mean = float(np.mean(list(aucs.values())))
    lines = [
        f"{len(labels):,} test rows; AUC by seed: {', '.join(f'{auc:.4f}' for auc in aucs.values())}",
        told("model, mean of the seeds", ours, mean),
        told("peer", theirs, peers),
        told("model less peer, paired", ours - theirs, mean - peers),
    ]
    if options.truth:
        key = table.column_names[0]
        best = float(roc_auc_score(labels, reachable(options.truth, test[key].to_pylist())))
        lines.append(f"best reachable: {best:.4f}; the mean of the seeds is {best - mean:.4f} below")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
