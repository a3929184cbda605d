"""The encoded rows of a split as batches: sliced from memory, or read by row groups where they are too many for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from knownat.encoder import Encoder
from knownat.parquet import read
from knownat.splits import SPLIT, Split

Arrays = tuple[NDArray[np.generic], ...]


@dataclass(frozen=True)
class Rows:
    """One split of an encoded matrix; `memory_limit` in bytes of the split's float32 and int32 values."""

    path: Path
    split: Split
    encoder: Encoder
    memory_limit: int

    @property
    def labels(self) -> NDArray[np.float32]:
        """(rows,), in the file's order."""
        name = self.encoder.label_columns[True]
        found: NDArray[np.float32] = read(self.path, [name], self._chosen)[name].to_numpy().astype(np.float32)
        return found

    @property
    def is_held(self) -> bool:
        """Whether the rows fit into memory."""
        return len(self.labels) * self._width * 4 <= self.memory_limit

    def batches(self, size: int) -> tf.data.Dataset:
        """Inputs and label, (size, …) each, in the file's order."""
        count = math.ceil(len(self.labels) / size)
        if self.is_held:
            return _sliced(tf.data.Dataset.range(count), self._held(), size)
        return self._streamed(lambda: _cut(map(self._group, range(self._groups)), size), count)

    def shuffled(self, size: int, seed: int) -> tf.data.Dataset:
        """As `batches`, in another order each epoch, which the seed alone decides.

        In memory, the rows are cut into batches once, in a drawn order, and each epoch shuffles the batches: nothing goes row by
        row. Else each epoch draws the order of the row groups, and of the rows within as many of them as fit.
        """
        count = math.ceil(len(self.labels) / size)
        if self.is_held:
            drawn = np.random.default_rng(seed).permutation(len(self.labels))
            places = tf.data.Dataset.range(count).shuffle(count, seed=seed, reshuffle_each_iteration=True)
            return _sliced(places, tuple(values[drawn] for values in self._held()), size)
        epochs = itertools.count()
        return self._streamed(lambda: _cut(self._drawn(np.random.default_rng([seed, next(epochs)])), size), count)

    @property
    def _chosen(self) -> list[tuple[str, str, str]]:
        return [(SPLIT, "==", self.split)]

    @property
    def _columns(self) -> list[str]:
        embedded = [column for i in self.encoder.embedded for column in i.columns]
        return [*self.encoder.number_columns, *self.encoder.one_hot_columns, *embedded, self.encoder.label_columns[True]]

    @property
    def _width(self) -> int:
        return len(self._columns)

    @property
    def _groups(self) -> int:
        return int(pq.read_metadata(self.path).num_row_groups)

    def _held(self) -> Arrays:
        return arrays(read(self.path, self._columns, self._chosen), self.encoder)

    def _group(self, number: int) -> Arrays:
        table = pq.ParquetFile(self.path).read_row_group(number, columns=[SPLIT, *self._columns])
        return arrays(table.filter(pc.field(SPLIT) == self.split), self.encoder)

    def _drawn(self, rng: np.random.Generator) -> Iterator[Arrays]:
        """As many row groups at a time as fit, in a drawn order, and their rows in a drawn order."""
        group_bytes = pq.read_metadata(self.path).num_rows / self._groups * self._width * 4
        at_once = max(1, int(self.memory_limit // (2 * group_bytes)))
        groups = rng.permutation(self._groups).tolist()
        for start in range(0, len(groups), at_once):
            parts = [self._group(number) for number in groups[start : start + at_once]]
            joined = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
            order = rng.permutation(len(joined[-1]))
            yield tuple(values[order] for values in joined)

    def _streamed(self, cut: object, count: int) -> tf.data.Dataset:
        empty = arrays(pq.ParquetFile(self.path).schema_arrow.empty_table(), self.encoder)
        *inputs, label = (tf.TensorSpec((None, *values.shape[1:]), values.dtype) for values in empty)
        stream = tf.data.Dataset.from_generator(cut, output_signature=(tuple(inputs), label))
        return stream.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)


def arrays(table: pa.Table, encoder: Encoder) -> Arrays:
    """What the core reads, in its order, then the label as a column of 0 and 1."""
    columns = [names for names in (encoder.number_columns, encoder.one_hot_columns) if names]
    floats = [_stacked(table, names, np.dtype(np.float32)) for names in columns]
    places = [_stacked(table, i.columns, np.dtype(np.int32)) for i in encoder.embedded]
    return (*floats, *places, _stacked(table, [encoder.label_columns[True]], np.dtype(np.float32)))


def _stacked(table: pa.Table, names: list[str], dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    found = np.empty((table.num_rows, len(names)), dtype)
    for place, name in enumerate(names):
        found[:, place] = table[name].to_numpy()
    return found


def _sliced(places: tf.data.Dataset, values: Arrays, size: int) -> tf.data.Dataset:
    """The batches at places, each one slice of each array."""
    *inputs, label = (tf.constant(column) for column in values)
    rows = len(values[-1])

    def cut(place: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        start, end = place * size, tf.minimum((place + 1) * size, rows)
        return tuple(column[start:end] for column in inputs), label[start:end]

    return places.map(cut).prefetch(2)


def _cut(parts: Iterator[Arrays], size: int) -> Iterator[tuple[Arrays, NDArray[np.generic]]]:
    """Batches of one size from parts of any; the last may be smaller."""
    rest: Arrays = ()
    for part in parts:
        joined = tuple(np.concatenate(pair) for pair in zip(rest, part, strict=True)) if rest else part
        whole = len(joined[-1]) // size * size
        for start in range(0, whole, size):
            *inputs, label = (values[start : start + size] for values in joined)
            yield tuple(inputs), label
        rest = tuple(values[whole:] for values in joined)
    if rest and len(rest[-1]):
        yield rest[:-1], rest[-1]
