"""The Python of an expression: what it offers, how deep it may go, and that no text makes it slow."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from knownat.expressions import PYTHON_TYPES, Refused, compile_expression
from knownat.functions import FUNCTIONS
from knownat.request_functions import CALLS, LONGEST_QUICK, OPERATORS, callable_of

COLUMNS = {"n": "int64", "x": "float64", "s": "string", "b": "bool", "d": "date", "t": "timestamp"}


def value(text: str, **row: Any) -> Any:
    return callable_of(compile_expression(text, COLUMNS).python)(row)


def test_every_function_is_there_in_python() -> None:
    """What an expression may call or convert to can be computed for a request, and nothing else can."""
    assert set(CALLS) == set(FUNCTIONS)
    assert set(PYTHON_TYPES.values()) <= {*OPERATORS, *CALLS}
    assert not set(OPERATORS) & set(CALLS)


def test_an_expression_sees_no_builtins() -> None:
    """Only the offered functions have a name where an expression is computed."""
    with pytest.raises(NameError):
        callable_of("open('secret')")({})


@pytest.mark.parametrize(
    ("opening", "core", "closing", "expected"),
    [
        ("- (", "x", ")", 1.0),
        ("CASE WHEN b THEN ", "n", " ELSE x END", 2.0),
        ("IF(coalesce(b, ", "b", "), b, NULL)", True),
        ("greatest(NULL, 1.0, ", "n", ")", 2.0),
        ("NOT NOT b AND (NULL IS NULL) = (", "b", ")", True),
    ],
)
def test_the_deepest_expression_is_computed(opening: str, core: str, closing: str, expected: Any) -> None:
    """Whatever is not refused as too deep is not too deep for Python either."""
    found = []
    with suppress(Refused):
        for times in range(2, 60, 2):
            found.append(value(opening * times + core + closing * times, n=2, x=1.0, b=True))
    assert set(found) == {expected}
    assert 8 < len(found) < 29


def test_a_long_case_is_computed() -> None:
    """Hundreds of branches are one chain, of which only what is needed is computed."""
    branches = " ".join(f"WHEN n = {n} THEN {n * 2}" for n in range(350))
    assert value(f"CASE {branches} ELSE -1 END", n=349) == 698
    assert value(f"CASE {branches} ELSE -1 END", n=350) == -1


@pytest.mark.parametrize("pattern", ["^(a|a)*$", "(a+)+$", "a*a*a*a*b", " +$", "(a|aa)+$", "[^b]*b"])
@pytest.mark.parametrize("length", [LONGEST_QUICK, 100_000])
def test_no_text_makes_a_pattern_slow(pattern: str, length: int) -> None:
    """What a client sends cannot keep a request busy: patterns that could are RE2's, as are long texts."""
    ask = callable_of(compile_expression(f"rlike(s, '{pattern}')", COLUMNS).python)
    ask({"s": ""})
    for letter in "a ":
        started = time.perf_counter()
        assert ask({"s": letter * length + "!"}) is False
        assert time.perf_counter() - started < 0.5
