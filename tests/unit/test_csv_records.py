"""The CSV parser: exact text, exact line numbers, and damage that stays where it is."""

import csv
import io
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownat.csv_records import MAX_RECORD_BYTES, Record, records

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=12)
CELL = st.one_of(TEXT, st.text('",\r\n a', max_size=8))
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=6))
PLAIN_ROW = st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=5), min_size=3, max_size=3)
# with \n alone as its line end, csv.writer leaves a carriage return unquoted, which RFC 4180 does not know
WRITERS = [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]
DAMAGE = [b'x"y,b,c', b'"x"y,b,c', b"a,\xff,c", b"a,\0,c", b'a,b,"never closed', b"a,b\rb,c", b'"', b'a,"",b"']


def parse(content: bytes) -> list[Record]:
    return list(records(io.BytesIO(content), "table.csv"))


@given(TABLE, st.sampled_from(WRITERS), st.booleans())
def test_what_a_csv_writer_writes_comes_back_exactly(
    table: list[list[str]], writer: tuple[str, Literal[0, 1]], has_bom: bool
) -> None:
    """Any table of texts written as CSV is read back cell by cell, whatever quotes, commas and newlines it holds."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=writer[0], quoting=writer[1]).writerows(table)
    content = b"\xef\xbb\xbf" * has_bom + file.getvalue().encode()
    assert [(record.fields, record.reason) for record in parse(content)] == [(row, None) for row in table]


@given(st.lists(PLAIN_ROW, min_size=1, max_size=8), st.sampled_from(DAMAGE), st.integers(0, 8), st.booleans())
def test_a_damaged_line_loses_only_itself(table: list[list[str]], damage: bytes, place: int, is_quoted: bool) -> None:
    """A line that breaks the grammar, at any place, is one rejection with its line number; all others are read."""
    place = min(place, len(table))
    quote = '"' if is_quoted else ""
    lines = [",".join(f"{quote}{cell}{quote}" for cell in row).encode() for row in table]
    found = parse(b"\n".join([*lines[:place], damage, *lines[place:]]) + b"\n")
    assert [record.fields for record in found if not record.reason] == table
    assert [(record.line, record.raw) for record in found if record.reason] == [(place + 1, damage)]
    assert [record.line for record in found] == list(range(1, len(table) + 2))


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_no_byte_disappears(start: bytes, end: bytes) -> None:
    """Whatever the bytes, the records' original texts and the line ends between them make up the file."""
    content = start + b'"' + end
    left = content.removeprefix(b"\xef\xbb\xbf")
    for record in parse(content):
        before, _, left = left.partition(record.raw)
        assert not before.strip(b"\r\n")
    assert not left.strip(b"\r\n")


def test_a_line_number_is_where_the_record_starts() -> None:
    """Newlines inside quotes and blank lines count as lines, and a record has the number of its first."""
    content = b'a,b\r\n"1\r\n\r\n1",2\r\n\r\n3,4'
    assert [(record.line, record.fields) for record in parse(content)] == [
        (1, ["a", "b"]),
        (2, ["1\r\n\r\n1", "2"]),
        (6, ["3", "4"]),
    ]


def test_a_line_with_nothing_in_it_is_no_record() -> None:
    """Blank lines are skipped, wherever they stand; a line of spaces is a record."""
    assert [record.fields for record in parse(b"\na,b\n\n\r\n  \n\n")] == [["a", "b"], ["  "]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'a,b"c', "a quote where field 2 has no place for it"),
        (b'a,"b"c', "text after a closing quote where field 2 has no place for it"),
        (b'a,"b', "field 2 opens a quote that is not closed"),
        (b"a,\xffb", "not UTF-8 (byte 0xff)"),
        (b"a,\0", "a NUL byte"),
        (b"a\rb,c", "a carriage return where field 1 has no place for it"),
        (b"a," + b"b" * MAX_RECORD_BYTES, f"longer than {MAX_RECORD_BYTES} bytes"),
    ],
)
def test_a_rejection_says_why_and_keeps_the_line(line: bytes, reason: str) -> None:
    """Each kind of damage has a reason of its own, and the original bytes are all there."""
    (record,) = parse(line + b"\r\n")
    assert (record.reason, record.raw) == (reason, line)


def test_a_byte_that_is_no_text_is_shown_as_hexadecimal() -> None:
    """The text of a rejected record is writable as UTF-8, and the bad byte can be told from it."""
    (record,) = parse(b"caf\xe9,x\n")
    assert record.text == "caf\\xe9,x"


def test_a_quote_that_never_closes_does_not_swallow_the_file() -> None:
    """After more than a record's largest size without a closing quote, parsing resumes at the very next line."""
    rows = [b"%d,b" % number for number in range(MAX_RECORD_BYTES // 4)]
    found = parse(b'0,"b\n' + b"\n".join(rows))
    assert found[0].reason == "field 2 opens a quote that is not closed"
    assert [record.raw for record in found[1:]] == rows
    assert found[-1].line == len(rows) + 1


def test_a_record_of_many_lines_may_be_as_long_as_the_limit() -> None:
    """A quoted field of a hundred thousand lines is one record, and reading it takes linear time."""
    text = "line\n" * 100_000
    (record, last) = parse(f'"{text}",b\nc,d\n'.encode())
    assert (record.fields, last.line) == ([text, "b"], 100_002)


def test_a_well_formed_record_of_many_lines_that_is_unfit_is_lost_whole() -> None:
    """What stands inside quotes is never taken for a row, even where the record is rejected for a NUL byte."""
    (record,) = parse(b'"x\na,b\n\0y",c\n')
    assert (record.reason, record.raw) == ("a NUL byte", b'"x\na,b\n\0y",c')
