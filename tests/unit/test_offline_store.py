"""Both offline stores keep every row, in order and of its type, never see the future, and refuse what is a guess."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Bool, Float32, Float64, Int64, String
from feast.value_type import ValueType
from pyspark.sql import SparkSession

from knownat import parquet
from knownat.errors import KnownatError
from tests.retrieval import NOON, repository, retrieved, view, write

HOUR = timedelta(hours=1)
MICRO = timedelta(microseconds=1)


@pytest.fixture(params=["duckdb", "spark"])
def store(request: pytest.FixtureRequest, tmp_path: Path, spark: SparkSession) -> FeatureStore:  # noqa: ARG001
    """A repository with each of our stores in turn."""
    return repository(tmp_path, request.param)


def spine(*rows: tuple[str | None, datetime | None], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"shop_id": [r[0] for r in rows], "event_timestamp": [r[1] for r in rows], **columns})


def days(store: FeatureStore, **options: Any) -> Any:
    """A view whose value is the day of January at whose noon it became known."""
    shops, moments = ["x"] * 11, [NOON.replace(day=day) for day in range(5, 16)]
    write(Path(store.config.repo_path), "days", {"shop_id": shops, "known_at": moments, "value": list(range(5, 16))})
    return view("days", **options)


def test_each_row_gets_the_latest_value_at_or_before_its_time(store: FeatureStore) -> None:
    """A value known at the very moment counts; one known a microsecond later does not."""
    asked = spine(("x", NOON), ("x", NOON - MICRO), ("x", NOON + timedelta(days=90)))
    assert retrieved(store, [days(store)], asked).to_df()["days__value"].tolist() == [10, 9, 15]


def test_every_row_comes_back_in_its_order(store: FeatureStore) -> None:
    """Copies, unknown and missing keys, and rows before all history are kept where they were."""
    asked = spine(("x", NOON), ("nobody", NOON), (None, NOON), ("x", NOON), ("x", NOON.replace(year=1999)))
    found = retrieved(store, [days(store)], asked).to_arrow()
    assert found["days__value"].to_pylist() == [10, None, None, 10, None]
    assert found["shop_id"].to_pylist() == ["x", "nobody", None, "x", "x"]
    assert retrieved(store, [days(store)], spine((None, NOON))).to_df()["days__value"].isna().all()


def test_a_value_counts_up_to_its_ttl(store: FeatureStore) -> None:
    """A ttl of two days still counts at two days, and not a microsecond later; one of a microsecond, for a microsecond."""
    last = NOON.replace(day=15)
    asked = spine(*(("x", last + after) for after in (timedelta(days=2), timedelta(days=2) + MICRO, MICRO, 2 * MICRO)))
    long = retrieved(store, [days(store, ttl=timedelta(days=2))], asked).to_arrow()
    assert long["days__value"].to_pylist() == [15, None, 15, 15]
    short = retrieved(store, [days(store, ttl=MICRO)], asked).to_arrow()
    assert short["days__value"].to_pylist() == [None, None, 15, None]


def test_columns_keep_their_types(store: FeatureStore, tmp_path: Path) -> None:
    """The entities' columns come back as they were, features as declared: whole numbers beside nulls stay whole numbers."""
    write(tmp_path, "mixed", {
        "shop_id": ["x"], "known_at": [NOON], "count": pa.array([7], pa.int32()), "share": pa.array([0.5]),
        "is_open": [True], "town": pa.array(["Oslo"], pa.large_string()),
    })  # fmt: skip
    mixed = view("mixed", {"count": Int64, "share": Float32, "is_open": Bool, "town": String})
    asked = spine(
        ("x", NOON), ("y", NOON), label=[True, False], weight=np.array([1, 2], "int8"), kind=pd.Categorical(["a", "b"]),
        day=[date(2020, 1, 1), None],
    )  # fmt: skip
    job = retrieved(store, [mixed], asked)
    pd.testing.assert_frame_equal(job.to_df()[list(asked.columns)], asked)
    assert [str(t) for t in job.to_df().dtypes.iloc[-4:]] == ["Int64", "float32", "boolean", "object"]
    types = job.to_arrow().schema
    assert [types.field(f"mixed__{n}").type for n in ("count", "share", "is_open", "town")] == [
        pa.int64(), pa.float32(), pa.bool_(), pa.string(),
    ]  # fmt: skip
    assert job.to_arrow()["mixed__count"].to_pylist() == [7, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_time_zones_are_one_moment(store: FeatureStore, unit: str) -> None:
    """Noon in UTC is one o'clock in Oslo, in any unit of time."""
    oslo = NOON.astimezone(ZoneInfo("Europe/Oslo"))
    asked = spine(("x", oslo))
    asked["event_timestamp"] = asked["event_timestamp"].dt.as_unit(unit)
    job = retrieved(store, [days(store)], asked)
    assert job.to_arrow()["days__value"].to_pylist() == [10]
    pd.testing.assert_frame_equal(job.to_df()[["shop_id", "event_timestamp"]], asked)


def test_a_finer_moment_is_rounded_to_the_safe_side(tmp_path: Path) -> None:
    """A value known 300 ns after the event is not seen; 300 ns before the next microsecond counts from that on."""
    known = pa.array([NOON], pa.timestamp("us", tz="UTC")).cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
    known = pa.compute.add(known, 300).cast(pa.timestamp("ns", tz="UTC"))
    (tmp_path / "fine").mkdir()
    pq.write_table(pa.table({"shop_id": ["x"], "known_at": known, "value": [1]}), tmp_path / "fine/a.parquet")
    asked = spine(("x", NOON), ("x", NOON + MICRO))
    asked["event_timestamp"] = asked["event_timestamp"].dt.as_unit("ns")
    found = retrieved(repository(tmp_path, "duckdb"), [view("fine")], asked).to_arrow()
    assert found["fine__value"].to_pylist() == [None, 1]
    sooner = pa.compute.subtract(known.cast(pa.int64()), 100).cast(known.type)
    pq.write_table(pa.table({"shop_id": ["x"], "known_at": sooner, "value": [2]}), tmp_path / "fine/b.parquet")
    with pytest.raises(KnownatError, match="different values for one entity and moment"):
        retrieved(repository(tmp_path, "duckdb"), [view("fine")], asked).to_arrow()


def test_what_was_created_later_is_not_seen(store: FeatureStore, tmp_path: Path) -> None:
    """A backfilled row counts from its creation on; among the created, the latest known one counts, then the latest created."""
    write(tmp_path, "late", {
        "shop_id": ["x"] * 4,
        "known_at": [NOON, NOON, NOON + HOUR, NOON - HOUR],
        "created_at": [NOON, NOON + 2 * HOUR, NOON + 5 * HOUR, NOON + 6 * HOUR],
        "value": [1, 2, 3, 4],
    })  # fmt: skip
    asked = spine(*(("x", NOON + hours * HOUR) for hours in (-1, 0, 1, 2, 4, 5, 7)))
    late = view("late", created=True)
    assert retrieved(store, [late], asked).to_arrow()["late__value"].to_pylist() == [None, 1, 1, 2, 2, 3, 3]
    known = retrieved(store, [late], asked, filter_by_created_timestamp=False).to_arrow()
    assert known["late__value"].to_pylist() == [4, 2, 3, 3, 3, 3, 3]


def test_composite_keys_renamed_keys_and_no_key_at_all_are_joined(store: FeatureStore, tmp_path: Path) -> None:
    """A view of two keys, one read under another name, one whose columns are stored under other names, one of no entity."""
    town = Entity(name="town", join_keys=["town_id"], value_type=ValueType.STRING)
    shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)
    write(tmp_path, "pairs", {"shop_id": ["x", "x"], "town_id": ["a", "b"], "known_at": [NOON, NOON], "value": [1, 2]})
    write(tmp_path, "others", {"shop": ["x"], "known_at": [NOON], "worth": [3]})
    write(tmp_path, "world", {"known_at": [NOON], "value": [4]})
    pairs = view("pairs", entities=[shop, town])
    seller = view("others", field_mapping={"shop": "shop_id", "worth": "value"}).with_name("sellers")
    seller = seller.with_join_key_map({"shop_id": "seller_id"})
    world = view("world", entities=[])
    asked = spine(("x", NOON), ("x", NOON), ("x", NOON), town_id=["b", "c", None], seller_id=["x", "y", None])
    found = retrieved(store, [pairs, seller, world], asked).to_arrow()
    assert found["pairs__value"].to_pylist() == [2, None, None]
    assert found["sellers__value"].to_pylist() == [3, None, None]
    assert found["world__value"].to_pylist() == [4, 4, 4]


def test_entities_may_be_arrow_or_sql(store: FeatureStore, tmp_path: Path) -> None:
    """An Arrow table and a query give what a data frame gives, in their own order."""
    asked = spine(("x", NOON), ("nobody", NOON), ("x", NOON - MICRO), label=[3, 2, 1])
    table = pa.Table.from_pandas(asked, preserve_index=False)
    expected = retrieved(store, [days(store)], asked).to_arrow()
    assert retrieved(store, [days(store)], table).to_arrow().equals(expected)
    parquet.write_table(table, tmp_path / "spine.parquet")
    path = tmp_path / "spine.parquet"
    files = {"AsOfDuckDBOfflineStoreConfig": f"'{path}'", "AsOfSparkOfflineStoreConfig": f"parquet.`{path}`"}
    query = f"SELECT * FROM {files[type(store.config.offline_store).__name__]} ORDER BY label"
    assert retrieved(store, [days(store)], query).to_arrow()["days__value"].to_pylist() == [9, None, 10]


def test_a_spark_frame_stays_in_spark(tmp_path: Path, spark: SparkSession) -> None:
    """A Spark frame goes in and comes out, in order, and can be written by the executors; there is no inequality join."""
    store = repository(tmp_path, "spark")
    frame = spark.createDataFrame(
        [(n, "x", NOON - n * MICRO) for n in range(50)], "n int, shop_id string, event_timestamp timestamp"
    )
    job = retrieved(store, [days(store), days(store).with_name("again")], frame.repartition(3, "n"))
    expected = [row.n for row in frame.repartition(3, "n").collect()]
    assert [row.n for row in job.to_spark_df().collect()] == expected
    plan = job.to_spark_df()._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange hashpartitioning") == 1 + plan.count("hashpartitioning(n#")
    assert not re.search("NestedLoop|SortMergeJoin|HashJoin|CartesianProduct", plan)
    job.persist(SavedDatasetFileStorage(path="out"))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert sorted(row.n for row in written.collect()) == list(range(50))


def test_a_result_is_saved_and_found_again(store: FeatureStore) -> None:
    """A saved dataset is written whole, is found by its name, and is not overwritten unasked."""
    shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)
    store.apply([shop, days(store)])
    asked = spine(("x", NOON), ("nobody", NOON))
    job = store.get_historical_features(asked, ["days:value"], full_feature_names=True)
    store.create_saved_dataset(job, "kept", SavedDatasetFileStorage(path="kept"))
    found = store.get_saved_dataset("kept").to_df().sort_values("shop_id", ascending=False)
    assert [None if pd.isna(v) else int(v) for v in found["days__value"]] == [10, None]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.persist(SavedDatasetFileStorage(path="kept"))
    less = store.get_historical_features(asked.head(1), ["days:value"], full_feature_names=True)
    less.persist(SavedDatasetFileStorage(path="kept"), allow_overwrite=True)
    assert len(store.get_saved_dataset("kept").to_df()) == 1


def test_pulls_give_the_rows_of_a_period(store: FeatureStore) -> None:
    """All of a period's rows, both ends included, and the latest of each entity, wherever the process's clock is set."""
    offline, source = store._get_provider().offline_store, days(store).batch_source
    period = NOON.replace(day=7), NOON.replace(day=9)
    every = offline.pull_all_from_table_or_query(
        store.config, source, ["shop_id"], ["value"], "known_at", start_date=period[0], end_date=period[1]
    )
    assert sorted(every.to_df()["value"]) == [7, 8, 9]
    latest = offline.pull_latest_from_table_or_query(store.config, source, ["shop_id"], ["value"], "known_at", None, *period)
    assert latest.to_df()["value"].tolist() == [9]


def test_more_than_the_memory_is_spilled(tmp_path: Path) -> None:
    """With a limit far below the data's size, the result is the same as without."""
    rows = 400_000
    times = pa.array(np.arange(rows) + 1_500_000_000_000_000, pa.timestamp("us", tz="UTC"))
    keys = pa.array([f"shop number {n % 1000}" for n in range(rows)])
    write(tmp_path, "many", {"shop_id": keys, "known_at": times, "value": pa.array(np.arange(rows))})
    asked = pa.table({"shop_id": keys, "event_timestamp": times})
    free = retrieved(repository(tmp_path, "duckdb"), [view("many")], asked).to_arrow()
    tight = retrieved(repository(tmp_path, "duckdb", memory_limit="40MB"), [view("many")], asked).to_arrow()
    assert tight["many__value"].to_numpy().tolist() == free["many__value"].to_numpy().tolist() == list(range(rows))


BAD_SPINES = {
    "naive": (spine(("x", datetime(2020, 1, 1))), "event_timestamp has no time zone.*make it UTC"),
    "naive among others": (spine(("x", NOON), ("x", datetime(2020, 1, 1))).astype(object), "without a time zone.*make them UTC"),
    "no time": (spine(("x", NOON), ("x", None)), r"event_timestamp is null in 1 of 2 rows; say when"),
    "a text": (spine(("x", NOON)).assign(event_timestamp="2020-01-01T00:00:00Z"), "event_timestamp is string, not a time"),
    "a date": (spine(("x", NOON)).assign(event_timestamp=date(2020, 1, 1)), "event_timestamp is date32.*not a time"),
    "no column for it": (pd.DataFrame({"shop_id": ["x"]}), "no column event_timestamp; name the time"),
    "two candidates": (spine(("x", NOON)).rename(columns={"event_timestamp": "a"}).assign(b=NOON), "a, b could be it"),
    "no key": (pd.DataFrame({"event_timestamp": [NOON]}), "no column shop_id, by which feature view days.*add it"),
    "a real key": (pd.DataFrame({"shop_id": [1.0, None], "event_timestamp": [NOON, NOON]}), "entities' shop_id is double.*pandas' Int64"),
    "a name twice": (pd.DataFrame([["x", "x", NOON]], columns=["shop_id", "shop_id", "event_timestamp"]), "cannot be read"),
    "no rows": (spine(("x", NOON)).head(0), "have no rows; ask for at least one"),
    "another key type": (pd.DataFrame({"shop_id": [1], "event_timestamp": [NOON]}), "shop_id is stored as string.*is int64.*same type"),
    "a column of a feature's name": (spine(("x", NOON), days__value=[1]), "days__value would stand for two columns"),
    "mixed types": (spine(("x", NOON), ("y", NOON), odd=["a", 1]), "mixed types.*give it one type"),
    "nothing": (None, "pass them as entity_df"),
    "a list": ([1], "are a list; pass a data frame"),
    "no query": ("SELEC 1", "refuses the entities' SQL.*mend it"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SPINES)
def test_entities_that_would_be_a_guess_are_refused(store: FeatureStore, case: str) -> None:
    """One sentence that names the column and the remedy."""
    entities, sentence = BAD_SPINES[case]
    with pytest.raises(KnownatError, match=sentence):
        retrieved(store, [days(store)], entities)


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"shop_id": pa.array([], pa.string()), "known_at": pa.array([], pa.timestamp("us", tz="UTC")), "value": pa.array([], pa.int64())},
              "bad holds no rows"),
    "no column": ({"shop_id": ["x"], "known_at": [NOON]}, "has no column value"),
    "naive": ({"shop_id": ["x"], "known_at": pa.array([datetime(2020, 1, 1)], pa.timestamp("us")), "value": [1]}, "known_at has no time zone"),
    "not declared so": ({"shop_id": ["x"], "known_at": [NOON], "value": [3730.908]}, "value is declared int64 but stored as double"),
    "ambiguous": ({"shop_id": ["x", "x"], "known_at": [NOON, NOON], "value": [1, 2]}, "different values for one entity and moment.*2020-01-10"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_source_that_would_be_a_guess_is_refused(store: FeatureStore, tmp_path: Path, case: str) -> None:
    """One sentence that names the view, the column and the remedy."""
    columns, sentence = BAD_ROWS[case]
    write(tmp_path, "bad", columns)
    with pytest.raises(KnownatError, match=f"Feature view bad.*{sentence}"):
        retrieved(store, [view("bad")], spine(("x", NOON))).to_arrow()


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ({"value": pa.array([2.7])}, "value is stored as double in .*part-00001.parquet, but as int64 in"),
        ({"known_at": pa.array([datetime(2020, 1, 1)], pa.timestamp("us"))}, "known_at is stored as"),
        ({"shop_id": pa.array([5])}, "shop_id is stored as int64"),
        ({"value": None}, "value is stored as nothing in .*store all parts alike"),
    ],
    ids=["a real number", "naive", "another key type", "a column less"],
)  # fmt: skip
def test_parts_that_differ_are_refused(store: FeatureStore, tmp_path: Path, second: dict[str, Any], sentence: str) -> None:
    """Each engine would convert or lose what the first part does not announce."""
    write(tmp_path, "bad", {"shop_id": ["x"], "known_at": [NOON - HOUR], "value": [1]})
    columns = {"shop_id": ["x"], "known_at": pa.array([NOON], pa.timestamp("us", tz="UTC")), "value": [2]} | second
    pq.write_table(pa.table({k: v for k, v in columns.items() if v is not None}), tmp_path / "bad/part-00001.parquet")
    with pytest.raises(KnownatError, match=f"Feature view bad: {sentence}"):
        retrieved(store, [view("bad")], spine(("x", NOON)))


def test_names_cannot_be_taken_for_ours(store: FeatureStore, tmp_path: Path) -> None:
    """Columns that bear the names which the join uses inside change nothing."""
    ours = ["known", "seen", "created", "at", "place", "kind", "key_0", "value_0", "__row", "asked"]
    early = pa.array([NOON - HOUR], pa.timestamp("us", tz="UTC"))
    stored = {
        "shop_id": ["x"],
        "known_at": [NOON],
        "value": [1],
        **dict.fromkeys(ours[:3], early),
        **{name: [7] for name in ours[3:]},
    }
    write(tmp_path, "odd", stored)
    odd = view("odd", {"value": Int64, **dict.fromkeys(ours[3:], Int64)})
    asked = spine(("x", NOON), ("x", NOON - MICRO), place=[1, 2], at=[3, 4], __row=[5, 6], known=[7, 8])
    found = retrieved(store, [odd], asked).to_arrow()
    assert found["odd__value"].to_pylist() == [1, None]
    assert found["odd__key_0"].to_pylist() == [7, None]
    assert found.select(["place", "at", "__row", "known"]).to_pydict() == {
        "place": [1, 2],
        "at": [3, 4],
        "__row": [5, 6],
        "known": [7, 8],
    }


def test_names_that_differ_in_case_only_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    """Neither engine tells Value from value."""
    write(tmp_path, "cased", {"shop_id": ["x"], "known_at": [NOON], "Value": [1], "value": [2]})
    with pytest.raises(KnownatError, match="value in upper and in lower case"):
        retrieved(store, [view("cased")], spine(("x", NOON)))
    with pytest.raises(KnownatError, match=r"Value, value would stand for two columns"):
        retrieved(store, [days(store)], spine(("x", NOON), Value=[1]), full_feature_names=False)


def test_a_folder_above_is_no_partition_and_one_below_is(store: FeatureStore, tmp_path: Path) -> None:
    """A path of the form x=1 above the view says nothing; below it, it is a column, as the text that it is."""
    write(tmp_path, "value=3/plain", {"shop_id": ["x"], "known_at": [NOON], "value": [10]})
    found = retrieved(store, [view("plain", path="value=3/plain")], spine(("x", NOON))).to_arrow()
    assert found["plain__value"].to_pylist() == [10]
    for tier, shop in (("1.50", "x"), ("b", "y")):
        write(tmp_path, f"parted/tier={tier}", {"shop_id": [shop], "known_at": [NOON]})
    found = retrieved(store, [view("parted", {"tier": String})], spine(("x", NOON), ("y", NOON))).to_arrow()
    assert found["parted__tier"].to_pylist() == ["1.50", "b"]


def test_a_path_that_reads_as_a_pattern_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    """An engine would read other folders than the one that was checked."""
    write(tmp_path, "days[1]", {"shop_id": ["x"], "known_at": [NOON], "value": [1]})
    with pytest.raises(KnownatError, match="reads as a pattern"):
        retrieved(store, [view("days[1]")], spine(("x", NOON)))


def test_the_hour_that_comes_twice_is_no_trouble(store: FeatureStore) -> None:
    """An event in the hour after the clocks go back, in nanoseconds and local time."""
    asked = spine(("x", datetime(2020, 10, 25, 1, 30, tzinfo=UTC)))
    asked["event_timestamp"] = asked["event_timestamp"].dt.tz_convert("Europe/Oslo").dt.as_unit("ns")
    assert retrieved(store, [days(store)], asked).to_arrow()["days__value"].to_pylist() == [15]


def test_copies_of_a_row_are_no_guess(store: FeatureStore, tmp_path: Path) -> None:
    """Two rows that say the same of one entity and moment are one."""
    write(tmp_path, "copies", {"shop_id": ["x", "x"], "known_at": [NOON, NOON], "value": [1.5, 1.5]})
    found = retrieved(store, [view("copies", {"value": Float64})], spine(("x", NOON))).to_arrow()
    assert found["copies__value"].to_pylist() == [1.5]


def test_a_view_without_a_file_is_refused(store: FeatureStore) -> None:
    """The sentence names the view and the path."""
    with pytest.raises(KnownatError, match=r"Feature view nowhere: no Parquet can be read at .*nowhere"):
        retrieved(store, [view("nowhere")], spine(("x", NOON)))


def test_a_feature_asked_for_twice_is_refused(store: FeatureStore) -> None:
    """By one reference twice, or by two views' features of one short name."""
    with pytest.raises(KnownatError, match="days is asked for twice"):
        retrieved(store, [days(store)], spine(("x", NOON)), ["days:value", "days:value"])
    again = days(store).with_name("again")
    with pytest.raises(KnownatError, match=r"value would stand for two columns.*full_feature_names"):
        retrieved(store, [days(store), again], spine(("x", NOON)), full_feature_names=False)
    with pytest.raises(KnownatError, match="has no feature worth; it has value"):
        retrieved(store, [days(store)], spine(("x", NOON)), ["days:worth"])


def test_the_worked_example_of_feasts_documentation(store: FeatureStore, tmp_path: Path) -> None:
    """Three rows are joined; one older than all history and one eleven hours after its driver's last row are not."""
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    day = datetime(2021, 4, 12, tzinfo=UTC)
    write(tmp_path, "driver_hourly_stats", {
        "driver_id": [1001, 1001, 1001, 1002, 1002],
        "known_at": [day + h * HOUR for h in (8, 9, 10, 9, 10)],
        "trips_today": [3, 6, 9, 2, 5], "earnings_today": [31.5, 60.0, 92.25, 18.75, 51.5],
    })  # fmt: skip
    hourly = view("driver_hourly_stats", {"trips_today": Int64, "earnings_today": Float32}, ttl=2 * HOUR, entities=[driver])
    asked = pd.DataFrame({
        "driver_id": [1001, 1001, 1002, 1002, 1002],
        "event_timestamp": [day + timedelta(hours=h, minutes=m) for h, m in ((7, 30), (10, 0), (10, 59), (12, 0), (21, 0))],
        "trip_success": [1, 0, 1, 1, 0],
    })  # fmt: skip
    found = retrieved(store, [hourly], asked, full_feature_names=False).to_arrow()
    assert found["trips_today"].to_pylist() == [None, 9, 5, 5, None]
    assert found["earnings_today"].to_pylist() == [None, 92.25, 51.5, 51.5, None]
    assert found["trip_success"].to_pylist() == [1, 0, 1, 1, 0]
