"""CSV as RFC 4180 has it, strict and streaming: records with the lines they start at, or why they cannot be parsed.

A line that breaks the grammar is lost alone: parsing goes on at the very next line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from knownat.errors import KnownatError

MAX_RECORD_BYTES = 1 << 20
# the csv module refuses a longer field
MAX_SIMPLE_BYTES = 1 << 17
MAX_LINE_BYTES = 64 << 20
BOM = b"\xef\xbb\xbf"

UNQUOTED = re.compile(rb'[^",\r]*+')
WELL_FORMED = re.compile(r'(?:(?:[^",]++|"(?:[^"]++|"")*+"|)(?:,|\Z))++')
UP_TO_CLOSING_QUOTE = re.compile(rb'(?:[^"]++|"")*+')


class Record(NamedTuple):
    """One record: its fields, or the reason why there are none; `raw` is the original bytes without the line end."""

    line: int
    fields: list[str]
    raw: bytes
    reason: str | None = None

    @property
    def text(self) -> str:
        """The original text; a byte that is no UTF-8 is written as \\xff."""
        return self.raw.decode("utf-8", "backslashreplace")


class _MalformedError(Exception):
    """Why a record breaks the grammar."""


def records(stream: BinaryIO, name: str) -> Iterator[Record]:
    """Every record of the file called `name`, in its order; a line with nothing in it is not a record.

    Of a record that breaks the grammar (a quote that never closes, say) only the first line is given up.
    """
    lines = _Lines(stream, name)
    while raw := lines.take():
        start, body = lines.number, _without_end(raw)
        if not body:
            continue
        if simple := _simple_fields(body):
            yield Record(start, simple, body)
            continue
        taken = [raw]
        try:
            fields = _quoted_fields(taken, lines)
        except _MalformedError as error:
            lines.put_back(taken[1:])
            yield Record(start, [], body, str(error))
        else:
            yield _decoded(start, fields, _without_end(b"".join(taken)))


def _simple_fields(body: bytes) -> list[str]:
    """The fields of what is plainly a well-formed record on one line, by C code; none if it takes a closer look."""
    if len(body) > MAX_SIMPLE_BYTES or b"\0" in body or b"\r" in body:
        return []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return []
    if '"' not in text:
        return text.split(",")
    return next(csv.reader((text,))) if WELL_FORMED.fullmatch(text) else []


def _decoded(line: int, fields: list[bytes], raw: bytes) -> Record:
    if b"\0" in raw:
        return Record(line, [], raw, "a NUL byte")
    try:
        return Record(line, [field.decode() for field in fields], raw)
    except UnicodeDecodeError as error:
        return Record(line, [], raw, f"not UTF-8 (byte 0x{error.object[error.start]:02x})")


def _quoted_fields(taken: list[bytes], lines: _Lines) -> list[bytes]:
    """The fields of the record that starts with taken[0]; the further lines that it needs are added to `taken`."""
    scan, size = _Scan(), 0
    while not scan.take(taken[-1]):
        size += len(taken[-1])
        following = lines.take() if size <= MAX_RECORD_BYTES else b""
        if not following:
            raise _MalformedError(f"field {len(scan.fields) + 1} opens a quote that is not closed")
        taken.append(following)
    if size + len(taken[-1]) > MAX_RECORD_BYTES + 2:
        raise _MalformedError(f"longer than {MAX_RECORD_BYTES} bytes")
    return scan.fields


class _Scan:
    """The fields of one record, fed line by line, so that a field of many lines is looked at once."""

    def __init__(self) -> None:
        self.fields: list[bytes] = []
        self._open: list[bytes] | None = None

    def take(self, raw: bytes) -> bool:
        """Whether the record ends with this line; _MalformedError if the line breaks the grammar."""
        body, position = _without_end(raw), 0
        while True:
            if self._open is None and raw[position : position + 1] == b'"':
                self._open, position = [], position + 1
            if self._open is not None:
                end = UP_TO_CLOSING_QUOTE.match(raw, position).end()  # type: ignore[union-attr]
                self._open.append(raw[position:end])
                if end == len(raw):
                    return False
                self.fields.append(b"".join(self._open).replace(b'""', b'"'))
                self._open, position = None, end + 1
            else:
                end = UNQUOTED.match(body, position).end()  # type: ignore[union-attr]
                self.fields.append(body[position:end])
                position = end
            if position == len(body):
                return True
            if body[position] != ord(","):
                raise _MalformedError(_stray(body, position, len(self.fields)))
            position += 1


def _stray(body: bytes, position: int, field: int) -> str:
    what = {ord('"'): "a quote", ord("\r"): "a carriage return"}.get(body[position], "text after a closing quote")
    return f"{what} where field {field} has no place for it"


def _without_end(raw: bytes) -> bytes:
    if raw.endswith(b"\n"):
        return raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
    return raw


class _Lines:
    """Physical lines with their end, counted; some can be put back, to be read again."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.number = 0
        self._name = name
        self._stream = stream
        self._ahead: deque[bytes] = deque()

    def take(self) -> bytes:
        """The next line; empty at the end of the file."""
        line = self._ahead.popleft() if self._ahead else self._stream.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            size = f"{MAX_LINE_BYTES >> 20} MiB"
            raise KnownatError(f"{self._name}: line {self.number + 1} is longer than {size}; save the table as CSV.")
        self.number += bool(line)
        return line.removeprefix(BOM) if self.number == 1 else line

    def put_back(self, lines: list[bytes]) -> None:
        self._ahead.extendleft(reversed(lines))
        self.number -= len(lines)
