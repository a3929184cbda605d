"""From the saved model and the raw training set to scores, plots and the model card."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from knownat import paths
from knownat.card import card
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.files import write_json, write_text
from knownat.gates import data_of, require
from knownat.params import Params
from knownat.parquet import content_hash, read
from knownat.peer import foretold_by_peer
from knownat.scores import Points, peer_scores, plots, scores
from knownat.splits import SPLITS, Split, refuse_unusable, rows_of

SCORED: tuple[Split, ...] = ("validation", "test")


def main() -> Counts:
    params, encoder = Params.load(), Encoder.read(paths.ENCODER)
    declaration = Declaration.read(paths.compiled("evaluate"))
    require("training_set", data_of("training_set"))
    table = read(paths.TRAINING_SET)
    splits = {split: rows_of(table, split) for split in SPLITS}
    for split in SCORED:
        refuse_unusable(split, splits[split][encoder.label])
    labels = {split: np.array(splits[split][encoder.label].to_pylist(), dtype=np.bool_) for split in SCORED}
    scored = {split: splits[split] for split in SCORED}
    probabilities, peers = foretold(scored, encoder), foretold_by_peer(splits["train"], scored, encoder)
    found = {
        split: {**scores(labels[split], probabilities[split]), "peer": peer_scores(labels[split], peers[split])} for split in SCORED
    }
    hashes = {path.as_posix(): content_hash(path) for path in (paths.TRAINING_SET, paths.ENCODER, paths.MODEL)}
    counts = {split: rows.num_rows for split, rows in splits.items()}
    write_json(paths.METRICS, found)
    for name, points in plots(labels["test"], probabilities["test"]).items():
        write_csv(paths.PLOTS / f"{name}.csv", points)
    write_text(
        paths.CARD,
        card(declaration=declaration, encoder=encoder, params=params, rows=counts, scores=found, hashes=hashes),
    )
    return {"rows": counts["test"], "auc": found["test"]["auc"], "accuracy": found["test"]["accuracy"]}


def foretold(splits: dict[Split, pa.Table], encoder: Encoder) -> dict[Split, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Each row's probability, through the whole saved model and from raw values, as a request would be answered."""
    from knownat.model import load, predict

    model = load(paths.MODEL, encoder)
    names = [i.name for i in encoder.inputs]
    columns = {split: {name: rows[name].to_pylist() for name in names} for split, rows in splits.items()}
    return {split: predict(model, encoder, columns[split]).astype(np.float64) for split in splits}


def write_csv(path: Path, points: Points) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(points[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    write_text(path, text.getvalue())


if __name__ == "__main__":
    run_stage("evaluate", main, *sys.argv[1:])
