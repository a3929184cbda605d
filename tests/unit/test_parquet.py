"""Equal rows give equal bytes, and a folder is written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import parquet
from knownat.errors import KnownatError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS = 140_000
# all rows in a single part, so that it has more than two row groups
MANY = f"SELECT id, CAST(id % 7 AS DOUBLE) / 3 AS ratio, concat('né-', id % 1000) AS name FROM range({ROWS})"
MIXED = """
    SELECT * FROM VALUES
    (1L, 'Zoë 東京 🎈', 0.1D, true, DATE '2009-04-21', TIMESTAMP '2016-07-01 12:00:00.123456', 12.50BD, 7),
    (2L, '', -0.0D, false, DATE '1969-12-31', TIMESTAMP '1970-01-01 00:00:00', -0.01BD, -7),
    (3L, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    AS t(id, name, ratio, is_open, day, seen_at, amount, small)
"""
OTHER_MASTER = """
import sys
from pathlib import Path
from knownat import parquet
from knownat.params import SparkSettings
from knownat.spark_session import spark_session
with spark_session(SparkSettings(master="local[1]")) as spark:
    for name, query in zip(("many", "mixed"), sys.argv[2:]):
        parquet.write_spark(spark.sql(query), Path(sys.argv[1]) / name, ["id"], 2)
"""


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def written(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two frames as local[2] writes them."""
    folder = tmp_path_factory.mktemp("written")
    assert parquet.write_spark(spark.sql(MANY), folder / "many", ["id"], 2) == ROWS
    assert parquet.write_spark(spark.sql(MIXED), folder / "mixed", ["id"], 2) == 3
    return folder


@pytest.mark.full
def test_one_core_writes_the_same_bytes_as_two(written: Path, tmp_path: Path) -> None:
    """local[1] in a process of its own gives the bytes of local[2], for all types."""
    subprocess.run([sys.executable, "-c", OTHER_MASTER, tmp_path, MANY, MIXED], check=True)
    assert bytes_of(tmp_path / "many") == bytes_of(written / "many")
    assert bytes_of(tmp_path / "mixed") == bytes_of(written / "mixed")


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_partitions_of_the_input_do_not_matter(spark: SparkSession, written: Path, tmp_path: Path, partitions: int) -> None:
    """The same rows, dealt out otherwise and backwards, give the same bytes."""
    frame = spark.sql(MANY).orderBy("id", ascending=False).repartition(partitions)
    parquet.write_spark(frame, tmp_path / "many", ["id"], 2)
    assert bytes_of(tmp_path / "many") == bytes_of(written / "many")


@pytest.mark.parametrize("batch_rows", [999, 1_000_000])
def test_the_size_of_arrow_batches_does_not_matter(spark: SparkSession, written: Path, tmp_path: Path, batch_rows: int) -> None:
    """Small and large Arrow batches give the same bytes."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    spark.conf.set(name, batch_rows)
    try:
        parquet.write_spark(spark.sql(MANY), tmp_path / "many", ["id"], 2)
    finally:
        spark.conf.set(name, before)
    assert bytes_of(tmp_path / "many") == bytes_of(written / "many")


def test_row_groups_are_of_65536_rows(spark: SparkSession, tmp_path: Path) -> None:
    """Every row group but the last is full."""
    parquet.write_spark(spark.sql(MANY), tmp_path / "many", ["id"], 1)
    footer = pq.read_metadata(tmp_path / "many" / "part-00000.parquet")
    groups = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    assert groups == [65_536, 65_536, ROWS - 2 * 65_536]


def test_all_types_come_back_with_nulls_and_non_ascii(written: Path) -> None:
    """Each Spark type is read back as its plain Arrow type, value for value."""
    table = parquet.read(written / "mixed").sort_by("id")
    kinds = [pa.int64(), pa.string(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us", tz="UTC")]
    assert table.schema.types == [*kinds, pa.decimal128(4, 2), pa.int32()]
    first = datetime(2016, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert [list(row.values()) for row in table.to_pylist()] == [
        [1, "Zoë 東京 🎈", 0.1, True, date(2009, 4, 21), first, Decimal("12.50"), 7],
        [2, "", -0.0, False, date(1969, 12, 31), datetime(1970, 1, 1, tzinfo=UTC), Decimal("-0.01"), -7],
        [3, None, None, None, None, None, None, None],
    ]


@pytest.mark.parametrize("where", ["false", "id = 2"])
def test_empty_partitions_are_files_with_a_schema(spark: SparkSession, tmp_path: Path, where: str) -> None:
    """All parts exist, be they empty, and an empty frame is a readable data set."""
    frame = spark.sql(MIXED).where(where)
    rows = parquet.write_spark(frame, tmp_path / "few", ["id"], 3)
    assert sorted(bytes_of(tmp_path / "few")) == [f"part-0000{i}.parquet" for i in range(3)]
    assert parquet.read(tmp_path / "few").num_rows == rows == frame.count()
    assert {parquet.schema(file) for file in (tmp_path / "few").iterdir()} == {parquet.arrow_schema(frame.schema)}


def failing(frame: DataFrame) -> DataFrame:
    def fail(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            raise RuntimeError("the disk is on fire")

    return frame.mapInArrow(fail, frame.schema)


def test_a_failing_task_leaves_the_old_folder_as_it_was(spark: SparkSession, tmp_path: Path) -> None:
    """Nothing is half-written: the old files stay and no temporary one does."""
    parquet.write_spark(spark.sql(MIXED), tmp_path / "data", ["id"], 2)
    before = bytes_of(tmp_path / "data")
    with pytest.raises(Exception, match="the disk is on fire"):
        parquet.write_spark(failing(spark.sql(MANY)), tmp_path / "data", ["id"], 2)
    assert bytes_of(tmp_path / "data") == before
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_failure_after_the_old_folder_moved_puts_it_back(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the new folder cannot take the old one's place, the old one returns."""
    parquet.write_spark(spark.sql(MIXED), tmp_path / "data", ["id"], 2)
    before, rename = bytes_of(tmp_path / "data"), Path.rename

    def full(source: Path, target: Path) -> Path:
        if target == tmp_path / "data" and not source.name.endswith(".old"):
            raise OSError("no space left")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space left"):
        parquet.write_spark(spark.sql(MIXED), tmp_path / "data", ["id"], 3)
    assert bytes_of(tmp_path / "data") == before
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_new_folder_replaces_the_old_one_whole(spark: SparkSession, tmp_path: Path) -> None:
    """No part of the old folder survives."""
    parquet.write_spark(spark.sql(MIXED), tmp_path / "data", ["id"], 3)
    parquet.write_spark(spark.sql(MIXED), tmp_path / "data", ["id"], 1)
    assert list(bytes_of(tmp_path / "data")) == ["part-00000.parquet"]


def test_a_repeated_key_is_refused_by_name(spark: SparkSession, tmp_path: Path) -> None:
    """Rows whose order the key does not settle are not written, and the sentence says which."""
    frame = spark.sql(MIXED).unionAll(spark.sql(MIXED).where("id = 2"))
    with pytest.raises(KnownatError, match=r"id must be unique, and id = 2 occurs"):
        parquet.write_spark(frame, tmp_path / "data", ["id"], 2)
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_is_not_plain_is_refused_by_name(spark: SparkSession, tmp_path: Path) -> None:
    """A column without a Parquet type of ours is named."""
    with pytest.raises(KnownatError, match="'tags' is of Spark type array<int>"):
        parquet.write_spark(spark.sql("SELECT 1L AS id, array(1) AS tags"), tmp_path / "data", ["id"], 1)


def test_chunks_dictionaries_and_metadata_leave_no_trace(tmp_path: Path) -> None:
    """Tables that differ only in how they are held give the same bytes, and so they do on the second time."""
    names = [f"n{i % 300}" for i in range(70_000)]
    times = pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * len(names), pa.timestamp("us", tz="UTC"))
    plain = pa.table({"name": names, "seen_at": times})
    held = pa.table(
        {
            "name": pa.array(names).dictionary_encode(),
            "seen_at": times.cast(pa.timestamp("ns", tz="Europe/Paris")),
        }
    ).replace_schema_metadata({"pandas": "{}"})
    chunked = pa.concat_tables([plain.slice(i, 777) for i in range(0, plain.num_rows, 777)])
    again = pa.Table.from_pandas(plain.to_pandas())
    for number, table in enumerate([plain, plain, held, chunked, again]):
        parquet.write_table(table, tmp_path / f"{number}.parquet")
    assert len(set(bytes_of(tmp_path).values())) == 1
    assert parquet.schema(tmp_path / "0.parquet").metadata is None


def test_a_failing_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A table that cannot be written leaves the old file, and no temporary one."""
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"a": [1]}), path)
    before = path.read_bytes()
    with pytest.raises(pa.ArrowException, match="lose data"):
        parquet.write_table(pa.table({"a": pa.array([1], pa.timestamp("ns"))}), path)
    assert bytes_of(tmp_path) == {"x.parquet": before}


def test_a_folder_is_read_in_the_order_of_its_parts(tmp_path: Path) -> None:
    """Rows come part by part, and columns, filters, counts and schema are those of the whole."""
    for part in (10, 2, 0):
        parquet.write_table(pa.table({"a": [part, part + 1], "b": ["x", "y"]}), tmp_path / parquet.part_name(part))
    assert parquet.read(tmp_path)["a"].to_pylist() == [0, 1, 2, 3, 10, 11]
    assert parquet.read(tmp_path, columns=["b"], filters=[("a", ">", 9)]).to_pydict() == {"b": ["x", "y"]}
    assert parquet.row_count(tmp_path) == 6
    assert parquet.schema(tmp_path) == pa.schema({"a": pa.int64(), "b": pa.string()})


def test_a_folder_without_parquet_is_named(tmp_path: Path) -> None:
    """Reading nothing is an error, not an empty table."""
    with pytest.raises(KnownatError, match="There is no Parquet at"):
        parquet.read(tmp_path / "absent")


def test_the_content_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    """The hash changes with a byte or a name, and with nothing else."""
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "one").write_bytes(b"1")
    (folder / "two").write_bytes(b"2")
    first = parquet.content_hash(folder)
    assert parquet.content_hash(folder.rename(tmp_path / "b")) == first
    (tmp_path / "b" / "two").rename(tmp_path / "b" / "three")
    renamed = parquet.content_hash(tmp_path / "b")
    (tmp_path / "b" / "three").write_bytes(b"3")
    assert len({first, renamed, parquet.content_hash(tmp_path / "b")}) == 3
    assert parquet.content_hash(tmp_path / "b" / "one") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
