"""From the saved model and the raw training set to scores, plots and the model card."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from knownat import paths
from knownat.card import Facts, card
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.files import write_json, write_text
from knownat.gates import data_of, require
from knownat.importance import importance
from knownat.limits import limits, periods
from knownat.lineage import workspace_lineage
from knownat.model import load, predict
from knownat.params import Params
from knownat.parquet import content_hash, read
from knownat.peer import foretold_by_peer
from knownat.plots import PLOTS, Points, curves, write_csv
from knownat.scores import headline, peer_scores, scores
from knownat.slices import Judged, quarters, refuse_unknown, slices
from knownat.splits import SPLITS, Split, refuse_unusable, rows_of

if TYPE_CHECKING:
    import keras

SCORED: tuple[Split, ...] = ("validation", "test")


def main() -> Counts:
    params, encoder = Params.load(), Encoder.read(paths.ENCODER)
    declaration = Declaration.read(paths.compiled("evaluate"))
    refuse_unknown(params.evaluate.slices, encoder)
    require("training_set", data_of("training_set"))
    table = read(paths.TRAINING_SET)
    splits = {split: rows_of(table, split) for split in SPLITS}
    for split in SCORED:
        refuse_unusable(split, splits[split][encoder.label])
    model = load(paths.MODEL, encoder)
    judged = judge(model, splits, encoder)
    found = {split: split_scores(part) for split, part in judged.items()}
    points = plotted(model, judged, params.evaluate.slices, encoder)
    write_json(paths.METRICS, headline(found))
    write_json(paths.EVALUATION, found)
    for name, columns in PLOTS.items():
        write_csv(paths.PLOTS / f"{name}.csv", columns, points[name])
    as_of = declaration.service(encoder.service).as_of
    said = limits(splits["test"], encoder, as_of, params.split, points["slices"], params.evaluate.slices)
    write_text(paths.CARD, card(declaration, encoder, params, facts(splits, found, points["slices"], said)))
    return {"rows": splits["test"].num_rows, "auc": found["test"]["auc"], "accuracy": found["test"]["accuracy"]}


def judge(model: keras.Model, splits: dict[Split, pa.Table], encoder: Encoder) -> dict[Split, Judged]:
    """The scored splits with each row's probabilities, through the whole saved model as a request would be answered."""
    scored = {split: splits[split] for split in SCORED}
    peers = foretold_by_peer(splits["train"], scored, encoder)
    found = {}
    for split, rows in scored.items():
        columns = {i.name: rows[i.name].to_pylist() for i in encoder.inputs}
        labels = np.array(rows[encoder.label].to_pylist(), dtype=np.bool_)
        found[split] = Judged(rows, labels, predict(model, encoder, columns).astype(np.float64), peers[split])
    return found


def split_scores(part: Judged) -> dict[str, Any]:
    return {**scores(part.labels, part.probabilities), "peer": peer_scores(part.labels, part.probabilities, part.peer)}


def plotted(model: keras.Model, judged: dict[Split, Judged], names: list[str], encoder: Encoder) -> dict[str, Points]:
    """The points of each plot file, all of them of the test split but for the quarters."""
    test = judged["test"]
    return {
        **curves(test.labels, test.probabilities, test.peer),
        "importance": importance(model, test.rows, test.labels, encoder),
        "slices": slices(test, names, encoder),
        "quarters": quarters([judged[split] for split in SCORED]),
    }


def facts(splits: dict[Split, pa.Table], found: dict[Split, Any], parts: Points, said: list[str]) -> Facts:
    return Facts(
        splits={split: rows.num_rows for split, rows in splits.items()},
        periods=periods(splits),
        scores=found,
        slices=parts,
        limits=said,
        hashes={path.as_posix(): content_hash(path) for path in (paths.TRAINING_SET, paths.ENCODER, paths.MODEL)},
        lineage=workspace_lineage(),
    )


if __name__ == "__main__":
    run_stage("evaluate", main, *sys.argv[1:])
