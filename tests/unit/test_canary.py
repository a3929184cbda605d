"""The other world is the same up to the cut-off, and as different as can be after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from knownat.canary import PLACE, Scrambled, middle, moments, scramble, settled, subset, worlds
from knownat.comparison import Compared, compare
from knownat.declaration import Declaration
from knownat.errors import KnownatError

START = datetime(2020, 1, 1, tzinfo=UTC)
N = 90
CUT_OFF = START + timedelta(days=60)
DECLARED = Declaration.model_validate(
    {
        "tables": {
            "orders": {
                "key": ["order_no"],
                "known_at": "at",
                "columns": {
                    "order_no": {"dtype": "string"}, "at": {"dtype": "timestamp"}, "shop": {"dtype": "string"},
                    "price": {"dtype": "float64"}, "due": {"dtype": "date"},
                    "due_at": {"dtype": "timestamp", "expr": "date_add(due, 1)"},
                    "closed_at": {"dtype": "timestamp", "known_at": "closed_at"},
                    "paid": {"dtype": "int64", "known_at": "closed_at"},
                    "stars": {"dtype": "int64", "known_at": "closed_at"},
                    "reminded": {"dtype": "int64", "known_at": "due_at"},
                },
            }
        },
        "event": {"table": "orders", "entity": "order"},
    }
)  # fmt: skip
TABLE = DECLARED.tables["orders"]
STARTING = ["shop", "price", "due"]
TOLD_AT = {"closed_at": ["closed_at", "paid", "stars"], "due_at": ["reminded"]}
KINDS = {"at": pa.timestamp("us", tz="UTC"), "closed_at": pa.timestamp("us", tz="UTC"), "due_at": pa.timestamp("us", tz="UTC")}


def stored(n: int = N, **columns: list[Any]) -> pa.Table:
    """An order a day, due a month and closed some weeks later, every seventh never."""
    at = [START + timedelta(days=i) for i in range(n)]
    due = [(moment + timedelta(days=30)).date() for moment in at]
    values: dict[str, list[Any]] = {
        "order_no": [f"{i:04d}" for i in range(n)], "at": at, "shop": [f"shop {i}" for i in range(n)],
        "price": [i / 7 for i in range(n)], "due": due,
        "due_at": [datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(days=1) for d in due],
        "closed_at": [None if i % 7 == 0 else moment + timedelta(days=10 + i % 11) for i, moment in enumerate(at)],
        "paid": list(range(n)), "stars": list(range(n)), "reminded": list(range(n)),
    }  # fmt: skip
    return pa.table({name: pa.array(columns.get(name, made), KINDS.get(name)) for name, made in values.items()})


def scrambled(rows: pa.Table | None = None) -> Scrambled:
    return scramble(rows or stored(), DECLARED, "orders", CUT_OFF)


def pairs(rows: pa.Table | None = None) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each row that is left: as it was and as it is in the other world."""
    was = (rows or stored()).to_pylist()
    return [(was[row[PLACE]], row) for row in scrambled(rows).rows.to_pylist()]


def is_waiting(row: dict[str, Any], moment: str) -> bool:
    return row["at"] <= CUT_OFF and (row[moment] is None or row[moment] > CUT_OFF)


def test_what_was_known_by_the_cut_off_is_the_same() -> None:
    """Rows that start by then keep what is known with them, and what was told by then."""
    early = [(was, now) for was, now in pairs() if was["at"] <= CUT_OFF]
    assert len(early) == 61
    for was, now in early:
        assert all(now[column] == was[column] for column in ["order_no", "at", *STARTING])
        for moment, told in TOLD_AT.items():
            assert is_waiting(was, moment) or all(now[column] == was[column] for column in told)


def test_of_the_rows_that_start_later_every_third_is_gone() -> None:
    """29 rows start after the cut-off; 10 of them never happen."""
    assert scrambled().starting == 29
    assert sum(was["at"] > CUT_OFF for was, _ in pairs()) == 19


def test_what_starts_later_keeps_its_key_and_its_start_only() -> None:
    """Each other column comes from another such row, each column by itself."""
    rows = stored().to_pylist()
    for was, now in pairs():
        if was["at"] > CUT_OFF:
            assert (now["order_no"], now["at"]) == (was["order_no"], was["at"])
            for column in ["shop", "price", "due", "paid", "stars", "reminded"]:
                assert now[column] != was[column]
                assert now[column] in [row[column] for row in rows if row["at"] > CUT_OFF]
    assert any(now["paid"] != now["stars"] for _, now in pairs())


def test_what_is_told_later_is_another_such_rows_as_a_whole() -> None:
    """The moment, where it is itself told then, goes along, and stays after the cut-off."""
    rows = stored().to_pylist()
    for moment, told in TOLD_AT.items():
        waiting = [(was, now) for was, now in pairs() if is_waiting(was, moment)]
        assert 10 < len(waiting) <= scrambled().learning
        possible = [[row[column] for column in told] for row in rows if is_waiting(row, moment)]
        for was, now in waiting:
            assert now[told[-1]] != was[told[-1]]
            assert [now[column] for column in told] in possible


def test_a_sum_over_what_is_told_later_changes_too() -> None:
    """Values are drawn and not only dealt out anew, or a feature that adds them all up would look honest."""
    waiting = [(was["paid"], now["paid"]) for was, now in pairs() if is_waiting(was, "closed_at")]
    assert sum(was for was, _ in waiting) != sum(now for _, now in waiting)


def test_a_row_that_waits_alone_learns_nothing() -> None:
    """Where there is no other row's value to take, it is null."""
    closed = [CUT_OFF + timedelta(days=1 if i == 5 else -1) for i in range(61)]
    found = {was["order_no"]: now for was, now in pairs(stored(61, closed_at=closed)) if is_waiting(was, "closed_at")}
    assert list(found) == ["0005"]
    assert [found["0005"][column] for column in ("closed_at", "paid", "stars")] == [None] * 3
    assert found["0005"]["shop"] == "shop 5"


def test_the_same_rows_are_scrambled_the_same_way() -> None:
    """The audit finds the same each time."""
    assert scrambled().rows.equals(scrambled().rows)


def test_a_row_whose_moment_came_before_the_cut_off_by_accident_stays_as_it_was() -> None:
    """It would be known too early; the others stay scrambled."""
    rows, other = stored(), scrambled().rows
    places = other[PLACE].to_pylist()
    due_at = [START if place in {40, 80} else rows["due_at"][place].as_py() for place in places]
    instants = pa.table({PLACE: places, "due_at": pa.array(due_at, KINDS["due_at"]), "closed_at": other["closed_at"]})
    found = settled(rows, other, instants, CUT_OFF).to_pylist()
    for place, row, scattered in zip(places, found, other.to_pylist(), strict=True):
        source = rows.slice(place, 1).to_pylist()[0] if place in {40, 80} else scattered
        assert row == {column: source[column] for column in row}
    assert rows["paid"][80].as_py() != other["paid"][places.index(80)].as_py()


def test_the_moments_are_those_at_which_something_is_told() -> None:
    """Each once; the row's own start is none of them."""
    assert sorted(moments(DECLARED, "orders")) == ["closed_at", "due_at"]


def test_a_subset_is_the_same_whatever_the_order_of_the_rows() -> None:
    """Half are the rows closest to the cut-off, the others are spread by their keys."""
    rows = stored()
    few = subset(rows, TABLE, 20, CUT_OFF)
    turned = subset(rows.take(list(reversed(range(N)))), TABLE, 20, CUT_OFF)
    numbers = sorted(map(int, few["order_no"].to_pylist()))
    assert numbers == sorted(map(int, turned["order_no"].to_pylist()))
    assert len(numbers) == 20
    assert set(range(56, 65)) <= set(numbers)
    assert len([n for n in numbers if abs(n - 60) > 10]) > 3
    assert subset(rows, TABLE, N, CUT_OFF).equals(rows)


def test_the_cut_off_is_by_default_the_median_event() -> None:
    """Half of the events start after it; without any event there is none."""
    assert worlds({"orders": stored()}, DECLARED, N, None).cut_off == START + timedelta(days=44)
    with pytest.raises(KnownatError, match="no event"):
        middle(stored(0)["at"])


def view(*rows: tuple[str, int, float | None, str | None]) -> pa.Table:
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True))
    known_at = pa.array([START + timedelta(days=day) for day in columns[1]], KINDS["at"])
    rates, words = pa.array(columns[2], pa.float64()), pa.array(columns[3], pa.string())
    return pa.table({"shop_id": columns[0], "known_at": known_at, "rate": rates, "word": words})


def differing(before: pa.Table, after: pa.Table) -> dict[str, Compared]:
    return {found.column: found for found in compare(before, after, "shop_id")}


def test_equal_views_do_not_differ() -> None:
    """In any order of their rows, nulls included, and whatever a sum's order does to the last bits."""
    found = differing(view(("a", 1, 0.1 + 0.2, None), ("b", 1, None, "x")), view(("b", 1, None, "x"), ("a", 1, 0.3, None)))
    assert [(c.rows, c.changed, c.example) for c in found.values()] == [(2, 0, None), (2, 0, None)]


def test_a_value_that_differs_is_shown_with_its_key_and_moment() -> None:
    """Only the column that differs is named; a null and a value differ."""
    found = differing(view(("a", 1, 0.5, "x"), ("a", 2, None, "x")), view(("a", 1, 0.5, "x"), ("a", 2, 0.25, "x")))
    assert (found["rate"].changed, found["word"].changed) == (1, 0)
    example = found["rate"].example
    assert example is not None
    assert (example.key, example.known_at, example.before, example.after) == ("a", START + timedelta(days=2), "null", "0.25")


def test_a_row_too_few_or_too_many_differs_in_every_column() -> None:
    """Whether there is a row at a moment tells something as well."""
    two, one = view(("a", 1, None, "x"), ("a", 2, None, "x")), view(("a", 1, None, "x"))
    for before, after, shown in ((two, one, ("null", "no row")), (one, two, ("no row", "null"))):
        found = differing(before, after)
        assert [c.changed for c in found.values()] == [1, 1]
        example = found["rate"].example
        assert example is not None
        assert (example.before, example.after) == shown
