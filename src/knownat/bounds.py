"""Whether the bounds of a column or feature are values of its dtype, and allow any."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

from knownat.declaration import Constraints, in_utc
from knownat.refusals import expect, expect_none

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIMESTAMP = re.compile(DATE.pattern + r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?")


def check_bounds(where: str, declared: Constraints, dtype: str) -> None:
    for key, bound in (("min", declared.min), ("max", declared.max)):
        if bound is not None:
            _bound(f"{where}.{key}", bound, dtype)
    if declared.min is not None and declared.max is not None:
        low, high = (_comparable(bound) for bound in (declared.min, declared.max))
        expect(low <= high, f"{where}: min is above max; swap them.")
    if declared.values is not None:
        _values(f"{where}.values", declared.values, dtype)


def _bound(where: str, bound: float | str, dtype: str) -> None:
    expect(dtype not in {"string", "bool"}, f"{where}: a {dtype} has no bounds; drop it.")
    if dtype == "date":
        expect(_is_time(bound, DATE), f"{where}: {bound!r} is no date; write one such as 2009-04-21.")
    elif dtype == "timestamp":
        expect(
            _is_time(bound, TIMESTAMP),
            f"{where}: {bound!r} is no time; write one such as 2009-04-21T12:00:00Z.",
        )
    elif dtype == "int64":
        expect(_fits(bound), f"{where}: {bound!r} is no whole number of 64 bits; write one.")
    else:
        is_number = not isinstance(bound, str) and _is_double(bound)
        expect(is_number, f"{where}: {bound!r} is no finite number; write one.")


def _values(where: str, values: list[str | int], dtype: str) -> None:
    expect(dtype in {"string", "int64"}, f"{where}: a {dtype} has no list of values; drop it.")
    expect(bool(values), f"{where} is empty; list what is allowed or drop it.")
    odd = [v for v in values if not (isinstance(v, str) if dtype == "string" else _fits(v))]
    expect_none(map(repr, odd), f"{where}: {{0}} is no {dtype}; quote or correct it.")


def _fits(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _is_double(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_time(value: object, form: re.Pattern[str]) -> bool:
    try:
        return isinstance(value, str) and form.fullmatch(value) is not None and bool(_moment(value))
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    return in_utc(datetime.fromisoformat(text))


def _comparable(bound: float | str) -> float:
    """A bound of a known dtype as a number: of a time, the microseconds since year 1."""
    if not isinstance(bound, str):
        return bound
    since = _moment(bound) - in_utc(datetime.combine(date.min, datetime.min.time()))
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
