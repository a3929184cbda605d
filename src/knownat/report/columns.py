"""Each model input as the training set has it: what is missing, typical, how it is spread, how far it has moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from knownat.declaration import ModelInput
from knownat.encoder import Category, EncodedInput, Number, Text
from knownat.report.histograms import Histogram, Shift, finite, of_numbers, of_words, shift
from knownat.report.numbers import count, share, significant
from knownat.splits import SPLITS, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Column:
    """`missing` is a share for each split; `typical` is of train: mean and quantiles, or the most frequent values."""

    name: str
    feature: str
    dtype: str
    description: str
    encoding: str
    missing: tuple[float | None, ...]
    typical: tuple[str, ...]
    histogram: Histogram | None
    shift: Shift | None

    @property
    def is_category(self) -> bool:
        return self.histogram is not None and bool(self.histogram.words)


def columns(inputs: list[ModelInput], encoded: list[EncodedInput], training_set: pa.Table) -> list[Column]:
    """The metrics of all inputs, in declared order."""
    manners = {item.name: item for item in encoded}
    parts = {split: rows_of(training_set, split) for split in SPLITS}
    return [_column(item, manners[item.name], {s: part[item.name] for s, part in parts.items()}) for item in inputs]


def _column(item: ModelInput, encoded: EncodedInput, values: dict[str, pa.ChunkedArray]) -> Column:
    missing = {split: v.null_count / len(v) if len(v) else None for split, v in values.items()}
    train, test = values["train"], values["test"]
    histogram = _histogram(item, encoded, train.drop_null(), test.drop_null())
    return Column(
        name=item.name,
        feature=item.feature.name,
        dtype=item.feature.dtype,
        description=_description(item),
        encoding=_encoding(encoded),
        missing=tuple(missing.values()),
        typical=_typical(train, histogram),
        histogram=histogram,
        shift=shift(histogram, (missing["train"] or 0, missing["test"] or 0), (len(train), len(test))),
    )


def _description(item: ModelInput) -> str:
    words = [item.feature.declared.description, f"the last {item.feature.window}" if item.feature.window else ""]
    return ", ".join(word for word in words if word)


def _histogram(item: ModelInput, encoded: EncodedInput, train: pa.ChunkedArray, test: pa.ChunkedArray) -> Histogram | None:
    if not len(train):
        return None
    if not isinstance(encoded, Number) or item.feature.dtype == "bool":
        return of_words(train, test)
    return of_numbers(train, test, logs=encoded.kind == "log")


def _encoding(encoded: EncodedInput) -> str:
    if isinstance(encoded, Text):
        return f"by its words, {count(len(encoded.vocabulary))} known"
    if isinstance(encoded, Category):
        number = len(encoded.vocabulary)
        return f"{'embedded' if encoded.kind == 'index' else 'one-hot'}, {count(number)} value{'' if number == 1 else 's'}"
    manner = {"scale": "scaled", "log": "logarithm, scaled", "flag": "0 or 1"}[encoded.kind]
    return f"{manner}, missing flagged" if encoded.has_missing else manner


def _typical(train: pa.ChunkedArray, histogram: Histogram | None) -> tuple[str, ...]:
    if histogram is None:
        return ()
    if histogram.words:
        pairs = list(zip(histogram.words, histogram.train, strict=False))
        return tuple(f"{word} {share(part)}" for word, part in pairs[:3] if part)
    numbers = finite(train)
    return tuple(significant(float(n)) for n in (numbers.mean(), *np.quantile(numbers, QUANTILES)))
