"""The ingest stage: any source to text, exactly, or one sentence and the previous outputs."""

import csv
import gzip
import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import paths
from knownat.declaration import Column, Declaration, Event, Table
from knownat.errors import KnownatError
from knownat.parquet import GROUP_ROWS
from knownat.stages.ingest import main

PARAMS = """
sources: {visits: {uri: %s, observed_at: 2020-01-01}}
service: any
split: {validation_from: 2018-01-01, test_from: 2019-01-01}
train: {batch_size: 1, learning_rate: 1, epochs: 1, layers: [], embedding: 1, dropout: 0, l2: 0, patience: 1, seed: 1}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one declared table of three raw columns and a computed one."""
    monkeypatch.chdir(tmp_path)
    columns = {
        "visit": Column(dtype="string", source="Visit No"),
        "day": Column(dtype="string", expr="visit"),
        "at": Column(dtype="timestamp"),
        "place": Column(dtype="string"),
    }
    declare({"visits": Table(key=["visit"], known_at="at", columns=columns)})
    Path("params.yaml").write_text(PARAMS % "visits.csv")
    return tmp_path


def declare(tables: dict[str, Table]) -> None:
    declaration = Declaration(tables=tables, event=Event(table="visits", entity="visit"))
    paths.COMPILED.mkdir(exist_ok=True)
    paths.compiled("ingest").write_text(declaration.model_dump_json(by_alias=True))


def ingest(content: bytes) -> Any:
    Path("visits.csv").write_bytes(content)
    return main("visits")


def raw() -> list[dict[str, Any]]:
    return pq.read_table(paths.RAW / "visits.parquet").to_pylist()


def rejected() -> list[dict[str, Any]]:
    return pq.read_table(paths.REJECTED / "visits.parquet").to_pylist()


def complaint(content: bytes) -> str:
    with pytest.raises(KnownatError) as error:
        ingest(content)
    return str(error.value)


HEADER = b"Visit No,at,place\n"


def test_columns_go_by_name_and_empty_texts_are_null() -> None:
    """Whatever the order in the file, the output has the declared names in declared order, with '' as null."""
    ingest(b'place,Visit No,at\n"",1,\nHome,2,2019-01-01\n')
    assert raw() == [
        {"line": 2, "visit": "1", "at": None, "place": None},
        {"line": 3, "visit": "2", "at": "2019-01-01", "place": "Home"},
    ]


def test_each_record_read_is_parsed_or_rejected() -> None:
    """Records that cannot be parsed stand in the rejected file with line, text and reason, and the counts add up."""
    content = HEADER + b'1,a,b\n2,a\n"3\n3",a,b,c\n4,"a,b\n\n5,a,b\n'
    counts = ingest(content)
    assert counts == {
        "table": "visits",
        "read": 5,
        "parsed": 2,
        "rejected": 3,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert [row["line"] for row in raw()] == [2, 8]
    assert rejected() == [
        {"line": 3, "text": "2,a", "reason": "2 fields instead of 3"},
        {"line": 4, "text": '"3\n3",a,b,c', "reason": "4 fields instead of 3"},
        {"line": 6, "text": '4,"a,b', "reason": "field 2 opens a quote that is not closed"},
    ]


def test_the_same_content_gives_the_same_bytes() -> None:
    """A second run, and the same rows gzipped, write the same files; groups have exactly 65,536 rows."""
    content = HEADER + b"".join(b"%d,2019-01-01,Home\n" % number for number in range(GROUP_ROWS + 10))
    outputs = set()
    for variant in (content, content, gzip.compress(content)):
        ingest(variant)
        outputs.add((paths.RAW / "visits.parquet").read_bytes() + (paths.REJECTED / "visits.parquet").read_bytes())
    assert len(outputs) == 1
    metadata = pq.read_metadata(paths.RAW / "visits.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [GROUP_ROWS, 10]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "visits.csv is empty"),
        (b"\n\n", "visits.csv is empty"),
        (HEADER, "visits.csv has a header and no rows"),
        (b"visit no,at,place\n", "has 'visit no' where 'Visit No' is declared"),
        (b"Visit No,at\n1,2\n", "lacks 'place'"),
        (b"Visit No,at,place,x\n", "has 'x', which is not declared"),
        (b"Visit No,at,place,at\n", "has 'at' more than once"),
        (b"Visit_No,AT,place\n", "has 'Visit_No' where 'Visit No' is declared, has 'AT' where 'at' is declared"),
        (b"Visit No:at:place\n1:2:3\n", "its first line has none of the declared columns ('Visit No:at:place')"),
        (b"1,2019-01-01,Home\n", "its first line has none of the declared columns"),
        (b"PK\x03\x04\0\0\0\n", "the zip file is damaged or cut short"),
        (b"a\xff,b\n", "visits.csv is neither CSV in UTF-8 nor Parquet (its first line: not UTF-8 (byte 0xff))"),
        (b"PAR1 and no more", "the Parquet file is damaged"),
        (gzip.compress(HEADER + b"1,2,3\n" * 9999)[:-40], "the gzip file is damaged or cut short"),
        (b"\x1f\x8bnot gzip", "the gzip file is damaged or cut short"),
    ],
)
def test_a_file_that_is_not_the_table_is_refused_by_name(content: bytes, sentence: str) -> None:
    """A wrong header, an empty or a damaged file is one sentence that names the file and what is wrong with it."""
    assert sentence in complaint(content)
    assert complaint(content).startswith("visits.csv")


def test_a_failure_leaves_the_previous_outputs_and_nothing_else(project: Path) -> None:
    """A file that turns out to be damaged after many rows changes no output and leaves no temporary file."""
    ingest(HEADER + b"1,a,b\n2,a\n")
    before = {path: path.read_bytes() for path in project.rglob("*.parquet")}
    whole = gzip.compress(HEADER + b"".join(b"%d,a,b\n" % number for number in range(100_000)))
    assert "damaged" in complaint(whole[: len(whole) // 2])
    assert {path: path.read_bytes() for path in (project / "data").rglob("*") if path.is_file()} == before


def test_parquet_values_become_text_that_reads_back_as_the_same_value() -> None:
    """Typed columns of a Parquet file are ISO texts, exact numbers and true/false; rows are numbered from 1."""
    third = 1 / 3
    columns = {
        "visits": (pa.array([1.0, third], pa.float64()), ["1", repr(third)]),
        "flags": (pa.array([True, None]), ["true", None]),
        "days": (pa.array([date(2019, 1, 2)] * 2), ["2019-01-02"] * 2),
        "naive": (
            pa.array([datetime(2019, 1, 2, 3, 4, 5), datetime(2019, 1, 2, 3, 4, 5, 60)], pa.timestamp("ns")),
            ["2019-01-02 03:04:05", "2019-01-02 03:04:05.000060"],
        ),
        "aware": (
            pa.array([datetime(2019, 1, 2, 3, 4, 5, tzinfo=UTC)] * 2, pa.timestamp("ms", "Europe/Berlin")),
            ["2019-01-02 03:04:05+00:00"] * 2,
        ),
        "codes": (pa.array(["", "a"]).dictionary_encode(), [None, "a"]),
    }
    for values, texts in columns.values():
        pq.write_table(pa.table({"place": values, "at": ["x", "y"], "Visit No": [1, 2]}), "visits.csv")
        main("visits")
        assert [row["place"] for row in raw()] == texts
    assert [(row["line"], row["visit"]) for row in raw()] == [(1, "1"), (2, "2")]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (pa.array([[1]]), "column 'place' is of type list<"),
        (pa.array([{"a": 1}]), "column 'place' is of type struct<"),
        (pa.array([b"x"]), "column 'place' is of type binary"),
        (pa.array([1], pa.timestamp("ns")), "column 'place' has a time that microseconds cannot hold"),
    ],
)
def test_a_parquet_column_without_an_exact_text_is_refused_by_name(values: pa.Array, sentence: str) -> None:
    """Nested and binary columns, and times finer than a microsecond, are one sentence that names the column."""
    pq.write_table(pa.table({"place": values, "at": ["x"], "Visit No": [1]}), "visits.csv")
    with pytest.raises(KnownatError, match=r"visits\.csv: ") as error:
        main("visits")
    assert sentence in str(error.value)


def test_tables_and_sources_must_match() -> None:
    """A source without a declared table, and a declared table without a source, are each refused by name."""
    with pytest.raises(KnownatError, match=r"sources\.other: there is no table 'other'"):
        main("other")
    table = Table(key=["a"], known_at="a", columns={"a": Column(dtype="timestamp")})
    declare({**Declaration.read(paths.compiled("ingest")).tables, "weather": table})
    with pytest.raises(KnownatError, match=r"'weather' has no source; add sources\.weather\.uri"):
        ingest(HEADER + b"1,a,b\n")


def test_quoted_texts_survive_the_whole_stage() -> None:
    """Quotes, commas, newlines and letters of any script reach the Parquet file unchanged."""
    texts = ['N,0"', "two\nlines", "two\r\nlines", "Größe 東京", " spaced ", '""', "'"]
    with Path("visits.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["Visit No", "at", "place"], *([str(i), "x", text] for i, text in enumerate(texts))])
    main("visits")
    assert [row["place"] for row in raw()] == texts
