"""Hostile input: each file and each row ends in the right table, in quarantine or in one sentence; docs/hostile_input.md says which.

`KNOWNAT_WRITE_DOCS=1 pytest tests/unit/test_hostile_input.py` writes that page anew.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import parquet, paths
from knownat.declaration import Column, Declaration, Event, Label, Table
from knownat.errors import KnownatError
from knownat.params import Params
from knownat.quarantine import RECORD, limit_quarantine, rows_read, write_quarantine
from knownat.sources import fetch
from knownat.stages import ingest
from knownat.stages.preprocess import account_of, balance, judge_table
from tests.projects import ROOT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAGE = ROOT / "docs" / "hostile_input.md"
PARAMS = """
sources: {visits: {uri: %s, observed_at: 2020-01-01}, readings: {uri: readings.csv, observed_at: 2020-01-01}}
service: any
split: {validation_from: 2018-01-01, test_from: 2019-01-01}
train: {batch_size: 1, learning_rate: 1, epochs: 1, layers: [], embedding: 1, dropout: 0, l2: 0, patience: 1, seed: 1}
"""


def declare(tables: Mapping[str, Table]) -> Declaration:
    label = Label(name="is_paid", expr="place = 'Home'" if tables["visits"] is SMALL else "paid")
    declaration = Declaration(tables=dict(tables), event=Event(table="visits", entity="visit"), label=label)
    paths.COMPILED.mkdir(exist_ok=True)
    paths.compiled("ingest").write_text(declaration.model_dump_json(by_alias=True))
    return declaration


@contextmanager
def within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


# --- files: the same small table, wrapped, cut, damaged or replaced by something else

KEPT = "the table, as it is"
TABLE = [("1", "2019-01-01", "Home"), ("2", "2019-01-02", "Away")]
CSV = b"visit,at,place\n1,2019-01-01,Home\n2,2019-01-02,Away\n"
ROW = b"3,2019-01-03," + b"x" * 100_000 + b"\n"
READINGS = Table(
    key=["reading"],
    known_at="at",
    columns={"reading": Column(dtype="string"), "at": Column(dtype="timestamp"), "value": Column(dtype="float64")},
)
SMALL = Table(
    key=["visit"],
    known_at="at",
    columns={"visit": Column(dtype="string"), "at": Column(dtype="timestamp"), "place": Column(dtype="string")},
)


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """A zip file of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def encrypted(archive: bytes) -> bytes:
    """The same zip with the flags that say that its one member is encrypted."""
    central = archive.rindex(b"PK\x01\x02")
    return archive[:6] + b"\x01\x00" + archive[8 : central + 8] + b"\x01\x00" + archive[central + 10 :]


def in_parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    given = dict(zip(("visit", "at", "place"), zip(*TABLE, strict=True), strict=True)) | columns
    pq.write_table(pa.table({name: pa.array(values) for name, values in given.items()}), file)
    return file.getvalue()


def without_permission(path: Path) -> None:
    path.write_bytes(CSV)
    path.chmod(0)
    path.parent.chmod(0o755)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody who is not root, whom no permission stops."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def fetched_unprivileged() -> None:
    with unprivileged():
        fetch(Params.load().source("visits"), "visits", Path("data"))


def ingested() -> None:
    ingest.main("visits")


@dataclass(frozen=True)
class File:
    """`content`: the bytes, or what makes them at a path; `said`: a part of what must come of it."""

    content: Callable[[Path], object] | bytes | None
    said: str
    name: str = "visits.csv"
    run: Callable[[], object] = ingested


FILES = {
    "a UTF-8 byte order mark": File(b"\xef\xbb\xbf" + CSV, KEPT),
    "CRLF line ends": File(CSV.replace(b"\n", b"\r\n"), KEPT),
    "no line end after the last row": File(CSV[:-1], KEPT),
    "columns in another order": File(b"place,visit,at\nHome,1,2019-01-01\nAway,2,2019-01-02\n", KEPT),
    "gzip": File(gzip.compress(CSV), KEPT),
    "a zip of one file": File(zipped(visits=CSV), KEPT),
    "the same beside a folder and what macOS leaves": File(
        zipped(**{"a/": b"", "a/v.csv": CSV, "__MACOSX/a/._v.csv": b"\0\5\x16\7"}), KEPT
    ),
    "a Parquet file named .csv": File(in_parquet(), KEPT),
    "a CSV file named .parquet": File(CSV, KEPT, name="visits.parquet"),
    "a last line cut within its last field": File(CSV[:-3], "2, 2019-01-02, Aw"),
    "a last line cut before that": File(CSV[:-8], "line 3 in quarantine: 2 fields instead of 3"),
    "a last line cut within quotes": File(CSV + b'3,2019-01-03,"Ho', "line 4 in quarantine: field 3 opens a quote"),
    "every row with a field too many": File(
        b"visit,at,place\n1,2019-01-01,Home,\n2,2019-01-02,Away,\n", "none of its 2 rows can be parsed"
    ),
    "a header only": File(CSV[:15], "has a header and no rows"),
    "an empty file": File(b"", "is empty"),
    "a byte order mark only": File(b"\xef\xbb\xbf", "is empty"),
    "a renamed column": File(CSV.replace(b"place", b"Place"), "has 'Place' where 'place' is declared"),
    "a missing column": File(b"visit,at\n1,2019-01-01\n", "lacks 'place'"),
    "an added column": File(b"visit,at,place,mood\n1,2019-01-01,Home,good\n", "has 'mood', which is not declared"),
    "a column twice": File(b"visit,at,place,at\n1,2019-01-01,Home,2019-01-01\n", "has 'at' more than once"),
    "no header": File(CSV[15:], "has none of the declared columns"),
    "semicolons": File(CSV.replace(b",", b";"), "is separated by semicolons"),
    "tabs": File(CSV.replace(b",", b"\t"), "is separated by tabs"),
    "UTF-16 with a byte order mark": File(CSV.decode().encode("utf-16"), "is UTF-16"),
    "UTF-16 without one": File(CSV.decode().encode("utf-16-le"), "is UTF-16"),
    "UTF-16 without one, big-endian": File(CSV.decode().encode("utf-16-be"), "is UTF-16"),
    "a header in Latin-1": File(b"visit,at,plac\xe9\n1,2019-01-01,Home\n", "not UTF-8 (byte 0xe9)"),
    "an HTML error page": File(b'<!DOCTYPE html>\n<html lang="en"><body>404, not found</body></html>\n', "is an HTML page"),
    "an XML error body": File(b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n', "is XML"),
    "a JSON error body": File(b'{"error": "not found"}\n', "is JSON"),
    "a picture": File(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither CSV in UTF-8 nor Parquet"),
    "a line without an end": File(lambda path: path.write_bytes(CSV + b"x" * (65 << 20)), "line 4 is longer than 64 MiB"),
    "a gzip that is cut short": File(gzip.compress(CSV)[:-12], "the gzip file is damaged or cut short"),
    "a gzip with a changed byte": File(
        gzip.compress(CSV)[:-5] + b"\xff" + gzip.compress(CSV)[-4:], "the gzip file is damaged or cut short"
    ),
    "a gzip bomb": File(lambda path: path.write_bytes(gzip.compress(CSV + ROW * 700, 1)), "grows more than 100-fold"),
    "a gzip bomb of one line": File(lambda path: path.write_bytes(gzip.compress(b"0" * (66 << 20), 1)), "grows more than 100-fold"),
    "a gzip of a gzip": File(gzip.compress(gzip.compress(CSV)), "holds another archive"),
    "a gzip of a Parquet file": File(gzip.compress(in_parquet()), "holds a Parquet file"),
    "a zip of two files": File(zipped(visits=CSV, more=CSV), "holds 2 files ('visits', 'more')"),
    "a zip of none": File(zipped(), "holds no file"),
    "an encrypted zip": File(encrypted(zipped(visits=CSV)), "is encrypted"),
    "a zip bomb": File(lambda path: path.write_bytes(zipped(visits=CSV + ROW * 700)), "grows more than 100-fold"),
    "a zip of a zip": File(zipped(visits=zipped(visits=CSV)), "holds another archive"),
    "a zip of another method": File(zipped(zipfile.ZIP_LZMA, visits=CSV), "packed by another method"),
    "a zip that is cut short": File(zipped(visits=CSV)[:-30], "the zip file is damaged or cut short"),
    "a Parquet file that is cut short": File(in_parquet()[:-30], "the Parquet file is damaged"),
    "a Parquet file with a nested column": File(in_parquet(place=[["Home"], ["Away"]]), "column 'place' is of type list"),
    "a folder": File(Path.mkdir, "is a folder"),
    "no file": File(None, "does not exist"),
    "a pipe": File(os.mkfifo, "is no ordinary file"),
    "a file without read permission": File(without_permission, "cannot be read (Permission denied)", run=fetched_unprivileged),
}


def outcome(file: File, folder: Path) -> str:
    """What a person sees of the file, ingested as a source in a folder of its own."""
    folder.mkdir()
    with within(folder):
        declare({"visits": SMALL})
        Path("params.yaml").write_text(PARAMS % file.name)
        if isinstance(file.content, bytes):
            Path(file.name).write_bytes(file.content)
        elif file.content:
            file.content(Path(file.name))
        try:
            file.run()
        except KnownatError as error:
            assert not list(Path("data").rglob("*.parquet")), "a failure leaves nothing half-written"
            return str(error)
        rows = [tuple(row.values())[1:] for row in pq.read_table(paths.RAW / "visits.parquet").to_pylist()]
        lost = pq.read_table(paths.REJECTED / "visits.parquet").to_pylist()
        found = [KEPT] if rows == TABLE else ["kept: " + "; ".join(", ".join(row) for row in rows)]
        return "; ".join(found + [f"line {row['line']} in quarantine: {row['reason']}" for row in lost])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What comes of each file."""
    folder = tmp_path_factory.mktemp("files")
    return {title: outcome(file, folder / str(number)) for number, (title, file) in enumerate(FILES.items())}


@pytest.mark.parametrize("title", FILES)
def test_a_file_is_the_table_or_one_sentence(title: str, files: dict[str, str]) -> None:
    """A hostile file gives the right rows, or one sentence that names it, what it is and what to do."""
    assert FILES[title].said in files[title]
    assert "\n" not in files[title]
    assert files[title].startswith((KEPT, "kept: ", FILES[title].name))


# --- rows: one file, one Spark session

ZONE = "Europe/Oslo"
NAMED = {
    "visit": Column(dtype="string", required=True), "at": Column(dtype="timestamp", required=True), "day": Column(dtype="date"),
    "seen_at": Column(dtype="timestamp"), "count": Column(dtype="int64"), "price": Column(dtype="float64", min=0),
    "paid": Column(dtype="bool"), "name": Column(dtype="string"),
}  # fmt: skip
VISITS = Table(key=["visit"], known_at="at", timezone=ZONE, columns=NAMED)


@dataclass(frozen=True)
class Rows:
    """Some lines of the file (`given` instead of a valid value of `column`, or whole lines as bytes) and what must become of each."""

    column: str
    given: list[str] | list[bytes]
    said: str


def one(column: str, text: str, said: str) -> Rows:
    return Rows(column, [text], said)


Q = "quarantine: "
ROWS = {
    "a quoted newline": one("name", "two\nlines", "kept as 'two\\nlines'"),
    "quotes and commas": one("name", 'N,0"', "kept as 'N,0\"'"),
    "letters of any script": one("name", "Größe 東京 🎈", "kept as 'Größe 東京 🎈'"),
    "spaces around a text": one("name", " x ", "kept as ' x '"),
    "control characters": one("name", "a\x01b; c", "kept as 'a\\x01b; c'"),
    "an empty text": one("name", "", "kept as null"),
    "the text NULL": one("name", "NULL", "kept as 'NULL'"),
    "a text of a megabyte": one("name", "x" * 1_000_000, "kept as a text of 1,000,000 characters"),
    "a field of 10 MB": one("name", "x" * 10_000_000, Q + "longer than 1048576 bytes"),
    "a NUL byte": one("name", "a\0b", Q + "a NUL byte"),
    "a byte that is no UTF-8": Rows("", [b"u1,2019-01-01,,,,,,caf\xe9"], Q + "not UTF-8 (byte 0xe9)"),
    "too few fields": Rows("", [b"f1,2019-01-01,,,,,"], Q + "7 fields instead of 8"),
    "too many fields": Rows("", [b"f2,2019-01-01,,,,,,x,y"], Q + "9 fields instead of 8"),
    "a quote in mid-field": Rows("", [b'f3,2019-01-01,,,,,,5" nail'], Q + "a quote where field 8 has no place for it"),
    "a key with zeros before it": Rows("visit", ["007", "7"], "kept as '007', kept as '7'"),
    "a key with a space before it": one("visit", " 8", Q + "visit: spaces or invisible characters around it"),
    "a key with a no-break space behind it": one("visit", "8\u00a0", Q + "visit: spaces or invisible characters around it"),
    "a key with a newline behind it": one("visit", "8\n", Q + "visit: spaces or invisible characters around it"),
    "a key with a byte order mark before it": one("visit", "\ufeff8", Q + "visit: spaces or invisible characters around it"),
    "no key": one("visit", "", Q + "visit: missing"),
    "a row twice": Rows("", [b"d1,2019-01-01,,,5,,,x", b"d1,2019-01-01,,,5,,,x"], "kept, counted as a duplicate"),
    "two rows under one key": Rows("", [b"d2,2019-01-01,,,5,,,x", b"d2,2019-01-01,,,6,,,x"], Q + "visit: differs from another row, quarantine: visit: differs from another row"),
    "zeros before a number": one("count", "007", "kept as 7"),
    "spaces around a number": one("count", " 12 ", "kept as 12"),
    "a newline behind a number": one("count", "12\n", Q + "count: not a int64"),
    "a no-break space behind a number": one("count", "12\u00a0", Q + "count: not a int64"),
    "full-width digits": one("count", "１２", Q + "count: not a int64"),
    "a fraction for an integer": one("count", "12.0", Q + "count: not a int64"),
    "hexadecimal": one("count", "0x1f", Q + "count: not a int64"),
    "underscores": one("count", "1_000", Q + "count: not a int64"),
    "the largest integer of 64 bits": one("count", "9223372036854775807", "kept as 9223372036854775807"),
    "one more": one("count", "9223372036854775808", Q + "count: not a int64"),
    "minus zero": one("count", "-0", "kept as 0"),
    "a text for a number": one("count", "many", Q + "count: not a int64"),
    "thousands separators": one("price", "1,000.00", Q + "price: not a float64"),
    "a decimal comma": one("price", "1,5", Q + "price: not a float64"),
    "a currency sign": one("price", "$5", Q + "price: not a float64"),
    "a number too large for a double": one("price", "1e999", Q + "price: not a float64"),
    "a number too small for a double": one("price", "1e-999", Q + "price: not a float64"),
    "NaN": one("price", "NaN", Q + "price: not a float64"),
    "Infinity": one("price", "Infinity", Q + "price: not a float64"),
    "minus zero as a fraction": one("price", "-0", "kept as -0.0"),
    "a number with Java's suffix": one("price", "1d", Q + "price: not a float64"),
    "an exponent": one("price", "1.5E3", "kept as 1500.0"),
    "a number below its bound": one("price", "-1", Q + "price: below 0"),
    "TRUE": one("paid", "TRUE", Q + "paid: not a bool"),
    "1 for true": one("paid", "1", Q + "paid: not a bool"),
    "dd-mm-yy": one("day", "31-12-17", Q + "day: not a date"),
    "mm/dd/yyyy": one("day", "12/31/2017", Q + "day: not a date"),
    "30 February": one("day", "2015-02-30", Q + "day: not a date"),
    "29 February of no leap year": one("day", "1900-02-29", Q + "day: not a date"),
    "year 0": one("day", "0000-01-01", Q + "day: not a date"),
    "year 1": one("day", "0001-01-01", "kept as 0001-01-01"),
    "a day before 1582": one("day", "1500-03-01", "kept as 1500-03-01"),
    "year 9999": one("day", "9999-12-31", "kept as 9999-12-31"),
    "a time for a day": one("day", "2015-03-01T10:00:00", Q + "day: not a date"),
    "a time in UTC": one("seen_at", "2015-03-01T10:00:00Z", "kept as 2015-03-01 10:00:00"),
    "a time with a zone": one("seen_at", "2015-03-01T10:00:00+05:30", "kept as 2015-03-01 04:30:00"),
    "the same without seconds": one("seen_at", "2015-03-01T10:00+05:30", "kept as 2015-03-01 04:30:00"),
    "a time with a zone's name": one("seen_at", "2015-03-01 10:00:00 PST", Q + "seen_at: not a timestamp"),
    f"a time without a zone (the table's is {ZONE})": one("seen_at", "2015-03-01 10:00", "kept as 2015-03-01 09:00:00"),
    "an hour that came twice, when clocks were set back": one("seen_at", "2015-10-25 02:30", Q + f"seen_at: not a timestamp, or one that {ZONE} had twice or never"),
    "the same with its zone": one("seen_at", "2015-10-25 02:30+02:00", "kept as 2015-10-25 00:30:00"),
    "an hour that never came, when clocks were set forward": one("seen_at", "2015-03-29 02:30", Q + f"seen_at: not a timestamp, or one that {ZONE} had twice or never"),
    "24:00": one("seen_at", "2015-03-01 24:00", Q + "seen_at: not a timestamp"),
    "a leap second": one("seen_at", "2015-06-30T23:59:60Z", Q + "seen_at: not a timestamp"),
    "nanoseconds": one("seen_at", "2015-03-01T10:00:00.123456789Z", Q + "seen_at: not a timestamp"),
    "year 1 that is year 0 in UTC": one("seen_at", "0001-01-01T00:00:00+14:00", Q + "seen_at: not a timestamp"),
    "the last second of year 9999": one("seen_at", "9999-12-31T23:59:59Z", "kept as 9999-12-31 23:59:59"),
    "year 9999 that is year 10000 in UTC": one("seen_at", "9999-12-31T23:59:59-12:00", Q + "seen_at: not a timestamp"),
    "a row known after the data was observed": one("at", "2031-01-01T00:00:00Z", Q + "at: after observed_at"),
    "two things wrong": Rows("", [b"w1,2019-01-01,tomorrow,,many,,,x"], Q + "day: not a date; count: not a int64"),
}  # fmt: skip


def line_of(number: int, column: str, given: str | bytes) -> bytes:
    """A record: the given bytes, or a valid row with one other text."""
    if isinstance(given, bytes):
        return given
    row = {"visit": f"v{number}", "at": "2019-01-01T00:00:00Z"} | {column: given}
    texts = [row.get(name, "") for name in NAMED]
    return ",".join('"' + text.replace('"', '""') + '"' if set(text) & set('",\n') else text for text in texts).encode()


@dataclass(frozen=True)
class Judged:
    """What a run made of the hostile rows: by title, each line's fate; and the files it left."""

    fates: dict[str, str]
    quarantine: list[dict[str, Any]]
    lines: list[bytes]
    account: dict[str, Any]
    retyped: str


@pytest.fixture(scope="module")
def judged(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """All hostile rows through ingest and preprocess at once, and a second table whose numbers are all texts."""
    lines = {
        title: [line_of(10 * n + i, r.column, text) for i, text in enumerate(r.given)] for n, (title, r) in enumerate(ROWS.items())
    }
    with within(tmp_path_factory.mktemp("rows")):
        declaration = declare({"visits": VISITS, "readings": READINGS})
        Path("params.yaml").write_text(PARAMS % "visits.csv")
        written = [",".join(NAMED).encode(), *[line for some in lines.values() for line in some]]
        Path("visits.csv").write_bytes(b"\n".join(written) + b"\n")
        Path("readings.csv").write_text("reading,at,value\n" + "".join(f"{n},2019-01-01,{n} mm\n" for n in range(20)))
        for table in declaration.tables:
            ingest.main(table)
        frames = {name: judge_table(spark, declaration, name, Params.load()) for name in declaration.tables}
        held = {name: write_quarantine(frame, declaration, name, paths.QUARANTINE / name) for name, frame in frames.items()}
        account = account_of(frames["visits"], parquet.row_count(paths.REJECTED / "visits.parquet"))
        balance("visits", rows_read("visits"), account, frames["visits"].where("verdict = 'kept'").count(), held["visits"])
        with pytest.raises(KnownatError) as retyped:
            limit_quarantine("readings", held["readings"], rows_read("readings"), 0.05)
        quarantine = parquet.read(paths.QUARANTINE / "visits").to_pylist()
        return Judged(fates(lines, frames["visits"], quarantine), quarantine, written, account, str(retyped.value))


def fates(lines: Mapping[str, list[bytes]], frame: DataFrame, quarantine: list[dict[str, Any]]) -> dict[str, str]:
    texts = frame.selectExpr("line", "verdict", *[f"CAST(`{name}` AS STRING) AS `{name}`" for name in NAMED])
    rows = {row["line"]: row.asDict() for row in texts.collect()}
    reasons = {row["line"]: row["reasons"] for row in quarantine}
    assert not {line for line, row in rows.items() if row["verdict"] == "kept"} & set(reasons)
    found, line = {}, 2
    for title, some in lines.items():
        each = []
        for text in some:
            each.append(Q + reasons[line] if line in reasons else kept(rows[line], ROWS[title].column))
            line += 1 + text.count(b"\n")
        found[title] = ", ".join(each)
    return found


def kept(row: Mapping[str, str | None], column: str) -> str:
    if row["verdict"] != "kept":
        return f"counted as a {row['verdict']}"
    if not column:
        return "kept"
    value = row[column]
    if value is None or NAMED[column].dtype != "string":
        return f"kept as {value or 'null'}"
    return f"kept as {value!r}" if len(value) < 100 else f"kept as a text of {len(value):,} characters"


@pytest.mark.parametrize("title", ROWS)
def test_a_row_is_kept_as_it_is_or_in_quarantine_with_its_reason(title: str, judged: Judged) -> None:
    """A hostile value is exactly the value that stands there, or the row is in quarantine and says why."""
    assert judged.fates[title].startswith(ROWS[title].said)


def test_quarantine_holds_all_of_the_original_text(judged: Judged) -> None:
    """By line: what could be split has its columns' texts, anything else its whole record, and both their reasons."""
    lines = [row["line"] for row in judged.quarantine]
    assert lines == sorted(set(lines))
    starts = [1 + sum(1 + text.count(b"\n") for text in judged.lines[:n]) for n in range(len(judged.lines))]
    records = dict(zip(starts, judged.lines, strict=True))
    for row in judged.quarantine:
        assert row["reasons"]
        texts = [row[name] for name in NAMED]
        if row[RECORD] is None:
            assert line_of(0, "", b",".join(texts_of(texts))) == records[row["line"]]
        else:
            assert row[RECORD] == records[row["line"]].decode("utf-8", "backslashreplace")
            assert texts == [None] * len(NAMED)


def texts_of(texts: list[str | None]) -> list[bytes]:
    return [('"' + t.replace('"', '""') + '"' if set(t) & set('",\n') else t).encode() for t in (text or "" for text in texts)]


def test_every_hostile_row_is_accounted_for_once(judged: Judged) -> None:
    """Rejected, quarantined, duplicate and kept rows add up to the rows of the file."""
    parts = [sum(part.values()) if isinstance(part, dict) else part for part in judged.account.values()]
    assert sum(parts) == len(judged.lines) - 1
    assert judged.account["rejected"] + sum(judged.account["quarantined"].values()) == len(judged.quarantine)


def test_a_column_of_another_type_is_one_sentence(judged: Judged) -> None:
    """Texts where numbers are declared, in all rows, are all in quarantine, and the sentence names the column."""
    assert judged.retyped.startswith("table readings: 20 of 20 rows (100.00%) are in quarantine")
    assert "the most frequent reason, 'value: not a float64', has 20; look at data/quarantine/readings" in judged.retyped


# --- the page

INTRO = """# Hostile input

What becomes of a file or a row that is not as it should be: the right table, quarantine, or one sentence on standard error and
exit code 1. Never another value, a row that is silently gone, or a stack of frames. In quarantine (`data/quarantine/<table>`)
each row has its line, its reasons and all of its text; above `preprocess.quarantine_max_share` of them the pipeline stops.

This page is written by the tests, which fail when it no longer says what happens:
`KNOWNAT_WRITE_DOCS=1 pytest tests/unit/test_hostile_input.py`
"""
FILE_NOTES = """
A last line that is cut within its last field looks like a shorter value, to anybody: pin `sources.<table>.sha256` where that matters.
An archive may grow to 64 MiB, beyond that 100-fold: tables shrink 3- to 20-fold, and only what is made to fill a disk more.
"""
ROW_NOTES = """
A local time that came twice, or never, names no one moment: write it with its zone. A key keeps its zeros; with a space around it,
it would not be found under its name. An empty text is no value.
"""


def page(files: Mapping[str, str], judged: Judged) -> str:
    sections = [INTRO, "## Files\n\n| the file | what you see |\n|---|---|\n"]
    sections += [f"| {title} | {cell(said)} |\n" for title, said in files.items()]
    sections += [FILE_NOTES, "\n## Rows\n\n| the row | in the file | what becomes of it |\n|---|---|---|\n"]
    sections += [f"| {title} | {shown(ROWS[title])} | {cell(fate)} |\n" for title, fate in judged.fates.items()]
    sections += [f"| a number column that holds texts, in all rows | `value` = `'0 mm'`, … | {cell(judged.retyped)} |\n", ROW_NOTES]
    return "".join(sections)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def shown(rows: Rows) -> str:
    texts = [f"`{text!r}`" if len(text) < 60 else f"{len(text):,} characters" for text in rows.given if isinstance(text, str)]
    if not texts:
        return ", ".join(f"`{str(text)[2:-1]}`" for text in rows.given)
    return f"`{rows.column}` = {', '.join(texts)}"


def test_the_page_says_what_happens(files: dict[str, str], judged: Judged) -> None:
    """docs/hostile_input.md is what these tests just saw."""
    seen = page(files, judged)
    if os.environ.get("KNOWNAT_WRITE_DOCS"):
        PAGE.write_text(seen, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == seen, "write it anew: KNOWNAT_WRITE_DOCS=1 pytest tests/unit/test_hostile_input.py"
