"""A belief that would be lost, or would hold of any data, is refused before it is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knownat import paths
from knownat.derive.expectations import expectation
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.suites import written

GOOD = expectation("column_values_to_be_in_set", "r", column="note", value_set=["x"])


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "raw/orders.json") -> None:
    write_text(paths.EXPECTATIONS / name, text)


def assert_refused(said: str) -> None:
    with pytest.raises(KnownatError, match=said):
        written("raw", ["orders"])


@pytest.mark.parametrize(
    ("kind", "kwargs", "said"),
    [
        ("column_values_to_be_in_set", {"mostly": 0}, "mostly is 0; write a number above 0"),
        ("column_values_to_be_in_set", {"mostly": "0"}, "mostly is '0'; write a number"),
        ("column_values_to_be_in_set", {"mostly": True}, "mostly is True; write a number"),
        ("column_values_to_be_in_set", {"mostly": {"$PARAMETER": "accepted_rows * 0"}}, "write a number"),
        ("table_row_count_to_be_between", {}, "has no bound, and would always hold"),
        ("column_mean_to_be_between", {"column": "x", "min_value": None}, "min_value says nothing"),
        ("column_values_to_not_be_in_set", {"column": "x", "value_set": []}, "value_set says nothing"),
        ("column_values_to_be_in_type_list", {"column": "x", "type_list": None}, "type_list says nothing"),
        ("column_values_to_match_regex", {"column": "x", "regex": ""}, "regex says nothing"),
        (
            "column_quantile_values_to_be_between",
            {"quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, None]]}},
            "nothing",
        ),
        ("column_values_to_be_in_set", {"meta": {}}, "has meta among its kwargs"),
    ],
)
def test_an_expectation_that_would_always_hold_is_refused(kind: str, kwargs: dict[str, Any], said: str) -> None:
    """No bound, an empty set and a share of nothing are Great Expectations' successes on any data."""
    write(json.dumps({"expectations": [expectation(kind, "r", **kwargs)]}))
    assert_refused(said)


def test_a_bound_on_one_side_of_a_quantile_is_enough() -> None:
    """What says something is not refused along with what says nothing."""
    ranges = {"quantiles": [0.5], "value_ranges": [[None, 9]]}
    item = expectation("column_quantile_values_to_be_between", "r", column="x", quantile_ranges=ranges)
    write(json.dumps({"name": "orders", "expectations": [item]}))
    assert written("raw", ["orders"]) == {"orders": [item]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{{"expectations": [], "expectations": [{json.dumps(GOOD)}]}}', "'expectations' stands twice"),
        (f'{{"expectations": [{json.dumps(GOOD)}], "expectation": []}}', "has expectation, which nobody reads"),
        (json.dumps({"expectations": [expectation("column_max_to_be_between", "r", min_value=float("nan"))]}), "NaN is no number"),
    ],
)
def test_a_suite_of_which_a_part_would_be_lost_is_refused(text: str, said: str) -> None:
    """A repeated key, a key beside the expectations, and what JSON does not know."""
    write(text)
    assert_refused(said)


@pytest.mark.parametrize("name", ["Raw/orders.json", "orders.json", "features_/orders.json"])
def test_a_suite_in_no_gates_folder_is_refused(name: str) -> None:
    """Where no gate looks, a belief would never be judged."""
    write(json.dumps({"expectations": [GOOD]}), name)
    assert_refused("there is no such gate; suites stand in a folder called raw, features, training_set")
