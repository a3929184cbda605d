"""The model's forward pass in NumPy: what Keras computes, for a row at a time and without its start-up or dispatch."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knownat.encoder import LENGTH, Category, EncodedInput, Encoder, Number, Text
from knownat.errors import KnownatError
from knownat.model import predict

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]

# the words that `words.tokens` finds: a mark is one, and so is each run of digits, letters and what is not ASCII
WORD = re.compile("[!:?]|[0-9A-Za-z\x80-\U0010ffff]+")
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Numbers:
    """How the numbers enter, each by its place: ln(value + 1) at `logs`, less `shift`, times `scale`; `mean` where missing."""

    names: list[str]
    logs: NDArray[np.intp]
    least: NDArray[np.float64]
    mean: NDArray[np.float64]
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    columns: NDArray[np.intp]
    indicators: NDArray[np.intp]
    indicated: NDArray[np.intp]

    @classmethod
    def of(cls, given: Sequence[Number]) -> Numbers:
        is_flag = np.array([i.kind == "flag" for i in given], bool)
        is_log = np.array([i.kind == "log" for i in given], bool)
        mean = np.array([i.mean for i in given], np.float64)
        widths = np.array([len(i.columns) for i in given], np.intp)
        columns = np.cumsum(widths) - widths
        indicated = np.flatnonzero(widths == 2)
        return cls(
            names=[i.name for i in given],
            logs=np.flatnonzero(is_log),
            least=np.where(is_log, 0.0, np.finfo(np.float64).min),
            mean=mean,
            shift=np.where(is_flag, 0.0, mean),
            scale=np.array([1.0 if i.kind == "flag" else 1 / i.std if i.std else 0.0 for i in given]),
            columns=columns,
            indicators=columns[indicated] + 1,
            indicated=indicated,
        )

    def write(self, raw: NDArray[np.float64], out: Floats) -> None:
        """(n, numbers) with NaN for missing → their columns of `out`."""
        is_present = (raw >= self.least) & (raw < np.inf)
        values = np.where(is_present, raw, 0.0)
        values[:, self.logs] = np.log(values[:, self.logs] + 1)
        out[:, self.columns] = (np.where(is_present, values, self.mean) - self.shift) * self.scale
        out[:, self.indicators] = ~is_present[:, self.indicated]


class Forward:
    """A trained model as NumPy; equal to it within 1e-6, which is checked when it is made."""

    def __init__(self, encoder: Encoder, model: keras.Model) -> None:
        self.encoder = encoder
        core = model.get_layer("core")
        calibration = model.get_layer("calibration")
        self.slope, self.intercept = float(calibration.scale), float(calibration.offset)
        self.numbers = Numbers.of([i for i in encoder.inputs if isinstance(i, Number)])
        self.dense = _dense(core)
        width = len(encoder.number_columns)
        self.one_hot: list[tuple[str, Callable[[Any], int], int]] = []
        for feature in encoder.inputs:
            if isinstance(feature, Category) and feature.kind == "one_hot":
                self.one_hot.append((feature.name, placed(feature), width))
                width += feature.size
        self.embedded: list[tuple[str, Callable[[Any], Floats], slice]] = []
        for number, embedding in enumerate(encoder.embedded):
            table = np.asarray(core.get_layer(f"embedding_{number}").get_weights()[0])
            self.embedded.append((embedding.name, _embed(embedding, table), slice(width, width + table.shape[1])))
            width += table.shape[1]
        self.width = width
        self._expect_equal(model)

    def probabilities(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The probability of the label for each row of raw values by name, None where there is none."""
        return self.sigmoid(self.logits(rows))

    def logits(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The calibrated logit of each row."""
        x = np.zeros((len(rows), self.width), np.float32)
        if self.numbers.names:
            names = self.numbers.names
            # None becomes NaN
            self.numbers.write(np.array([[row[name] for name in names] for row in rows], np.float64), x)
        for row, raw in zip(x, rows, strict=True):
            for name, place, start in self.one_hot:
                row[start + place(raw[name])] = 1
            for name, vector, where in self.embedded:
                row[where] = vector(raw[name])
        hidden = x
        for weights, bias in self.dense[:-1]:
            hidden = np.maximum(hidden @ weights + bias, 0)
        weights, bias = self.dense[-1]
        logit = np.concatenate([hidden, x], axis=1) @ weights + bias
        return logit[:, 0].astype(np.float64) * self.slope + self.intercept

    @staticmethod
    def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.5 * (1 + np.tanh(logits / 2))

    def _expect_equal(self, model: keras.Model) -> None:
        """Refuse a model whose layers mean something else than what is computed here."""
        rows = [{i.name: value for i, value in zip(self.encoder.inputs, _probe(self.encoder, n), strict=True)} for n in range(3)]
        columns = {i.name: [row[i.name] for row in rows] for i in self.encoder.inputs}
        expected, found = predict(model, self.encoder, columns), self.probabilities(rows)
        if not np.allclose(expected, found, rtol=0, atol=TOLERANCE):
            raise KnownatError(f"The model predicts {expected}, its forward pass {found}; run `dvc repro train` to make it anew.")


def stand_in(feature: EncodedInput) -> float | str | None:
    """What the model reads in place of a missing value: the train split's mean, or the place of all other words."""
    if isinstance(feature, Number):
        return float(np.expm1(feature.mean)) if feature.kind == "log" else feature.mean
    return "other" if isinstance(feature, Category) else ""


def placed(feature: Category) -> Callable[[Any], int]:
    """The place of a raw value in the vocabulary, or the one after it."""
    other = len(feature.vocabulary)
    if feature.dtype == "string":
        words = {word: place for place, word in enumerate(feature.vocabulary)}
        return lambda value: words.get(value or "", other)
    numbers = {int(word): place for place, word in enumerate(feature.vocabulary)}
    return lambda value: numbers.get(value, other)


def text_places(text: str | None, known: Mapping[str, int]) -> list[int]:
    """The places of the known ones among a text's first words; as `words.places`, without the zeros."""
    return [place for word in WORD.findall(text or "")[:LENGTH] if (place := known.get(word.translate(LOWER)))]


def _embed(feature: Category | Text, table: Floats) -> Callable[[Any], Floats]:
    if isinstance(feature, Category):
        place = placed(feature)
        return lambda value: table[place(value)]
    known = {word: number for number, word in enumerate(feature.vocabulary, start=1)}
    nothing = np.zeros(table.shape[1], np.float32)

    def mean(value: Any) -> Floats:
        places = text_places(value, known)
        return table[places].sum(axis=0) / np.float32(len(places)) if places else nothing

    return mean


def _dense(core: keras.Model) -> list[tuple[Floats, Floats]]:
    """Weights and bias of each hidden layer, then of the logit."""
    hidden = [layer.name for layer in core.layers if layer.name.startswith("dense_")]
    return [tuple(map(np.asarray, core.get_layer(name).get_weights())) for name in [*hidden, "logit"]]  # type: ignore[misc]


def _probe(encoder: Encoder, row: int) -> list[Any]:
    """Values that take every branch: missing ones, usual ones, and words that are known."""
    if row == 0:
        return [None] * len(encoder.inputs)
    return [_probed(i, row) for i in encoder.inputs]


def _probed(feature: EncodedInput, row: int) -> Any:
    if isinstance(feature, Number):
        return (
            bool(row % 2)
            if feature.dtype == "bool"
            else (feature.mean + feature.std * row)
            if feature.kind == "scale"
            else row * 7.5
        )
    known = feature.vocabulary[-row] if len(feature.vocabulary) >= row else "?"
    if isinstance(feature, Text):
        return f"{known}, {' '.join(feature.vocabulary[:3])}!" + " x" * 30
    return known if feature.dtype == "string" else int(known) if known != "?" else -1
