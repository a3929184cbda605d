"""What the operators of a declared expression mean in Python: on each value as Spark computes it, None where it is null.

An int64 that overflows and a division by zero are null; NaN is equal to itself and greater than any other number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

LEAST, GREATEST = -(2**63), 2**63 - 1


def strict(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The function, null where any of its arguments is."""

    def computed(*values: Any) -> Any:
        return None if None in values else compute(*values)

    return computed


def fitting(number: Any) -> Any:
    """The number, null for an integer beyond 64 bits."""
    return number if isinstance(number, float) or LEAST <= number <= GREATEST else None


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def is_same(left: Any, right: Any) -> bool:
    return bool(left == right) or (is_nan(left) and is_nan(right))


def is_less(left: Any, right: Any) -> bool:
    return bool(left < right) or (is_nan(right) and not is_nan(left))


def both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def is_in(value: Any, *listed: Any) -> bool | None:
    if value is None:
        return None
    if any(other is not None and is_same(value, other) for other in listed):
        return True
    return None if None in listed else False


def between(value: Any, low: Any, high: Any) -> bool | None:
    return both(at_most(low, value), at_most(value, high))


def finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _remainder(left: int, right: int) -> int | None:
    """With the sign of what is divided."""
    if right == 0:
        return None
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def as_timestamp(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


at_most = strict(lambda left, right: not is_less(right, left))

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": strict(lambda left, right: fitting(left + right)),
    "subtract": strict(lambda left, right: fitting(left - right)),
    "multiply": strict(lambda left, right: fitting(left * right)),
    "divide": strict(lambda left, right: left / right if right else None),
    "remainder": strict(_remainder),
    "negative": strict(lambda number: fitting(-number)),
    "equal": strict(is_same),
    "unequal": strict(lambda left, right: not is_same(left, right)),
    "less": strict(is_less),
    "at_most": at_most,
    "greater": strict(lambda left, right: is_less(right, left)),
    "at_least": strict(lambda left, right: not is_less(left, right)),
    "both": both,
    "either": either,
    "negated": strict(lambda claim: not claim),
    "is_in": is_in,
    "between": between,
    "finite": finite,
    "as_float": strict(float),
    "as_int": strict(int),
    "as_text": strict(str),
    "as_timestamp": as_timestamp,
    "a_date": cache(date.fromisoformat),  # what is written out in an expression
    "a_timestamp": cache(datetime.fromisoformat),
}
