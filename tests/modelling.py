"""A small declaration of its own and a training set for it, with everything that an encoder must cope with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from knownat import paths
from knownat.declaration import Declaration
from knownat.files import write_json
from knownat.parquet import content_hash

DECLARATION: dict[str, Any] = {
    "tables": {"orders": {"key": ["number"], "known_at": "placed_at", "columns": {}}},
    "entities": {"order": "number"},
    "event": {"table": "orders", "entity": "order"},
    "label": {"name": "is_kept", "expr": "NOT returned", "description": "The buyer kept it."},
    "views": {
        "basket": {
            "description": "What was bought.",
            "entity": "order",
            "known_at": "placed_at",
            "features": {
                "price": {"dtype": "float64", "description": "In euros | with tax"},
                "weight": {"dtype": "float64"},
                "items": {"dtype": "int64"},
                "stars": {"dtype": "int64"},
                "weekday": {"dtype": "int64"},
                "colour": {"dtype": "string"},
                "shop": {"dtype": "string"},
                "is_gift": {"dtype": "bool"},
                "constant": {"dtype": "float64"},
                "unknown": {"dtype": "float64"},
                "unsaid": {"dtype": "string"},
                "note": {"dtype": "string"},
            },
        },
        "aftermath": {"entity": "order", "known_at": "ended_at", "features": {"calls": {"dtype": "int64"}}},
    },
    "services": {
        "early": {"description": "Will it be kept?", "as_of": "placed_at", "views": ["basket"]},
        "late": {"as_of": "ended_at", "views": ["basket", "aftermath"]},
    },
}
PARAMS = """
sources: {{orders: {{uri: orders.csv, observed_at: 2020-01-01}}}}
service: early
split: {{validation_from: 2019-06-01, test_from: 2019-09-01}}
spark: {{master: "local[2]"}}
encode: {{basket__price: log, basket__stars: index, basket__weekday: one_hot, basket__shop: index, basket__note: words{encode}}}
train:
  {{batch_size: 64, learning_rate: 0.01, epochs: 3, patience: 2, seed: 1,
    layers: [8], embedding: 2, dropout: 0.1, category_dropout: 0.1, l2: 0.001}}
"""
COLOURS = ["red", "grün", 'a "b", c.d=`e`', "東京 🎈", None, ""]
NOTES = ["Please hurry!", "a gift: for Zoë's 東京 trip", "GIFT", "", None, "no hurry, please", "!?"]
TYPES = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def declaration() -> Declaration:
    return Declaration.model_validate(DECLARATION)


def training_set(rows: int = 400, **columns: list[Any]) -> pa.Table:
    """Rows by time: the first half train, then validation, then test; `columns` replaces whole columns by name."""
    rng = np.random.default_rng(5)
    price = np.exp(rng.normal(3, 1, rows))
    colour = rng.integers(0, len(COLOURS), rows)
    late = np.arange(rows) >= rows * 3 // 4
    values: dict[str, Any] = {
        "order_id": [f"{number:05d}" for number in range(rows)],
        "event_timestamp": [datetime(2019, 1, 1, tzinfo=UTC) + timedelta(hours=number) for number in range(rows)],
        "split": ["train"] * (rows // 2) + ["validation"] * (rows // 4) + ["test"] * (rows - rows // 2 - rows // 4),
        "is_kept": list(np.log(price) - (colour == 1) + rng.normal(0, 0.5, rows) > 3),
        "basket__price": _with_nulls(price, np.arange(rows) % 11 == 3),
        "basket__weight": _with_nulls(rng.normal(70, 3, rows), np.arange(rows) % 7 == 5),
        "basket__items": [int(n) for n in rng.integers(1, 9, rows)],
        "basket__stars": [[1, 2, 5, None][n] for n in rng.integers(0, 4, rows)],
        "basket__weekday": [int(n) for n in rng.integers(0, 7, rows)],
        "basket__colour": ["blå" if new and n == 0 else COLOURS[n] for n, new in zip(colour, late, strict=True)],
        "basket__shop": [f"shop {n}" for n in rng.integers(0, 9 if rows else 0, rows) + late],
        "basket__is_gift": _with_nulls(rng.random(rows) < 0.3, np.arange(rows) % 13 == 2),
        "basket__constant": [0.1] * (rows - 1) + [7.0],
        "basket__unknown": [None] * (rows - 1) + [3.0],
        "basket__unsaid": [None] * (rows - 1) + ["said"],
        "basket__note": [NOTES[n] for n in rng.integers(0, len(NOTES), rows)],
    }
    dtypes = {i.name: TYPES[i.feature.dtype] for i in declaration().inputs("early")}
    time = {"event_timestamp": pa.timestamp("us", tz="UTC")}
    arrays = {n: pa.array(v, dtypes.get(n, time.get(n)), from_pandas=False) for n, v in {**values, **columns}.items()}
    return pa.table(arrays)


def _with_nulls(values: Any, is_null: Any) -> list[Any]:
    return [None if null else value for value, null in zip(values.tolist(), is_null.tolist(), strict=True)]


def project(folder: Path, table: pa.Table, encode: str = "") -> None:
    """What the stages after `retrieve` find in a project's folder."""
    files = {paths.TRAINING_SET.parent, paths.COMPILED}
    for path in files:
        (folder / path).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / paths.TRAINING_SET)
    text = declaration().model_dump_json(by_alias=True, exclude_defaults=True)
    for stage in ("encode", "evaluate"):
        (folder / paths.compiled(stage)).write_text(text, encoding="utf-8")
    passed(folder)
    (folder / "params.yaml").write_text(PARAMS.format(encode=encode), encoding="utf-8")


def passed(folder: Path) -> None:
    """The verdict of the gate that the training set, as it is now, has passed, and those of the gates before."""
    verdict = {"gate": "training_set", "data": {paths.TRAINING_SET.as_posix(): content_hash(folder / paths.TRAINING_SET)}}
    write_json(folder / paths.verdict("training_set"), verdict)
    for gate in ("raw", "features"):
        write_json(folder / paths.verdict(gate), {"gate": gate, "data": {}})
