"""A source's rows as text, in batches, from CSV (plain, gzip or zip) or Parquet; what cannot be parsed comes apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from knownat.arrow_text import as_text
from knownat.csv_records import Record, records
from knownat.errors import KnownatError
from knownat.header import check_first_record, check_header
from knownat.unpacking import PARQUET_MAGIC, unpacked

# whichever comes first: rows may be a megabyte long
BATCH_ROWS, BATCH_BYTES = 16_384, 32 << 20
LINE = pa.field("line", pa.int64())
REJECTED = pa.schema([LINE, pa.field("text", pa.string()), pa.field("reason", pa.string())])


@dataclass(frozen=True)
class Batch:
    """So many records of the source, each of them a row of `parsed` or of `rejected`."""

    read: int
    parsed: pa.Table
    rejected: pa.Table


def parsed_schema(columns: Mapping[str, str]) -> pa.Schema:
    """`line`, then the declared columns as text."""
    return pa.schema([LINE, *(pa.field(column, pa.string()) for column in columns)])


def batches(path: Path, columns: Mapping[str, str], name: str) -> Iterator[Batch]:
    """The rows of a file, whose content says what it is; `columns`: declared name → name in the file.

    KnownatError, about the source called `name`, if it is damaged or has other columns.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == PARQUET_MAGIC:
            yield from _from_parquet(path, columns, name)
            return
        with unpacked(path, name) as stream:
            yield from _from_csv(stream, columns, name)
    except OSError as error:
        raise KnownatError(f"{name} cannot be read ({error.strerror or error}); mend that, or name another file.") from error


def _from_csv(stream: BinaryIO, columns: Mapping[str, str], name: str) -> Iterator[Batch]:
    reader = records(stream, name)
    header = next(reader, None)
    if header is None:
        raise KnownatError(f"{name} is empty; it must have a header and rows.")
    check_first_record(header, columns.values(), name)
    positions = [header.fields.index(source) for source in columns.values()]
    parsed: list[Record] = []
    rejected: list[Record] = []
    size = 0
    for record in reader:
        if record.reason is None and len(record.fields) != len(header.fields):
            record = record._replace(reason=f"{len(record.fields)} fields instead of {len(header.fields)}")  # noqa: PLW2901
        (rejected if record.reason else parsed).append(record)
        size += len(record.raw)
        if len(parsed) + len(rejected) == BATCH_ROWS or size > BATCH_BYTES:
            yield _batch(parsed, rejected, columns, positions)
            parsed, rejected, size = [], [], 0
    yield _batch(parsed, rejected, columns, positions)


def _batch(parsed: Sequence[Record], rejected: Sequence[Record], columns: Mapping[str, str], positions: Sequence[int]) -> Batch:
    texts = list(zip(*(record.fields for record in parsed), strict=True)) or [()] * (max(positions) + 1)
    arrays = [_nulls(pa.array(texts[position], pa.string())) for position in positions]
    lines = pa.array([record.line for record in parsed], pa.int64())
    losses = [
        pa.array([record.line for record in rejected], pa.int64()),
        pa.array([record.text for record in rejected], pa.string()),
        pa.array([record.reason for record in rejected], pa.string()),
    ]
    return Batch(
        len(parsed) + len(rejected),
        pa.Table.from_arrays([lines, *arrays], schema=parsed_schema(columns)),
        pa.Table.from_arrays(losses, schema=REJECTED),
    )


def _from_parquet(path: Path, columns: Mapping[str, str], name: str) -> Iterator[Batch]:
    try:
        with pq.ParquetFile(path) as file:
            check_header(file.schema_arrow.names, columns.values(), name)
            start = 1
            for rows in file.iter_batches(BATCH_ROWS):
                lines = pa.array(range(start, start + rows.num_rows), pa.int64())
                arrays = [_nulls(as_text(rows[source], source, name)) for source in columns.values()]
                parsed = pa.Table.from_arrays([lines, *arrays], schema=parsed_schema(columns))
                yield Batch(rows.num_rows, parsed, REJECTED.empty_table())
                start += rows.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise KnownatError(f"{name}: the Parquet file is damaged ({reason}); fetch it anew.") from error


def _nulls(texts: pa.Array) -> pa.Array:
    """A text without a character is no value."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
