"""Batches of the encoded rows: each row once an epoch, in an order that the seed decides, in memory or from the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pydantic import ValidationError

from knownat.batches import Arrays, Rows
from knownat.encoder import Category, Encoder, Number, Text
from knownat.params import TrainSettings

PRICE = Number(name="price", dtype="float64", kind="log", mean=3.0, std=1.0, has_missing=True)
SHOP = Category(name="shop", dtype="string", kind="index", vocabulary=["a", "b", "c"])
COLOUR = Category(name="colour", dtype="string", kind="one_hot", vocabulary=["red"])
NOTE = Text(name="note", dtype="string", kind="words", vocabulary=["gift"])
ENCODER = Encoder(service="early", label="kept", inputs=[PRICE, SHOP, COLOUR, NOTE])
TRAIN, VALIDATION, GROUP, SIZE = 1000, 300, 128, 64
HELD, STREAMED = 10**9, 40_000
SETTINGS = TrainSettings(
    batch_size=SIZE, learning_rate=0.01, epochs=3, layers=[8], embedding=2, dropout=0.1, l2=0.001, patience=2, seed=3
)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose price is their number, in row groups that hold rows of both splits."""
    rows = TRAIN + VALIDATION
    rng = np.random.default_rng(2)
    kept = rng.random(rows) < 0.4
    split = np.where(rng.permutation(rows) < TRAIN, "train", "validation")
    columns = {
        "split": split,
        "kept=false": (~kept).astype(np.float32),
        "kept=true": kept.astype(np.float32),
        "price": np.arange(rows, dtype=np.float32),
        "price__missing": np.zeros(rows, np.float32),
        "shop": rng.integers(0, 4, rows).astype(np.int32),
        "colour=red": rng.integers(0, 2, rows).astype(np.float32),
        "colour__other": np.zeros(rows, np.float32),
        **{name: rng.integers(0, 2, rows).astype(np.int32) for name in NOTE.columns},
    }
    path = tmp_path_factory.mktemp("matrix") / "encoded.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=GROUP)
    return path


def epoch(dataset: tf.data.Dataset) -> Arrays:
    """All rows of one pass."""
    found = [(*inputs, label) for inputs, label in dataset.as_numpy_iterator()]
    assert sum(len(part[-1]) != SIZE for part in found) <= 1
    return tuple(np.concatenate(columns) for columns in zip(*found, strict=True))


@pytest.mark.parametrize("limit", [HELD, STREAMED])
def test_an_epoch_has_each_row_once_and_the_next_another_order(matrix: Path, limit: int) -> None:
    """Each row with its own values and label, whichever way it came."""
    rows = Rows(matrix, "train", ENCODER, limit)
    assert rows.is_held == (limit == HELD)
    in_order, shuffled = epoch(rows.batches(SIZE)), rows.shuffled(SIZE, 5)
    first, second = epoch(shuffled), epoch(shuffled)
    numbers = [found[0][:, 0] for found in (in_order, first, second)]
    assert (numbers[0] == np.sort(numbers[1])).all()
    assert (numbers[0] == np.sort(numbers[2])).all()
    assert (numbers[1] != numbers[2]).any()
    assert len(numbers[0]) == TRAIN
    for expected, found in zip(in_order, first, strict=True):
        assert (expected == found[np.argsort(numbers[1])]).all()


def test_from_disk_comes_what_memory_holds_in_the_files_order(matrix: Path) -> None:
    """Shapes and types too, so that a network cannot tell the two apart."""
    held, streamed = (Rows(matrix, "validation", ENCODER, limit).batches(SIZE) for limit in (HELD, STREAMED // 8))
    for expected, found in zip(epoch(held), epoch(streamed), strict=True):
        assert expected.dtype == found.dtype
        assert (expected == found).all()
    assert held.cardinality() == streamed.cardinality() == 5


@pytest.mark.parametrize("limit", [HELD, STREAMED])
def test_the_seed_alone_decides_the_order(matrix: Path, limit: int) -> None:
    """The same seed the same order, in every epoch; another one another."""
    rows = Rows(matrix, "train", ENCODER, limit)
    orders = []
    for seed in (1, 1, 2):
        shuffled = rows.shuffled(SIZE, seed)
        orders.append([epoch(shuffled)[0][:, 0].tolist() for _ in range(2)])
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_no_more_rows_are_read_at_once_than_the_limit_lets(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 29 values of 4 bytes a row, 40,000 bytes hold one group of 128 rows twice."""
    read: list[int] = []
    group = Rows._group
    monkeypatch.setattr(Rows, "_group", lambda rows, number: read.append(number) or group(rows, number))
    next(iter(Rows(matrix, "train", ENCODER, STREAMED).shuffled(SIZE, 1)))
    assert len(read) < pq.read_metadata(matrix).num_row_groups


def test_training_from_disk_gives_the_same_weights_each_time(matrix: Path) -> None:
    """And nearly the loss of training from memory: the rows are the same."""
    from knownat.training import logits, trained

    found, losses = [], []
    for limit in (STREAMED, STREAMED, HELD):
        train, validation = (Rows(matrix, split, ENCODER, limit) for split in ("train", "validation"))  # type: ignore[arg-type]
        network, loss = trained(train, validation, SETTINGS)
        found.append(hashlib.sha256(b"".join(w.tobytes() for w in network.get_weights())).hexdigest())
        losses.append(loss[-1])
        assert logits(network, validation).shape == (VALIDATION,)
    assert found[0] == found[1]
    assert losses[0] == pytest.approx(losses[2], rel=0.5)


@pytest.mark.parametrize("limit", ["2 apples", -1, "much"])
def test_a_limit_that_is_no_size_is_refused(limit: object) -> None:
    """By its name."""
    with pytest.raises(ValidationError, match="memory_limit"):
        TrainSettings.model_validate(SETTINGS.model_dump() | {"memory_limit": limit})
