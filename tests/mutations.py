"""Poison for each kind of expectation: the least change of a gate's own input that it must catch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from knownat.derive.expectations import READABLE, Expectation

Columns = frozenset[str]
EVERY: Columns = frozenset({"*"})  # the rows themselves change, and with them every column
OUTSIDE = "\N{EMPTY SET}"


@dataclass(frozen=True)
class Input:
    """What a gate reads of one asset; `spare` are values of a column that the clean rows lack."""

    data: pa.Table
    unreadable: pa.Table | None = None
    spare: Mapping[str, list[Any]] = field(default_factory=dict)

    def column(self, name: str) -> list[Any]:
        return list(self.data[name].to_pylist())

    def put(self, name: str, values: Mapping[int, Any] | list[Any]) -> Input:
        """Other values in some rows, or in all."""
        new = values if isinstance(values, list) else [values.get(i, v) for i, v in enumerate(self.column(name))]
        return self.typed(name, pa.array(new, self.data.schema.field(name).type))

    def typed(self, name: str, values: pa.Array) -> Input:
        return self.with_data(self.data.set_column(self.data.column_names.index(name), name, values))

    def with_data(self, data: pa.Table) -> Input:
        return Input(data, self.unreadable, self.spare)


@dataclass(frozen=True)
class Mutation:
    """A poisoned copy for one expectation; if `is_gross`, what else is said of its columns may fail too."""

    target: Expectation
    touches: Columns
    poison: Callable[[Input], Input]
    is_gross: bool = False


Killer = Callable[[Expectation, Input], Iterable[Mutation]]


def mutations(expectation: Expectation, clean: Input, keys: Mapping[str, str]) -> list[Mutation]:
    """Every poison of an expectation; KeyError for a kind that has none. `keys`: flag → the column that it looks up."""
    kwargs = expectation["kwargs"]
    if kwargs.get("column") in keys:  # a flag is computed: the key that it looks up is poisoned
        return [_one(expectation, keys[kwargs["column"]], OUTSIDE)]
    if kwargs.get("column") == READABLE:
        return [Mutation(expectation, frozenset({READABLE}), lambda rows: _unreadable(rows, 1 - kwargs["mostly"]))]
    return list(KILLERS[expectation["type"]](expectation, clean))


def _one(target: Expectation, column: str, value: Any) -> Mutation:
    """One value of one column is another."""
    return Mutation(target, frozenset({column}), lambda rows: rows.put(column, {0: value}))


def _all(target: Expectation, column: str, values: Callable[[list[Any]], list[Any]]) -> Mutation:
    """Many values of one column are others."""
    return Mutation(target, frozenset({column}), lambda rows: rows.put(column, values(rows.column(column))), is_gross=True)


def _unreadable(rows: Input, allowed: float) -> Input:
    """Just more lines than allowed could not be read."""
    assert rows.unreadable is not None
    lines = math.floor(allowed / (1 - allowed) * len(rows.data)) + 1
    lost = {"line": list(range(lines)), "text": ["?"] * lines, "reason": ["?"] * lines}
    return Input(rows.data, pa.table(lost, schema=rows.unreadable.schema), rows.spare)


def _columns(e: Expectation, clean: Input) -> Iterable[Mutation]:
    last = clean.data.column_names[-1]
    yield Mutation(e, frozenset(), lambda rows: rows.with_data(rows.data.append_column("unasked", rows.data[last])))
    yield Mutation(e, frozenset({last}), lambda rows: rows.with_data(rows.data.drop_columns([last])), is_gross=True)


def _row_count(e: Expectation, clean: Input) -> Iterable[Mutation]:
    if e["kwargs"]["min_value"] == 1:
        yield Mutation(e, EVERY, lambda rows: rows.with_data(rows.data.slice(0, 0)), is_gross=True)
        return
    fewer, more = math.ceil(len(clean.data) * 0.85), math.ceil(len(clean.data) * 0.15)
    yield Mutation(e, EVERY, lambda rows: rows.with_data(rows.data.take(spread(len(rows.data), fewer))), is_gross=True)
    yield Mutation(e, EVERY, lambda rows: rows.with_data(pa.concat_tables([rows.data, rows.data.slice(0, more)])), is_gross=True)


def spread(rows: int, wanted: int) -> list[int]:
    """So many places, evenly spread."""
    return sorted({i * rows // wanted for i in range(min(rows, wanted))})


def _not_null(e: Expectation, _: Input) -> Iterable[Mutation]:
    column = e["kwargs"]["column"]
    if "mostly" in e["kwargs"]:
        yield _all(e, column, lambda values: [None] * len(values))
    else:
        yield _one(e, column, None)


def _null(e: Expectation, clean: Input) -> Iterable[Mutation]:
    value = {"int64": 1, "double": 1.0, "string": "known", "bool": True}
    yield _one(e, e["kwargs"]["column"], value[str(clean.data.schema.field(e["kwargs"]["column"]).type)])


def _type(e: Expectation, clean: Input) -> Iterable[Mutation]:
    """Of the type that a slip would most likely store."""
    column = e["kwargs"]["column"]
    stored = clean.data.schema.field(column).type
    slips = {pa.int64(): pa.float64(), pa.float64(): pa.float32(), pa.bool_(): pa.int64(), pa.string(): pa.binary()}
    slips |= {pa.date32(): pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC"): pa.timestamp("us")}
    cast = slips[stored]
    yield Mutation(
        e,
        frozenset({column}),
        lambda rows: rows.typed(column, rows.data[column].combine_chunks().cast(cast, safe=False)),
        is_gross=stored not in {pa.int64(), pa.float64()},
    )


def _beyond(value: Any, step: int) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)) + timedelta(seconds=step)
    if isinstance(value, date):
        return value + timedelta(days=step)
    # beyond the greatest of all numbers is what is infinite
    return value + step if value + step != value else math.nextafter(value, math.copysign(math.inf, step))


def _least(e: Expectation, _: Input) -> Iterable[Mutation]:
    yield _one(e, e["kwargs"]["column"], _beyond(e["kwargs"]["min_value"], -1))


def _greatest(e: Expectation, _: Input) -> Iterable[Mutation]:
    """A greatest value that is too great; or one that is not great enough, if that is what is asked."""
    column, low, high = e["kwargs"]["column"], e["kwargs"].get("min_value"), e["kwargs"].get("max_value")
    if high is not None:
        yield _one(e, column, _beyond(high, 1))
    if low is not None:
        yield _all(e, column, lambda values: [v if v is None else min(v, _beyond(low, -1)) for v in values])


def _in_set(e: Expectation, clean: Input) -> Iterable[Mutation]:
    column, allowed = e["kwargs"]["column"], e["kwargs"]["value_set"]
    present = [v for v in dict.fromkeys(clean.column(column)) if v is not None and v not in allowed]
    other = present[0] if present else _outside(allowed)
    if "mostly" in e["kwargs"]:
        yield _all(e, column, lambda values: [other if v is not None else v for v in values])
    else:
        yield _one(e, column, other)


def _outside(allowed: list[Any]) -> Any:
    return OUTSIDE if isinstance(allowed[0], str) else (not allowed[0]) if isinstance(allowed[0], bool) else max(allowed) + 1


def _not_in_set(e: Expectation, _: Input) -> Iterable[Mutation]:
    yield _one(e, e["kwargs"]["column"], e["kwargs"]["value_set"][0])


def _regex(e: Expectation, clean: Input) -> Iterable[Mutation]:
    column = e["kwargs"]["column"]
    few = math.ceil((1 - e["kwargs"].get("mostly", 1)) * len(clean.data)) + 1
    yield Mutation(e, frozenset({column}), lambda rows: rows.put(column, {i: f"{OUTSIDE}{i}" for i in range(few)}))


def _not_regex(e: Expectation, clean: Input) -> Iterable[Mutation]:
    column, pattern = e["kwargs"]["column"], re.compile(e["kwargs"]["regex"])
    yield _one(e, column, next(v for v in clean.spare[column] if v and pattern.search(v)))


def _unique(e: Expectation, _: Input) -> Iterable[Mutation]:
    columns = e["kwargs"].get("column_list") or [e["kwargs"]["column"]]

    def copied(rows: Input) -> Input:
        for column in columns:
            rows = rows.put(column, {1: rows.column(column)[0]})
        return rows

    yield Mutation(e, frozenset(columns), copied)


def _few_unique(e: Expectation, _: Input) -> Iterable[Mutation]:
    yield _all(e, e["kwargs"]["column"], lambda values: [next(v for v in values if v is not None)] * len(values))


def _pair(e: Expectation, _: Input) -> Iterable[Mutation]:
    """The lesser of two is the greater in as few rows as will do, beginning where both are small."""
    greater, lesser, when = e["kwargs"]["column_A"], e["kwargs"]["column_B"], e["kwargs"].get("row_condition")
    step = 1 if e["kwargs"].get("or_equal") else 0

    def swapped(rows: Input) -> Input:
        values, condition = rows.column(greater), rows.column(when["column"]["name"]) if when else []
        places = [i for i, v in enumerate(values) if v is not None and (not when or condition[i] == when["parameter"])]
        few = math.ceil((1 - e["kwargs"].get("mostly", 1)) * len(places)) + 1 if "mostly" in e["kwargs"] else 1
        places = sorted(places, key=lambda i: values[i])[:few]
        return rows.put(lesser, {i: _beyond(values[i], step) for i in places})

    yield Mutation(e, frozenset({greater, lesser}), swapped)


def _contains(e: Expectation, clean: Input) -> Iterable[Mutation]:
    column, [wanted] = e["kwargs"]["column"], e["kwargs"]["value_set"]
    other = next(v for v in clean.column(column) if v not in {None, wanted})
    yield _all(e, column, lambda values: [other if v == wanted else v for v in values])


def _high(e: Expectation, _: Input) -> Iterable[Mutation]:
    yield _all(e, e["kwargs"]["column"], lambda values: [v if v is None else v * 1_000_000 for v in values])


KILLERS: dict[str, Killer] = {
    "expect_table_columns_to_match_set": _columns,
    "expect_table_row_count_to_be_between": _row_count,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_in_type_list": _type,
    "expect_column_min_to_be_between": _least,
    "expect_column_max_to_be_between": _greatest,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _unique,
    "expect_column_unique_value_count_to_be_between": _few_unique,
    "expect_column_proportion_of_unique_values_to_be_between": _few_unique,
    "expect_column_kl_divergence_to_be_less_than": _few_unique,
    "expect_column_distinct_values_to_equal_set": _few_unique,
    "expect_column_distinct_values_to_contain_set": _contains,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_median_to_be_between": _high,
    "expect_column_quantile_values_to_be_between": _high,
}


def columns_of(e: Expectation, keys: Mapping[str, str]) -> Columns:
    """The stored columns that an expectation looks at; none, if at the table as such."""
    kwargs = e["kwargs"]
    named = [kwargs.get("column"), kwargs.get("column_A"), kwargs.get("column_B"), *kwargs.get("column_list", [])]
    if isinstance(kwargs.get("row_condition"), dict):
        named.append(kwargs["row_condition"]["column"]["name"])
    return frozenset(keys.get(name, name) for name in named if name)


def is_implied(target: Expectation, other: Expectation) -> bool:
    """Whether what breaks `target` by one value must break `other`: a least value under a pair's lesser one, and so on."""
    pair = "expect_column_pair_values_a_to_be_greater_than_b"
    if other["type"] == "expect_column_kl_divergence_to_be_less_than":  # infinite once a value is in none of its parts
        is_outside = target["type"] == "expect_column_values_to_be_in_set"
        return bool(is_outside and target["kwargs"]["column"] == other["kwargs"]["column"])
    if other["type"] != pair:
        return False
    asked, said = target["kwargs"], other["kwargs"]
    if target["type"] == pair:  # a > b breaks wherever a >= b does
        return bool((asked["column_A"], asked["column_B"]) == (said["column_A"], said["column_B"]) and asked.get("or_equal"))
    if target["type"] == "expect_column_min_to_be_between":
        return bool(asked["column"] == said["column_A"])
    return bool(target["type"] == "expect_column_max_to_be_between" and asked["column"] == said["column_B"])


def groups(poisons: Iterable[Mutation]) -> list[list[Mutation]]:
    """Poisons that touch different columns go together, since no expectation on one looks at another's."""
    alone, packed = list[list[Mutation]](), list[list[Mutation]]()
    for mutation in poisons:
        if mutation.touches == EVERY or not mutation.touches:
            alone.append([mutation])
            continue
        fitting = [group for group in packed if not any(m.touches & mutation.touches for m in group)]
        if fitting:
            fitting[0].append(mutation)
        else:
            packed.append([mutation])
    return alone + packed
