"""A gate fails closed: whatever is not seen to hold does not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from knownat import parquet, paths
from knownat.declaration import Declaration
from knownat.derive.expectations import Expectation, expectation
from knownat.errors import KnownatError
from knownat.files import write_json
from knownat.gates import Outcome, conclude, data_of, hashes, require
from knownat.stages import validate

DECLARED = Declaration.model_validate(
    {
        "tables": {
            "orders": {
                "key": ["order_no"],
                "known_at": "at",
                "columns": {"order_no": {"dtype": "string"}, "at": {"dtype": "timestamp"}, "note": {"dtype": "string"}},
            }
        },
        "event": {"table": "orders", "entity": "order"},
    }
)
PARAMS = """
sources: {orders: {uri: orders.csv, observed_at: '2020-01-01'}}
service: any
split: {validation_from: '2019-01-01', test_from: '2019-06-01'}
train: {batch_size: 1, learning_rate: 0.1, epochs: 1, layers: [1], embedding: 1, dropout: 0, l2: 0, patience: 1, seed: 1}
"""


def raw(n: int, **columns: list[str | None]) -> pa.Table:
    values: dict[str, list[str | None]] = {"order_no": [str(i) for i in range(n)], "at": ["2019"] * n, "note": ["x"] * n}
    return pa.table({"line": range(n)} | {name: pa.array(v, pa.string()) for name, v in (values | columns).items()})


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose raw gate passes."""
    monkeypatch.chdir(tmp_path)
    paths.COMPILED.mkdir()
    paths.compiled("validate_raw").write_text(DECLARED.model_dump_json(by_alias=True, exclude_defaults=True))
    Path("params.yaml").write_text(PARAMS)
    parquet.write_table(raw(30), paths.RAW / "orders.parquet")
    none = pa.table({"line": pa.array([], pa.int64()), "text": pa.array([], pa.string()), "reason": pa.array([], pa.string())})
    parquet.write_table(none, paths.REJECTED / "orders.parquet")
    validate.main("raw")
    assert paths.verdict("raw").exists()
    return tmp_path


def suite(*expectations: Expectation) -> None:
    write_json(paths.EXPECTATIONS / "raw" / "orders.json", {"name": "orders", "expectations": list(expectations)})


def assert_refused(said: str) -> None:
    """The gate fails with these words, and no verdict is left."""
    with pytest.raises(KnownatError, match=said):
        validate.main("raw")
    assert not paths.verdict("raw").exists()


def test_zero_rows_do_not_pass(gate: Path) -> None:  # noqa: ARG001
    """Great Expectations calls an empty table a success."""
    parquet.write_table(raw(0), paths.RAW / "orders.parquet")
    assert_refused("at least one row")


def test_an_all_null_column_does_not_pass(gate: Path) -> None:  # noqa: ARG001
    """A column without a single value is named."""
    parquet.write_table(raw(30, note=[None] * 30), paths.RAW / "orders.parquet")
    assert_refused("orders.note: note is not all missing")


def test_a_missing_column_does_not_pass(gate: Path) -> None:  # noqa: ARG001
    """What raises inside Great Expectations is a failure, not a success."""
    parquet.write_table(raw(30).drop_columns(["note"]), paths.RAW / "orders.parquet")
    assert_refused("exactly the declared columns")


def test_too_many_unreadable_rows_do_not_pass(gate: Path) -> None:  # noqa: ARG001
    """More than validate.max_bad_share of the lines could not be read."""
    bad = pa.table({"line": [1, 2, 3], "text": ["a"] * 3, "reason": ["b"] * 3})
    parquet.write_table(bad, paths.REJECTED / "orders.parquet")
    assert_refused("at most 5% of the rows may be unreadable")


def test_an_unknown_expectation_is_refused(gate: Path) -> None:  # noqa: ARG001
    """Great Expectations logs it and drops it; here it is an error that names it."""
    suite(expectation("to_be_nice", "because"))
    assert_refused("expect_to_be_nice")


def test_an_expectation_without_a_reason_is_refused(gate: Path) -> None:  # noqa: ARG001
    """Whoever reads that it failed must learn why it had to hold."""
    suite({"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}})
    assert_refused("meta.reason")


@pytest.mark.parametrize("severity", [None, "error", "Block"])
def test_an_expectation_without_a_severity_is_refused(gate: Path, severity: str | None) -> None:  # noqa: ARG001
    """Whether it stops the pipeline is never guessed."""
    suite({**expectation("table_row_count_to_be_between", "why", min_value=1), "meta": {"reason": "why", "severity": severity}})
    assert_refused("meta.severity; write block")


def test_what_an_expectation_has_beside_its_parts_is_refused(gate: Path) -> None:  # noqa: ARG001
    """A misplaced key would be dropped in silence."""
    suite({**expectation("table_row_count_to_be_between", "why", min_value=1), "mostly": 0.5})
    assert_refused("has mostly; an expectation has type, kwargs and meta alone")


def test_a_warning_does_not_stop_the_pipeline(gate: Path) -> None:  # noqa: ARG001
    """What warns is in the result with its severity, and the verdict is written all the same."""
    suite(expectation("table_row_count_to_be_between", "a day has a hundred orders", "warn", min_value=100))
    assert validate.main("raw")["warnings"] == 1
    found = json.loads(paths.result("raw").read_text())
    assert [(f["severity"], f["reason"]) for f in found if not f["success"]] == [("warn", "a day has a hundred orders")]
    assert paths.verdict("raw").exists()


def test_an_expectation_that_stands_twice_is_refused_or_judged_twice(gate: Path) -> None:  # noqa: ARG001
    """Whatever Great Expectations makes of a repeated expectation, none is lost in silence."""
    suite(*[expectation("table_row_count_to_be_between", "why", min_value=7)] * 2)
    counts = validate.main("raw")
    found = json.loads(paths.result("raw").read_text())
    assert [f["expectation"]["kwargs"] for f in found].count({"min_value": 7}) == 2
    assert counts["expectations"] == len(found)


LONG = expectation("table_row_count_to_be_between", "about as long", min_value={"$PARAMETER": "accepted_rows * 0.9"})


def test_without_an_accepted_version_nothing_is_compared(gate: Path) -> None:  # noqa: ARG001
    """The result says so; the gate passes on what it can judge."""
    suite(LONG)
    validate.main("raw")
    [skipped] = [f for f in json.loads(paths.result("raw").read_text()) if f["success"] is None]
    assert skipped["reason"] == "about as long"
    assert "no accepted version" in skipped["found"]


@pytest.mark.parametrize(("rows", "holds"), [(33, True), (40, False)])
def test_the_next_version_is_compared_with_the_accepted_one(gate: Path, rows: int, holds: bool) -> None:  # noqa: ARG001
    """Thirty rows where thirty-three were are enough, where forty were they are not."""
    suite(LONG)
    accept({"raw/orders": {"orders: orders.csv": {"hash": "x", "rows": rows}}})
    if holds:
        validate.main("raw")
    else:
        assert_refused("about as long")


def test_the_version_of_another_source_is_not_compared(gate: Path) -> None:  # noqa: ARG001
    """A sample is not compared with the whole table."""
    suite(LONG)
    accept({"raw/orders": {"orders: all-orders.csv": {"hash": "x", "rows": 1_000_000}}})
    validate.main("raw")


@pytest.mark.parametrize("text", ["accepted_rowsx * 0.9", "accepted_rows * 0.9 + yesterday"])
def test_a_misspelt_comparison_is_refused_before_there_is_an_accepted_version(gate: Path, text: str) -> None:  # noqa: ARG001
    """What is not compared yet must be comparable, or it would be missed only later."""
    suite(expectation("table_row_count_to_be_between", "about as long", min_value={"$PARAMETER": text}))
    assert_refused("cannot be computed")
    suite(expectation("table_row_count_to_be_between", "about as long", max_value=9, least={"$PARAMETER": "accepted_rows"}))
    assert_refused("refuses expect_table_row_count_to_be_between")


def accept(versions: dict[str, Any], **suites: int) -> None:
    write_json(paths.ACCEPTED, {"suites": suites, "versions": versions})


def test_a_suite_that_vanished_is_missed(gate: Path) -> None:  # noqa: ARG001
    """Whoever deletes an accepted suite turns the gate red, not green."""
    write_json(paths.ACCEPTED, {"suites": {"raw/orders.json": 1}, "versions": {}})
    assert_refused("orders.json is gone, where 1 were accepted; restore it")


def test_a_suite_that_lost_an_expectation_is_missed(gate: Path) -> None:  # noqa: ARG001
    """One expectation fewer than were accepted fails; one more does not."""
    suite(expectation("table_row_count_to_be_between", "why", min_value=2))
    write_json(paths.ACCEPTED, {"suites": {"raw/orders.json": 2, "features/orders.json": 9}, "versions": {}})
    assert_refused("has 1 expectations, where 2 were accepted")
    suite(*[expectation("table_row_count_to_be_between", "why", min_value=n) for n in (2, 3, 4)])
    validate.main("raw")


def test_an_expectation_that_reads_the_clock_is_refused(gate: Path) -> None:  # noqa: ARG001
    """A verdict must be the same tomorrow."""
    suite(expectation("column_max_to_be_between", "fresh", column="at", min_value={"$PARAMETER": "now()"}))
    assert_refused("use observed_at, the data's own clock")


def test_a_parameter_that_nobody_knows_is_refused(gate: Path) -> None:  # noqa: ARG001
    """It is named, with those that there are."""
    suite(expectation("table_row_count_to_be_between", "why", min_value={"$PARAMETER": "yesterdays_rows * 2"}))
    assert_refused("'yesterdays_rows \\* 2' cannot be computed; it may use observed_at")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"data": 3}'])
def test_a_damaged_verdict_is_refused(gate: Path, text: str) -> None:  # noqa: ARG001
    """What is no verdict passes nothing."""
    paths.verdict("raw").write_text(text)
    with pytest.raises(KnownatError, match="damaged"):
        require("raw", data_of("raw", ["orders"]))


def test_an_empty_suite_is_refused(gate: Path) -> None:  # noqa: ARG001
    """A suite file without expectations passes nothing."""
    suite()
    assert_refused("holds no expectations")


def test_a_suite_for_nothing_is_refused(gate: Path) -> None:  # noqa: ARG001
    """A file named after no table judges nothing, so it is named."""
    write_json(paths.EXPECTATIONS / "raw" / "order.json", {"expectations": []})
    assert_refused("order.json: this gate has nothing called so; name the file one of orders.json")


def test_a_written_expectation_is_judged(gate: Path) -> None:  # noqa: ARG001
    """What a schema cannot say is said in JSON, and its reason is what a person reads."""
    suite(expectation("table_row_count_to_be_between", "a day has a hundred orders", min_value=100))
    assert_refused("a day has a hundred orders")
    found = json.loads(paths.result("raw").read_text())
    assert [f["reason"] for f in found if not f["success"]] == ["a day has a hundred orders"]


def test_a_verdict_of_other_data_is_refused(gate: Path) -> None:  # noqa: ARG001
    """Data that changed after it passed has not passed."""
    require("raw", data_of("raw", ["orders"]))
    parquet.write_table(raw(31), paths.RAW / "orders.parquet")
    with pytest.raises(KnownatError, match="passed other data"):
        require("raw", data_of("raw", ["orders"]))


def test_a_gate_without_outcomes_or_with_a_lost_one_fails(gate: Path) -> None:  # noqa: ARG001
    """No expectation at all, or one that was not judged, is a failure."""
    good = Outcome("orders", "expect", None, True, "reason", "found", {})
    with pytest.raises(KnownatError, match="no expectation at all"):
        conclude("raw", {}, [], [])
    with pytest.raises(KnownatError, match="did not judge all of orders"):
        conclude("raw", {}, [good], ["orders"])


def test_expectations_that_differ_only_in_mostly_are_both_judged() -> None:
    """Great Expectations' own way of adding them lets one replace the other."""
    from knownat.expectation_engine import judge

    both = [
        expectation("column_values_to_not_be_null", "required", column="x"),
        expectation("column_values_to_not_be_null", "not all missing", column="x", mostly=1e-9),
    ]
    outcomes, _ = judge("frame", pd.DataFrame({"x": [1, None]}), both)
    assert [(o.reason, o.success) for o in outcomes] == [("required", False), ("not all missing", True)]


def test_an_expectation_that_finds_nothing_to_judge_fails() -> None:
    """No row meets its condition, or no row has a value: Great Expectations calls that a success."""
    from knownat.expectation_engine import judge

    never = {"type": "comparison", "column": {"name": "x"}, "operator": "==", "parameter": 9}
    frame = pd.DataFrame({"x": pd.array([1, 2], "Int64"), "void": pd.array([None, None], "Int64")})
    idle = [
        expectation("column_values_to_be_in_set", "no such row", column="x", value_set=[1, 2], row_condition=never),
        expectation("column_values_to_be_in_set", "no value", column="void", value_set=[1]),
        expectation("column_pair_values_a_to_be_greater_than_b", "no pair", column_A="x", column_B="void"),
    ]
    outcomes, _ = judge("frame", frame, [*idle, expectation("column_values_to_be_null", "void", column="void")])
    assert [o.success for o in outcomes] == [False] * 3 + [True]
    assert {o.found for o in outcomes[:3]} == {"nothing was compared: there is no such row, or no value in it"}


def test_a_verdict_is_of_the_data_that_was_judged(gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Data that changes while the gate looks at it has not passed."""
    data = data_of("raw", ["orders"])
    before = hashes(data)
    parquet.write_table(raw(31), data[0])
    conclude("raw", before, [Outcome("orders", "expect", None, True, "reason", "found", {})], [])
    with pytest.raises(KnownatError, match="passed other data"):
        require("raw", data_of("raw", ["orders"]))
