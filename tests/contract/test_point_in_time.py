"""The point-in-time join's contract: both offline stores and twelve lines of plain Python give the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.retrieval import MOMENT, NOON, Row, reference, repository, retrieved, view, write

HOUR = timedelta(hours=1)
# view → its ttl, and whether its rows have a time of creation
VIEWS: dict[str, tuple[timedelta | None, bool]] = {
    "plain": (None, False), "fading": (HOUR, False), "late": (None, True), "late_fading": (2 * HOUR, True),
}  # fmt: skip
# few moments and steps of a microsecond around them, so that equal times and exact ends of a ttl are frequent
MOMENTS = st.builds(
    lambda hours, micros: NOON + timedelta(hours=hours, microseconds=micros), st.integers(0, 5), st.sampled_from([0, 0, 0, -1, 1])
)
KEYS = st.sampled_from(["x", "x", "y", None])
VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], dict[str, list[Row]]]:
    """A spine, and the rows of each view, which differ in entity, moment or creation."""
    spine = draw(st.lists(st.fixed_dictionaries({"shop_id": KEYS, "event_timestamp": MOMENTS}), max_size=5))
    stored = {}
    for name, (_, created) in VIEWS.items():
        row = {"shop_id": KEYS, "known_at": MOMENTS, "created_at": MOMENTS if created else st.just(NOON), "value": VALUES}
        same: Callable[[Row], Any] = lambda r: (r["shop_id"], r["known_at"], r["created_at"])  # noqa: E731
        stored[name] = draw(st.lists(st.fixed_dictionaries(row), max_size=6, unique_by=same))
    return spine, stored


def apart(rows: list[Row], world: int) -> list[Row]:
    """The rows with keys that no other world has."""
    return [row | {"shop_id": None if row["shop_id"] is None else f"{row['shop_id']}{world}"} for row in rows]


@cache
def store(name: str) -> FeatureStore:
    return repository(Path(tempfile.mkdtemp(prefix="knownat-contract-")), name)


def check(store_name: str, drawn: list[tuple[list[Row], dict[str, list[Row]]]]) -> None:
    """All worlds at once, each with keys of its own, against the reference."""
    spine = [row for n, (asked, _) in enumerate(drawn) for row in apart(asked, n)] or [{"shop_id": "x", "event_timestamp": NOON}]
    somewhere = {"shop_id": "elsewhere", "known_at": NOON, "created_at": NOON, "value": 0}  # an empty view is refused
    stored = {name: [somewhere] + [row for n, (_, s) in enumerate(drawn) for row in apart(s[name], n)] for name in VIEWS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, rows in stored.items():
            write(folder, name, {column: [row[column] for row in rows] for column in somewhere})
        views = [view(name, ttl=ttl, created=created, path=str(folder / name)) for name, (ttl, created) in VIEWS.items()]
        keys = pa.array([row["shop_id"] for row in spine], pa.string())
        times = pa.array([row["event_timestamp"] for row in spine], MOMENT)
        entities = pa.table({"shop_id": keys, "event_timestamp": times, "label": list(range(len(spine)))})
        for created_counts in (True, False):
            asked = [v for v in views if created_counts or VIEWS[v.name][1]]  # without creation there is nothing to count
            found = retrieved(store(store_name), asked, entities, filter_by_created_timestamp=created_counts).to_arrow()
            assert found.select(entities.column_names).equals(entities)
            for name in (v.name for v in asked):
                ttl, created = VIEWS[name]
                expected = reference(spine, stored[name], ttl, created and created_counts)
                values = found[f"{name}__value"].to_pylist()
                wrong = [(row, v, e) for row, v, e in zip(spine, values, expected, strict=True) if v != e]
                assert not wrong, (
                    name,
                    created_counts,
                    wrong[0],
                    [r for r in stored[name] if r["shop_id"] == wrong[0][0]["shop_id"]],
                )


RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
# not shrunk, which takes minutes with many worlds at once: the message names the one row that is wrong
GENERATE = (Phase.explicit, Phase.reuse, Phase.generate)
IN_DUCKDB = settings(max_examples=50, deadline=None, suppress_health_check=RELAXED, phases=GENERATE)  # of twenty worlds each
IN_SPARK = settings(IN_DUCKDB, max_examples=5)
TWENTY_WORLDS = st.lists(worlds(), min_size=20, max_size=20)


@IN_DUCKDB
@given(TWENTY_WORLDS)
def test_duckdb_gives_what_the_reference_gives(drawn: list[Any]) -> None:
    """A thousand generated worlds: order, copies, null keys, ends of a ttl, late and tied rows."""
    check("duckdb", drawn)


@pytest.mark.full
@pytest.mark.usefixtures("spark")
@IN_SPARK
@given(TWENTY_WORLDS)
def test_spark_gives_what_the_reference_gives(drawn: list[Any]) -> None:
    """A hundred generated worlds: order, copies, null keys, ends of a ttl, late and tied rows."""
    check("spark", drawn)


@pytest.mark.soak
@settings(IN_DUCKDB, max_examples=500)
@given(TWENTY_WORLDS)
def test_duckdb_gives_what_the_reference_gives_at_length(drawn: list[Any]) -> None:
    """Ten thousand generated worlds."""
    check("duckdb", drawn)


@pytest.mark.soak
@pytest.mark.usefixtures("spark")
@settings(IN_SPARK, max_examples=50)
@given(TWENTY_WORLDS)
def test_spark_gives_what_the_reference_gives_at_length(drawn: list[Any]) -> None:
    """A thousand generated worlds."""
    check("spark", drawn)
