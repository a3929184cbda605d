"""From the saved model and the raw training set to scores, plots and the model card."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from knownat import paths
from knownat.card import card, period
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.files import write_json, write_text
from knownat.gates import data_of, require
from knownat.importance import importance
from knownat.intervals import Floats, Labels
from knownat.params import Params
from knownat.parquet import content_hash, read
from knownat.peer import foretold_by_peer
from knownat.plots import Points, plots
from knownat.scores import compared, headline, peer_scores, scores
from knownat.slices import COLUMNS, by_quarter, by_value, refuse_unknown
from knownat.splits import SPLITS, Split, refuse_unusable, rows_of

if TYPE_CHECKING:
    import keras

SCORED: tuple[Split, ...] = ("validation", "test")


@dataclass(frozen=True)
class Judged:
    """The rows of one split or more, their labels, and the probabilities that the model and the peer give them."""

    rows: pa.Table
    labels: Labels
    model: Floats
    peer: Floats


def main() -> Counts:
    from knownat.model import load

    params, encoder = Params.load(), Encoder.read(paths.ENCODER)
    declaration = Declaration.read(paths.compiled("evaluate"))
    refuse_unknown(params.evaluate.slices, encoder)
    require("training_set", data_of("training_set"))
    table = read(paths.TRAINING_SET)
    splits = {split: rows_of(table, split) for split in SPLITS}
    for split in SCORED:
        refuse_unusable(split, splits[split][encoder.label])
    for split in SCORED:
        refuse_unusable(split, splits[split][encoder.label])
    model = load(paths.MODEL, encoder)
    judged = _judged(splits, encoder, model)
    found = {split: _scores(part) for split, part in judged.items()}
    test = judged["test"]
    drawn = plots(test.labels, test.model, test.peer) | _tables(judged, params) | {"importance": _importance(test, encoder, model)}
    write_json(paths.EVALUATION, found)
    write_json(paths.METRICS, headline(found))
    for name, points in drawn.items():
        write_csv(paths.PLOTS / f"{name}.csv", points, COLUMNS.get(name))
    hashes = {path.as_posix(): content_hash(path) for path in (paths.TRAINING_SET, paths.ENCODER, paths.MODEL)}
    write_text(
        paths.CARD,
        card(
            declaration=declaration,
            encoder=encoder,
            params=params,
            periods={split: period(rows) for split, rows in splits.items()},
            scores=found,
            slices=drawn["slices"],
            hashes=hashes,
        ),
    )
    return {"rows": test.rows.num_rows, "auc": found["test"]["auc"], "peer_auc": found["test"]["peer"]["auc"]}


def _judged(splits: dict[Split, pa.Table], encoder: Encoder, model: keras.Model) -> dict[Split, Judged]:
    """Validation and test, through the whole saved model and from raw values, as a request would be answered."""
    from knownat.model import predict

    scored = {split: splits[split] for split in SCORED}
    peers = foretold_by_peer(splits["train"], scored, encoder)
    found = {}
    for split, rows in scored.items():
        columns = {i.name: rows[i.name].to_pylist() for i in encoder.inputs}
        labels = rows[encoder.label].to_numpy(zero_copy_only=False).astype(np.bool_)
        found[split] = Judged(rows, labels, predict(model, encoder, columns).astype(np.float64), peers[split])
    return found


def _scores(judged: Judged) -> dict[str, Any]:
    return {
        **scores(judged.labels, judged.model),
        **compared(judged.labels, judged.model, judged.peer),
        "peer": peer_scores(judged.labels, judged.peer),
    }


def _tables(judged: Mapping[Split, Judged], params: Params) -> dict[str, Points]:
    """The scores by the declared inputs' values on test, and by quarter on validation and test."""
    test, both = judged["test"], list(judged.values())
    late = pa.concat_tables([part.rows for part in both])
    joined = [np.concatenate([getattr(part, name) for part in both]) for name in ("labels", "model", "peer")]
    slices = [by_value(test.rows, name, test.labels, test.model, test.peer) for name in params.evaluate.slices]
    return {"slices": [row for rows in slices for row in rows], "quarters": by_quarter(late, *joined)}


def _importance(test: Judged, encoder: Encoder, model: keras.Model) -> Points:
    from knownat.model import raw_inputs

    columns = {i.name: test.rows[i.name].to_pylist() for i in encoder.inputs}
    raw = raw_inputs(encoder, columns)
    return importance(raw, test.labels, lambda inputs: model.predict_on_batch(dict(inputs))[:, 0].astype(np.float64))


def write_csv(path: Path, points: Points, columns: Sequence[str] | None = None) -> None:
    """`columns` where there may be no row to read them from."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(points[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    write_text(path, text.getvalue())


if __name__ == "__main__":
    run_stage("evaluate", main, *sys.argv[1:])
