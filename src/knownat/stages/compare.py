"""What each service could know: the peer on each of them, so that hindsight can be told from skill."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knownat import parquet, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, join_key
from knownat.encoder import Category, EncodedInput, Encoder, Number, Text, plan
from knownat.errors import KnownatError
from knownat.gates import data_of, require
from knownat.params import Params
from knownat.peer import foretold_by_peer
from knownat.plots import PART, write_csv
from knownat.slices import Judged, part_scores
from knownat.spark_session import spark_session
from knownat.splits import refuse_unusable, rows_of
from knownat.stages.retrieve import joined, spine_of, write

COLUMNS = ("service", "as_of", *PART)


def main() -> Counts:
    params, declaration = Params.load(), Declaration.read(paths.compiled("retrieve"))
    require("features", data_of("features"))
    events = parquet.read(paths.TABLES / declaration.event.table)
    with spark_session(params.spark) if params.offline_store.type == "spark" else nullcontext():
        sets = {name: retrieved(events, declaration, name, params) for name in declaration.services}
    found: list[Mapping[str, float | str]] = []
    for name, rows in sets.items():
        if judged := judge(rows, encoder_of(rows, declaration, name, params)):
            found.append({"service": name, "as_of": declaration.service(name).as_of, **part_scores(judged)})
    write_csv(paths.SERVICES, COLUMNS, found)
    return {str(row["service"]): row["auc"] for row in found}


def retrieved(events: pa.Table, declaration: Declaration, service: str, params: Params) -> pa.Table:
    """The training set of a service, as `retrieve` would make it."""
    spine = spine_of(events, declaration, service, params.split, params.source(declaration.event.table).observed_at)
    key = ["event_timestamp", join_key(declaration.event.entity)]
    columns = [*reversed(key), "split", declaration.outcome.name, *(item.name for item in declaration.inputs(service))]
    with tempfile.TemporaryDirectory(prefix="knownat-compare-") as folder:
        path = Path(folder) / "rows.parquet"
        write(joined(spine, declaration, service, params.offline_store), columns, key, path)
        return parquet.read(path)


def encoder_of(rows: pa.Table, declaration: Declaration, service: str, params: Params) -> Encoder:
    """As much of an encoder as the peer reads: each input's kind, and the words of train."""
    train = rows_of(rows, "train")
    known = {name: kind for name, kind in params.encode.items() if name in rows.column_names}
    inputs = [_input(name, dtype, kind, train) for name, (dtype, kind) in plan(declaration, service, known).items()]
    return Encoder(service=service, label=declaration.outcome.name, inputs=inputs)


def _input(name: str, dtype: str, kind: str, train: pa.Table) -> EncodedInput:
    content: Mapping[str, object] = {"mean": 0.0, "std": 1.0, "has_missing": True}
    model = Number if kind in {"scale", "log", "flag"} else Text if kind == "words" else Category
    if model is not Number:
        words = pc.unique(train[name].cast(pa.string()).drop_null()).to_pylist() if model is Category else []
        content = {"vocabulary": sorted(word for word in words if word)}
    return model.model_validate({"name": name, "dtype": dtype, "kind": kind, **content})


def judge(rows: pa.Table, encoder: Encoder) -> Judged | None:
    """The test split of a service with the peer's probabilities; None where its splits cannot be fitted or judged."""
    splits = {split: rows_of(rows, split) for split in ("train", "test")}
    try:
        refuse_unusable("train", splits["train"][encoder.label])
        refuse_unusable("test", splits["test"][encoder.label])
    except KnownatError:
        return None
    foretold = foretold_by_peer(splits["train"], {"test": splits["test"]}, encoder)["test"]
    labels = splits["test"][encoder.label].to_numpy(zero_copy_only=False).astype(np.bool_)
    return Judged(splits["test"], labels, foretold, foretold)


if __name__ == "__main__":
    run_stage("compare", main, *sys.argv[1:])
