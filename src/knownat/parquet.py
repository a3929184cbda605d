"""Parquet whose bytes depend on the rows alone: not on the parallelism, the cluster, the batches or the clock."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from knownat.errors import KnownatError
from knownat.files import draft_of, replace_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType, StructType

GROUP_ROWS = 65_536

ARROW_TYPES = {
    "string": pa.string(),
    "binary": pa.binary(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def write_table(table: pa.Table, path: Path) -> None:
    """Write one file, whole or not at all; equal tables give equal bytes, however they are chunked."""
    with PartWriter(path, plain_schema(table.schema)) as writer:
        writer.add(table)


def write_spark(frame: DataFrame, folder: Path, key: Sequence[str], parts: int) -> int:
    """Replace `folder`, whole or not at all, by `parts` files sorted by the unique `key`; returns the row count.

    On a cluster the folder must be storage that all executors share.
    """
    schema = arrow_schema(frame.schema)
    folder = folder.absolute()  # the workers may have been started elsewhere
    draft = draft_of(folder)
    draft.mkdir(parents=True)
    try:
        sorted_frame = frame.repartition(parts, *key).sortWithinPartitions(*key)
        write = _partition_writer(draft, schema, list(key))
        results = sorted_frame.mapInArrow(write, "part int, rows bigint, repeated string").collect()
        _refuse_repeated(folder, key, [result.repeated for result in results if result.repeated])
        # Spark plans fewer partitions where it knows beforehand that there is nothing to put into them
        for part in set(range(parts)) - {result.part for result in results}:
            write_table(schema.empty_table(), draft / part_name(part))
        _discard_leftovers(draft)
        replace_folder(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sum(result.rows for result in results)


def read(path: Path, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """The rows of a file, or of a folder's files in the order of their names; `filters` as pyarrow takes them."""
    return pq.read_table(part_files(path), columns=columns, filters=filters, partitioning=None)


def row_count(path: Path) -> int:
    """The number of rows, from the footers alone."""
    return sum(pq.read_metadata(file).num_rows for file in part_files(path))


def schema(path: Path) -> pa.Schema:
    """The columns and types, from the first footer alone."""
    return pq.read_schema(part_files(path)[0])


def content_hash(path: Path) -> str:
    """The sha256 of a file's bytes, or of a folder's sorted file names, each with its own sha256."""
    if not path.is_dir():
        return _file_hash(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    lines = (f"{_file_hash(files[name])}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_name(part: int) -> str:
    return f"part-{part:05d}.parquet"


def part_files(path: Path) -> list[Path]:
    """The file itself, or a folder's Parquet files in the order of their names; KnownatError if there are none."""
    if path.is_file():
        return [path]
    files = sorted(path.glob("part-*.parquet"))
    if not files:
        raise KnownatError(f"There is no Parquet at {path}: run the stage that writes it (`dvc repro`).")
    return files


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The same names with types that do not tell who made the table: no metadata, dictionaries or large types."""
    return pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    return kind


def arrow_schema(schema: StructType) -> pa.Schema:
    """Spark's schema as Arrow's; every column may be null, since what Spark infers about that follows the plan."""
    return pa.schema([pa.field(field.name, _arrow_type(field.name, field.dataType)) for field in schema.fields])


def _arrow_type(column: str, kind: DataType) -> pa.DataType:
    if kind.typeName() == "decimal":
        return pa.decimal128(kind.precision, kind.scale)
    name = kind.simpleString()
    if name not in ARROW_TYPES:
        raise KnownatError(f"Column {column!r} is of Spark type {name}, which is not written: cast it to a plain type.")
    return ARROW_TYPES[name]


class PartWriter:
    """One file under a temporary name, cut into groups of exactly 65,536 rows, renamed when the block ends well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._path = path
        self._draft = draft_of(path)
        self._schema = schema
        self._waiting = schema.empty_table()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # without Arrow's own copy of the schema: the file's types say it all
        self._file = pq.ParquetWriter(
            self._draft, self._schema, compression="zstd", compression_level=3, version="2.6", store_schema=False
        )
        return self

    def __exit__(self, error: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None and self._waiting.num_rows:
                self._write_group(self._waiting)
            self._file.close()
            if error is None:
                os.replace(self._draft, self._path)
        finally:
            self._draft.unlink(missing_ok=True)

    def add(self, table: pa.Table) -> None:
        """Take any number of rows; those short of a whole group wait for the next."""
        self.rows += table.num_rows
        self._waiting = pa.concat_tables([self._waiting, table.cast(self._schema)])
        while self._waiting.num_rows >= GROUP_ROWS:
            self._write_group(self._waiting.slice(0, GROUP_ROWS))
            self._waiting = self._waiting.slice(GROUP_ROWS)

    def _write_group(self, group: pa.Table) -> None:
        # in one chunk, since the writer ends its pages by chunks
        self._file.write_table(group.combine_chunks(), row_group_size=GROUP_ROWS)


def _partition_writer(
    draft: Path, schema: pa.Schema, key: list[str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What each executor runs: one partition into one file, and back goes one row about it."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        part, repeated = context.partitionId(), None
        last = schema.empty_table().select(key)
        with PartWriter(draft / part_name(part), schema) as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch]).cast(schema)
                keys = pa.concat_tables([last, table.select(key)])
                repeated = repeated or _repeated(keys)
                last = keys.slice(max(keys.num_rows - 1, 0))
                writer.add(table)
        row = {"part": [part], "rows": [writer.rows], "repeated": [repeated]}
        kinds = {"part": pa.int32(), "rows": pa.int64(), "repeated": pa.string()}
        yield pa.RecordBatch.from_pydict(row, schema=pa.schema(kinds))

    return write


def _repeated(keys: pa.Table) -> str | None:
    """The first key that occurs twice, as text."""
    counts = keys.group_by(keys.column_names, use_threads=False).aggregate([([], "count_all")])
    if counts.num_rows == keys.num_rows:
        return None
    first = next(row for row in counts.to_pylist() if row.pop("count_all") > 1)
    return ", ".join(f"{name} = {value}" for name, value in first.items())


def _refuse_repeated(folder: Path, key: Sequence[str], repeated: list[str]) -> None:
    if repeated:
        raise KnownatError(f"{folder} is not written: {', '.join(key)} must be unique, and {min(repeated)} occurs more than once.")


def _discard_leftovers(draft: Path) -> None:
    """Delete what a lost executor left of its attempt."""
    for file in draft.iterdir():
        if file.name.startswith("."):
            file.unlink()
