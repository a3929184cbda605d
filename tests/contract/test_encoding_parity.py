"""Train = serve: what Spark ML encoded and what the model's layers encode are one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import paths
from knownat.encoder import Encoder
from knownat.model import raw_inputs
from knownat.stages import encode
from tests.modelling import project, training_set

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def encoder_and_matrix(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Encoder, pa.Table]:
    assert spark
    folder = tmp_path_factory.mktemp("parity")
    project(folder, training_set())
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        encode.main()
        return Encoder.read(paths.ENCODER), pq.read_table(paths.ENCODED)


def layers_of(encoder: Encoder, table: pa.Table) -> list[np.ndarray]:
    import keras

    from knownat.derive.keras import encoded, inputs

    raw = inputs(encoder)
    columns = {i.name: table[i.name].to_pylist() for i in encoder.inputs}
    return list(keras.Model(raw, encoded(encoder, raw)).predict_on_batch(raw_inputs(encoder, columns)))


def test_layers_encode_every_row_as_spark_did(encoder_and_matrix: tuple[Encoder, pa.Table]) -> None:
    """Nulls, empty and unseen words, words beyond ASCII, constants and features without a value included."""
    encoder, matrix = encoder_and_matrix
    numbers, one_hot, *places = layers_of(encoder, training_set())
    for found, columns in ((numbers, encoder.number_columns), (one_hot, encoder.one_hot_columns)):
        by_spark = np.column_stack([matrix[name].to_numpy() for name in columns])
        assert found.shape == by_spark.shape
        np.testing.assert_allclose(found, by_spark, rtol=1e-5, atol=0)
    for feature, place in zip(encoder.embedded, places, strict=True):
        assert (place == np.column_stack([matrix[name].to_numpy() for name in feature.columns])).all(), feature.name


def test_layers_survive_a_model_file(encoder_and_matrix: tuple[Encoder, pa.Table], tmp_path: Path) -> None:
    """A saved model encodes as the one that was built."""
    import keras

    from knownat.derive.keras import encoded, inputs

    encoder, _ = encoder_and_matrix
    raw = inputs(encoder)
    model = keras.Model(raw, encoded(encoder, raw))
    model.save(tmp_path / "encoding.keras")
    loaded = keras.saving.load_model(tmp_path / "encoding.keras", safe_mode=True)
    columns = raw_inputs(encoder, {i.name: training_set()[i.name].to_pylist() for i in encoder.inputs})
    for before, after in zip(model.predict_on_batch(columns), loaded.predict_on_batch(columns), strict=True):
        assert (before == after).all()


def test_what_is_no_number_is_missing(encoder_and_matrix: tuple[Encoder, pa.Table]) -> None:
    """NaN, infinity, and a negative under a logarithm count as missing in the model, and a fraction is no word."""
    encoder, _ = encoder_and_matrix
    odd = {"basket__price": [-1.0, float("inf")], "basket__weight": [float("nan"), float("-inf")]}
    rows = training_set().slice(0, 2)
    for name, values in odd.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.float64(), from_pandas=False))
    numbers, _, stars, *_ = layers_of(
        encoder, rows.set_column(rows.column_names.index("basket__stars"), "basket__stars", [[1.5, 3.0]])
    )
    found = dict(zip(encoder.number_columns, numbers.T, strict=True))
    for name in odd:
        assert found[name].tolist() == [0, 0]
        assert found[f"{name}__missing"].tolist() == [1, 1]
    assert stars[:, 0].tolist() == [3, 3]
