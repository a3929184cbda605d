"""The forward pass in NumPy against Keras' own."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from knownat.calibration import Calibration
from knownat.encoder import Category, Encoder, Number, Text
from knownat.errors import KnownatError
from knownat.forward import Forward, stand_in, text_places
from knownat.params import TrainSettings
from knownat.words import places

ENCODER = Encoder(
    service="s",
    label="y",
    inputs=[
        Number(name="a", dtype="float64", kind="log", mean=3.0, std=1.5, has_missing=True),
        Number(name="b", dtype="int64", kind="scale", mean=10.0, std=0.0, has_missing=False),
        Number(name="c", dtype="bool", kind="flag", mean=0.4, std=0.0, has_missing=True),
        Number(name="d", dtype="float64", kind="scale", mean=-1.0, std=2.0, has_missing=False),
        Category(name="e", dtype="string", kind="one_hot", vocabulary=["x", "y", "é"]),
        Category(name="f", dtype="int64", kind="one_hot", vocabulary=["1", "-2"]),
        Category(name="g", dtype="string", kind="index", vocabulary=["p", "q"]),
        Category(name="h", dtype="int64", kind="index", vocabulary=["7", "30"]),
        Text(name="i", dtype="string", kind="words", vocabulary=["one", "two", "!", "été"]),
    ],
)
CHOICES: dict[str, list[Any]] = {
    "a": [None, 0.0, -0.5, 7.25, 1e12, -3.0, float("nan"), float("inf")],
    "b": [None, 10, -(2**63), 2**63 - 1, 0],
    "c": [None, True, False],
    "d": [None, 0.0, -0.0, 1e-300, 1e30, -1e30, float("-inf")],
    "e": [None, "", "x", "y", "é", "z"],
    "f": [None, 1, -2, 3],
    "g": [None, "", "p", "q", "Q"],
    "h": [None, 7, 30, 31],
    "i": [
        None,
        "",
        "one",
        "One TWO!",
        "one,two;\x00x",
        "été ÉTÉ?",
        "\u00a0one\u00a0",
        "one " * 40,
        "x" * 30 + " two",
        "a!b:c?d",
        "１ one",
    ],
}
TRAINED = TrainSettings(batch_size=8, learning_rate=0.1, epochs=1, layers=[16, 8], embedding=4, dropout=0, l2=0, patience=1, seed=3)


def model(settings: TrainSettings) -> Any:
    import keras

    from knownat.network import core, whole

    keras.utils.set_random_seed(5)
    return whole(ENCODER, core(ENCODER, settings), Calibration(1.2, -0.3))


def rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(count)
    return [{name: draw.choice(values) for name, values in CHOICES.items()} for _ in range(count)]


@pytest.mark.parametrize("layers", [[16, 8], [4], []])
def test_the_forward_pass_is_what_keras_computes(layers: list[int]) -> None:
    """Equal within 1e-6 on rows of every odd value, alone and together."""
    from knownat.model import predict

    trained = model(TRAINED.model_copy(update={"layers": layers}))
    forward, given = Forward(ENCODER, trained), rows(600)
    expected = predict(trained, ENCODER, {name: [row[name] for row in given] for name in CHOICES})
    np.testing.assert_allclose(forward.probabilities(given), expected, rtol=0, atol=1e-6)
    alone = [forward.probabilities([row])[0] for row in given[:50]]
    np.testing.assert_allclose(alone, expected[:50], rtol=0, atol=1e-6)


def test_a_model_that_computes_something_else_is_refused() -> None:
    """Another activation than the one that is computed here shows in the probe."""
    import keras

    trained = model(TRAINED)
    trained.get_layer("core").get_layer("dense_0").activation = keras.activations.tanh
    with pytest.raises(KnownatError, match="its forward pass"):
        Forward(ENCODER, trained)


def test_words_have_the_places_that_the_encoder_gave_them() -> None:
    """As `words.places`, without the zeros."""
    import pyarrow as pa

    known = ENCODER.inputs[-1]
    assert isinstance(known, Text)
    texts = CHOICES["i"]
    expected = places(pa.chunked_array([pa.array(texts, pa.string())]), known.vocabulary)
    numbered = {word: n for n, word in enumerate(known.vocabulary, 1)}
    assert [text_places(text, numbered) for text in texts] == [[int(p) for p in row if p] for row in expected]


def test_what_stands_in_is_in_the_unit_of_the_value() -> None:
    """The mean of a logarithm is told as the value that has it."""
    found = {i.name: stand_in(i) for i in ENCODER.inputs}
    assert found["a"] == pytest.approx(np.expm1(3.0))
    assert (found["d"], found["e"], found["i"]) == (-1.0, "other", "")
