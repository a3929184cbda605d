"""From the training set to the encoded matrix and the encoder, fitted by Spark ML on the train split alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc

from knownat import paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, join_key
from knownat.derive.spark_ml import Layout, cleaned, fit
from knownat.encoder import plan
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.gates import data_of, require
from knownat.matrix import encode
from knownat.params import Params
from knownat.parquet import read, write_table
from knownat.spark_session import spark_session
from knownat.splits import SPLIT, TIME, refuse_unusable, rows_of


def main() -> Counts:
    params = Params.load()
    declaration = Declaration.read(paths.compiled("encode"))
    layout = Layout(plan(declaration, params.service, params.encode))
    require("training_set", data_of("training_set"))
    label, order = declaration.outcome.name, (TIME, join_key(declaration.event.entity))
    refuse_unfit(paths.TRAINING_SET, layout, label)
    with spark_session(params.spark) as spark:
        rows = cleaned(spark.read.parquet(str(paths.TRAINING_SET.absolute())), layout, label, *order, SPLIT)
        # one partition in one order: a sum of doubles depends on both
        train = rows.where(rows[SPLIT] == "train").coalesce(1).sortWithinPartitions(*order)
        fitted = fit(train, layout, params.service, label)
        matrix = encode(rows, fitted, *order, SPLIT).sort_by([(name, "ascending") for name in order])
    write_table(matrix, paths.ENCODED)
    write_text(paths.ENCODER, fitted.encoder.model_dump_json(indent=1) + "\n")
    return {"rows": matrix.num_rows, "inputs": len(fitted.encoder.inputs), "columns": matrix.num_columns}


def refuse_unfit(path: Path, layout: Layout, label: str) -> None:
    """KnownatError if nothing can be fitted: no train rows, one label only, or a logarithm of a negative number."""
    logs = [name for name, (_, kind) in layout.plan.items() if kind == "log"]
    table = read(path, columns=[SPLIT, label, *logs])
    refuse_unusable("train", rows_of(table, "train")[label])
    for name in logs:
        if (pc.min(table[name]).as_py() or 0) < 0:
            raise KnownatError(f"params.yaml: encode.{name}: log takes no negative value, and there are some; use scale.")


if __name__ == "__main__":
    run_stage("encode", main, *sys.argv[1:])
