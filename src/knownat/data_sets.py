"""The data sets that gates judge, as they lie on the disk: what each is, its hash, its rows, its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knownat import paths
from knownat.accepted import Version
from knownat.declaration import Declaration
from knownat.profile import Column, compact, profile

Kind = Literal["raw", "table", "feature view", "training set"]


@dataclass(frozen=True)
class DataSet:
    """An asset of a gate, and where it lies."""

    gate: str
    name: str
    kind: Kind
    path: Path

    @property
    def asset(self) -> str:
        return f"{self.gate}/{self.name}"


@dataclass(frozen=True)
class Measured:
    """What a data set is, by its content alone."""

    data_set: DataSet
    hash: str
    rows: int
    columns: tuple[Column, ...]

    @property
    def version(self) -> Version:
        return Version(hash=self.hash, rows=self.rows, columns={column.name: compact(column) for column in self.columns})


def data_sets(declaration: Declaration) -> Iterator[DataSet]:
    """All of them, in the order in which they are made."""
    for table in declaration.tables:
        yield DataSet("raw", table, "raw", paths.RAW / f"{table}.parquet")
    for table in declaration.tables:
        yield DataSet("features", table, "table", paths.TABLES / table)
    for view in declaration.feature_views:
        yield DataSet("features", view, "feature view", paths.VIEWS / view)
    yield DataSet("training_set", paths.TRAINING_SET.stem, "training set", paths.TRAINING_SET)


def measured(data_set: DataSet, label: str) -> Measured:
    """Hash, rows and columns, read a column at a time; raw rows are those that could not be read too, without columns."""
    from knownat.parquet import content_hash, read, row_count, schema

    path, rows = data_set.path, row_count(data_set.path)
    if data_set.kind == "raw":
        return Measured(data_set, content_hash(path), rows + row_count(paths.REJECTED / path.name), ())
    columns = profile(schema(path).names, lambda name: read(path, [name])[name], label)
    return Measured(data_set, content_hash(path), rows, columns)
