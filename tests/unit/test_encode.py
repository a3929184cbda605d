"""Spark ML fits on the train split alone, and every row is encoded without a gap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import paths
from knownat.encoder import Category, Encoder, Number, Text
from knownat.errors import KnownatError
from knownat.stages import encode
from tests.modelling import passed, project, training_set

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def encoded(folder: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch) -> tuple[Encoder, pa.Table]:
    folder.mkdir(exist_ok=True)
    project(folder, table)
    monkeypatch.chdir(folder)
    encode.main()
    return Encoder.read(paths.ENCODER), pq.read_table(paths.ENCODED)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Encoder, pa.Table]:
    assert spark
    with pytest.MonkeyPatch.context() as monkeypatch:
        return encoded(tmp_path_factory.mktemp("encoded"), training_set(), monkeypatch)


def number(encoder: Encoder, name: str) -> Number:
    return next(i for i in encoder.inputs if isinstance(i, Number) and i.name == name)


def category(encoder: Encoder, name: str) -> Category:
    return next(i for i in encoder.inputs if isinstance(i, Category) and i.name == name)


def test_mean_and_deviation_are_those_of_the_train_split(result: tuple[Encoder, pa.Table]) -> None:
    """Of the values themselves; what is missing adds its mean."""
    train = training_set().slice(0, 200)
    price = np.log1p([p for p in train["basket__price"].to_pylist() if p is not None])
    items = train["basket__items"].to_numpy()
    assert number(result[0], "basket__price").mean == pytest.approx(price.mean(), rel=1e-12)
    assert number(result[0], "basket__items").std == pytest.approx(items.std(ddof=1), rel=1e-12)


def test_later_rows_do_not_change_what_was_fitted(
    result: tuple[Encoder, pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fitted on rows later than the training window."""
    later = training_set()["basket__items"].to_pylist()[:200] + [9999] * 200
    assert encoded(tmp_path, training_set(basket__items=later), monkeypatch)[0] == result[0]


def test_the_same_rows_give_the_same_bytes_in_any_order_and_parallelism(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark: SparkSession
) -> None:
    """Sums of doubles are taken in one order, whatever the layout of the file."""
    assert spark
    found = []
    for name, group_rows in (("a", 400), ("b", 7)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        project(Path(), training_set())
        pq.write_table(training_set(), paths.TRAINING_SET, row_group_size=group_rows)
        passed(Path())
        encode.main()
        found.append((paths.ENCODED.read_bytes(), paths.ENCODER.read_bytes()))
    assert found[0] == found[1]


def test_the_matrix_has_no_gap(result: tuple[Encoder, pa.Table]) -> None:
    """Neither nulls, constants, features without any value nor unseen words leave a NaN or a null."""
    encoder, matrix = result
    assert matrix.column_names[:5] == ["event_timestamp", "order_id", "split", *encoder.label_columns]
    for name in [*encoder.number_columns, *encoder.one_hot_columns, *(name for i in encoder.embedded for name in i.columns)]:
        assert matrix[name].null_count == 0
        assert np.isfinite(matrix[name].to_numpy()).all(), name


def test_a_constant_and_a_feature_without_values_are_zero(result: tuple[Encoder, pa.Table]) -> None:
    """Even where a later row has another value; the indicator says what is missing."""
    matrix = result[1]
    assert set(matrix["basket__constant"].to_pylist()) == {0.0}
    assert set(matrix["basket__unknown"].to_pylist()) == {0.0}
    assert matrix["basket__unknown__missing"].to_pylist() == [1.0] * 399 + [0.0]
    assert category(result[0], "basket__unsaid").vocabulary == []
    assert set(matrix["basket__unsaid__other"].to_pylist()) == {1.0}


def test_missing_is_the_mean_with_an_indicator_where_train_has_gaps(result: tuple[Encoder, pa.Table]) -> None:
    """A column that never varied in training would carry a weight that nothing trained."""
    matrix, missing = result[1], training_set()["basket__weight"].is_null().to_numpy()
    assert (matrix["basket__weight"].to_numpy()[missing] == 0).all()
    assert (matrix["basket__weight__missing"].to_numpy() == missing).all()
    assert "basket__items__missing" not in matrix.column_names


def test_words_are_known_by_the_train_split_alone(result: tuple[Encoder, pa.Table]) -> None:
    """In alphabetical order; null, empty and unseen share one column."""
    encoder, matrix = result
    assert category(encoder, "basket__colour").vocabulary == ['a "b", c.d=`e`', "grün", "red", "東京 🎈"]
    is_other = [not word or word == "blå" for word in training_set()["basket__colour"].to_pylist()]
    assert (matrix["basket__colour__other"].to_numpy() == is_other).all()
    assert (
        matrix["basket__colour=東京 🎈"].to_numpy() == [w == "東京 🎈" for w in training_set()["basket__colour"].to_pylist()]
    ).all()


def test_a_text_is_known_by_the_words_of_the_train_split(result: tuple[Encoder, pa.Table]) -> None:
    """The most frequent first; a mark is a word, and what is beyond ASCII is part of one."""
    encoder, matrix = result
    [note] = [i for i in encoder.inputs if isinstance(i, Text)]
    assert {"hurry", "please", "gift", "!", ":", "?", "zoë", "東京"} <= set(note.vocabulary)
    assert "no" in note.vocabulary
    row = training_set()["basket__note"].to_pylist().index("GIFT")
    assert [matrix[name][row].as_py() for name in note.columns] == [note.vocabulary.index("gift") + 1] + [0] * 19


def test_the_label_has_a_column_for_each_value(result: tuple[Encoder, pa.Table]) -> None:
    """One-hot without a dropped last, as published."""
    label = training_set()["is_kept"].to_numpy(zero_copy_only=False)
    assert (result[1]["is_kept=true"].to_numpy() == label).all()
    assert (result[1]["is_kept=false"].to_numpy() == ~label).all()


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"split": ["test"] * 400}, "no row falls into train; move split.validation_from to a later time"),
        ({"is_kept": [True] * 400}, "all rows of train have the label true"),
        ({"basket__price": [-1.0] * 400}, r"encode\.basket__price: log takes no negative value"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    columns: dict[str, list[object]], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with the remedy, and nothing is written."""
    project(tmp_path, training_set(**columns))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match=sentence):
        encode.main()
    assert not paths.ENCODED.exists()
    assert not paths.ENCODER.exists()
