"""What the pipeline has written, read once; whatever is missing is named with the command that makes it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownat import accepted, paths
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.files import read_json
from knownat.gates import GATES
from knownat.params import Params
from knownat.report.seen import Seen, seen, shown_sets
from knownat.splits import SPLIT

if TYPE_CHECKING:
    import pyarrow as pa

CURVES = paths.CURVES / "plots" / "metrics" / "loss"
LOSSES = {"train": CURVES / "train.tsv", "validation": CURVES / "validation.tsv"}
PLOTS = ("roc", "precision_recall", "calibration", "confusion", "threshold", "importance", "slices", "quarters", "services")
MAKERS = {"services": "compare"}
HASHED = {paths.TRAINING_SET: "retrieve", paths.ENCODER: "encode", paths.MODEL: "train"}

Points = list[dict[str, str]]


@dataclass(frozen=True)
class Evidence:
    """`losses` are by epoch, for train and validation; `plots` are what `evaluate` kept of the test split.

    `documents` are the gates' Data Docs, by their place in the report.
    """

    declaration: Declaration
    params: Params
    rows: Mapping[str, Any]
    results: Mapping[str, list[dict[str, Any]]]
    events: pa.Table
    training_set: pa.Table
    encoder: Encoder
    losses: Mapping[str, list[float]]
    scores: Mapping[str, Any]
    plots: Mapping[str, Points]
    hashes: Mapping[str, str]
    data: tuple[Seen, ...]
    documents: Mapping[str, Path]


def collect() -> Evidence:
    """All of it; KnownatError for the first that is missing."""
    from knownat.parquet import content_hash, read

    declaration, params = Declaration.read(paths.compiled("report")), Params.load()
    inputs = [item.name for item in declaration.inputs(params.service)]
    return Evidence(
        declaration=declaration,
        params=params,
        rows=_json(paths.ROWS, "preprocess"),
        results={gate: _json(paths.result(gate), f"validate_{gate}") for gate in GATES},
        events=read(made(paths.TABLES / declaration.event.table, "preprocess"), _moments(declaration, params.service)),
        training_set=read(made(paths.TRAINING_SET, "retrieve"), [SPLIT, *inputs]),
        encoder=Encoder.read(paths.ENCODER),
        losses={split: _curve(path) for split, path in LOSSES.items()},
        scores=_json(paths.EVALUATION, "evaluate"),
        plots={name: _table(paths.PLOTS / f"{name}.csv", MAKERS.get(name, "evaluate")) for name in PLOTS},
        hashes={path.as_posix(): content_hash(made(path, stage)) for path, stage in HASHED.items()},
        data=_data(declaration, params),
        documents={f"gates/{gate}/{path.name}": path for gate in GATES for path in sorted((paths.RESULTS / gate).glob("*.html"))},
    )


def _data(declaration: Declaration, params: Params) -> tuple[Seen, ...]:
    """Each data set with its accepted version."""
    for data_set in shown_sets(declaration):
        made(data_set.path, "retrieve" if data_set.kind == "training set" else "preprocess")
    return tuple(seen(declaration, params, accepted.read()))


def made(path: Path, stage: str) -> Path:
    """The path of what a stage makes, if it has."""
    if not path.exists():
        raise KnownatError(f"{path} is missing; run `dvc repro {stage}` (or `dvc pull`) to make it.")
    return path


def _moments(declaration: Declaration, service: str) -> list[str]:
    """What decides whether an event is in the training set."""
    table = declaration.event_table
    names = [table.known_at, declaration.service(service).as_of, declaration.outcome.name, "label_known_at"]
    return list(dict.fromkeys(names))


def _json(path: Path, stage: str) -> Any:
    return read_json(made(path, stage))


def _curve(path: Path) -> list[float]:
    """DVCLive's table of one metric: step and value."""
    return [float(row[path.stem]) for row in _table(path, "train", "\t")]


def _table(path: Path, stage: str, delimiter: str = ",") -> Points:
    with made(path, stage).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))
