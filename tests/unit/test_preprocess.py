"""The preprocess stage: every row is accounted for, and what is in quarantine can be looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knownat import parquet, paths
from knownat.declaration import Column, Declaration, Event, Feature, Label, Table, View
from knownat.errors import KnownatError
from knownat.files import write_json
from knownat.gates import data_of, hashes
from knownat.parquet import content_hash
from knownat.quarantine import RECORD
from knownat.stages import ingest, preprocess

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARAMS = """
sources: {visits: {uri: visits.csv, observed_at: 2020-01-01}}
service: any
split: {validation_from: 2018-01-01, test_from: 2019-01-01}
preprocess: {partitions: 1, quarantine_max_share: 0.2}
train: {batch_size: 1, learning_rate: 1, epochs: 1, layers: [], embedding: 1, dropout: 0, l2: 0, patience: 1, seed: 1}
"""
ACCOUNT = {"rejected": 1, "quarantined": {"a: missing": 2, "b: missing": 1}, "duplicates": 1, "filtered": {"x": 3}, "kept": 2}


def declaration(**more: Any) -> Declaration:
    columns = {"visit": Column(dtype="string"), "at": Column(dtype="timestamp"), "count": Column(dtype="int64", min=0)}
    table = Table(key=["visit"], known_at="at", columns=columns)
    event, label = Event(table="visits", entity="visit"), Label(name="many", expr="count > 5")
    return Declaration(tables={"visits": table}, event=event, label=label, **more)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one table and no view."""
    monkeypatch.chdir(tmp_path)
    declared = declaration()
    for stage in ("ingest", "preprocess"):
        paths.COMPILED.mkdir(exist_ok=True)
        paths.compiled(stage).write_text(declared.model_dump_json(by_alias=True))
    Path("params.yaml").write_text(PARAMS)
    return tmp_path


def preprocessed(*lines: str) -> Any:
    """Both stages on a file of these lines, past a gate that lets anything through."""
    Path("visits.csv").write_text("visit,at,count\n" + "".join(f"{line}\n" for line in lines))
    ingest.main("visits")
    write_json(paths.verdict("raw"), {"gate": "raw", "data": hashes(data_of("raw", ["visits"]))})
    return preprocess.main()


GOOD = [f"v{n},2019-01-01,{n}" for n in range(8)]


@pytest.mark.usefixtures("spark")
def test_too_much_in_quarantine_ends_in_a_sentence_and_can_be_looked_at(project: Path) -> None:
    """Above the limit the tables and the account stay as they were, and data/quarantine holds the rows of the failing run."""
    assert preprocessed(*GOOD, "w1,2019-01-01,x", "w2")["visits"] == 8
    before = {path: content_hash(project / path) for path in (paths.TABLES, paths.VIEWS, paths.ROWS)}
    with pytest.raises(KnownatError) as error:
        preprocessed(*GOOD, "w1,2019-01-01,x", "w2", "w3,2019-01-01,-1", "w4,,-2")
    assert str(error.value) == (
        "table visits: 4 of 12 rows (33.33%) are in quarantine, and preprocess.quarantine_max_share allows 20.00%; the most frequent "
        "reason, 'count: below 0', has 2; look at data/quarantine/visits, then mend the source or the declaration, or raise the limit "
        "in params.yaml."
    )
    assert {path: content_hash(project / path) for path in before} == before
    nothing: dict[str, Any] = dict.fromkeys(("reasons", RECORD, "visit", "at", "count"))
    assert parquet.read(paths.QUARANTINE / "visits").to_pylist() == [
        {**nothing, "line": 10, "reasons": "count: not a int64", "visit": "w1", "at": "2019-01-01", "count": "x"},
        {**nothing, "line": 11, "reasons": "1 fields instead of 3", RECORD: "w2"},
        {**nothing, "line": 12, "reasons": "count: below 0", "visit": "w3", "at": "2019-01-01", "count": "-1"},
        {**nothing, "line": 13, "reasons": "count: below 0; at: missing", "visit": "w4", "count": "-2"},
    ]
    assert {path.name for path in (project / "data").iterdir()} == {"raw", "rejected", "verdicts", "tables", "views", "quarantine"}


def test_an_account_that_comes_out_is_accepted() -> None:
    """Read = kept + filtered + duplicates + quarantined + rejected, and quarantine holds the last two."""
    preprocess.balance("visits", 10, ACCOUNT, written=2, held=4)


@pytest.mark.parametrize(("read", "written", "held"), [(11, 2, 4), (9, 2, 4), (10, 3, 4), (10, 2, 3), (10, 2, 5)])
def test_an_account_that_does_not_come_out_is_refused(read: int, written: int, held: int) -> None:
    """A row more or less than was read, written or put into quarantine ends the stage."""
    with pytest.raises(
        KnownatError, match=rf"table visits: {read} rows were read but .* \({written} written, {held} in quarantine\)"
    ):
        preprocess.balance("visits", read, ACCOUNT, written, held)


def test_what_is_no_number_in_a_query_is_no_value(spark: SparkSession) -> None:
    """NaN would compare otherwise in each engine, so that a gate could not tell; an infinity stays, for the bounds to refuse."""
    view = View(entity="visit", features={"ratio": Feature(dtype="float64")}, sql="SELECT * FROM measured")
    declared = declaration(entities={"visit": "visit"}, views={"odd": view})
    rows = "('a', double('NaN')), ('b', double('Infinity')), ('c', 0.5D)"
    query = f"SELECT v AS visit_id, timestamp'2019-01-01' AS known_at, r AS ratio FROM VALUES {rows} AS t(v, r)"
    spark.sql(query).createOrReplaceTempView("measured")
    found = preprocess.view_frame(spark, declared, declared.feature_views["odd"], datetime(2020, 1, 1, tzinfo=UTC))
    assert {row.visit_id: row.ratio for row in found.collect()} == {"a": None, "b": float("inf"), "c": 0.5}
