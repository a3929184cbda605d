"""Journals of captured requests: each is locked by the process that writes it, and becomes one Parquet file afterwards.

The lock ends with its process, however that ends; a process number would say nothing where each start has the same one.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from knownat.console import log
from knownat.serving import captured
from knownat.serving.captured import Columns

FOLDER = ".journal"  # no service has such a name


@dataclass(frozen=True)
class Swept:
    """What became of journals: rows written to Parquet, and lines that were torn."""

    rows: int
    torn: int


def opened(folder: Path, service: str, columns: Columns) -> int:
    """A new journal below `folder`, locked, its columns in its first line; the descriptor, to append to. Raises OSError."""
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    while True:
        stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
        path = place / f"{service}.{os.getpid()}.{stem}.jsonl"
        journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        try:
            if not locked(journal):  # taken by a sweep before it was locked
                os.close(journal)
                continue
            head = orjson.dumps({"columns": columns}, option=orjson.OPT_APPEND_NEWLINE)
            if os.write(journal, head) < len(head):
                raise OSError(f"No room for the head of {path}")
            os.fsync(journal)
            _sync(place)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(journal)
            raise
        return journal


def locked(journal: int) -> bool:
    """Lock a journal that nobody else has, and that has not been swept meanwhile."""
    with suppress(BlockingIOError):
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(journal).st_nlink > 0
    return False


def sweep(folder: Path) -> Swept:
    """Turn each journal below `folder` that nobody writes into one Parquet file; one that resists is told of and stays."""
    found = [Swept(0, 0)]
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        try:
            with _taken(path) as is_ours:
                if is_ours:
                    found.append(_rotated(folder, path))
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            log.warning("%s is not turned into Parquet (%s); it stays, and is tried again.", path, error)
    return Swept(sum(one.rows for one in found), sum(one.torn for one in found))


@contextmanager
def _taken(path: Path) -> Iterator[bool]:
    try:
        journal = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # another process was faster
        yield False
        return
    try:
        yield locked(journal)
    finally:
        os.close(journal)


def _rotated(folder: Path, journal: Path) -> Swept:
    """One file, whole before the journal goes; bearing its name, so that after a crash between the two no row is doubled."""
    service, _, stem = journal.stem.split(".")
    path = folder / service / f"{stem}.parquet"
    swept = Swept(0, 0)
    head, has_head, content = journal.read_bytes().partition(b"\n")
    if has_head and not path.exists():
        lines, _, torn_end = content.rpartition(b"\n")
        table, torn = captured.rows(orjson.loads(head)["columns"], lines)
        swept = Swept(table.num_rows, torn + bool(torn_end))
        _write(table, journal.with_suffix(".parquet"), path)
    journal.unlink()
    return swept


def _write(table: pa.Table, draft: Path, path: Path) -> None:
    """Write a file, whole and on the disk, or not at all.

    The draft lies beside the journal, so that whoever reads the folder never meets it, under the journal's name, so that
    a later attempt replaces what a killed one has left.
    """
    if not table.num_rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("wb") as file:
            pq.write_table(table, file, compression="zstd", version="2.6", store_schema=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the kernel write down which files a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
