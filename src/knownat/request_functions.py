"""What `functions.FUNCTIONS` mean in Python, and how the text of an expression, made of them, becomes one to call.

A declared expression's values come from a mapping of columns: dates are `date`, timestamps `datetime` in UTC.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import CodeType
from typing import Any

from knownat.patterns import is_quick, portable_pattern
from knownat.request_operators import OPERATORS, fitting, is_less, is_same, strict

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LAST_DAY = date.max.toordinal()
TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
TO_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
LONGEST_QUICK = 1_000  # characters: what takes quadratic time still takes milliseconds


@dataclass(frozen=True)
class _Pattern:
    """A declared regular expression for Python's engine, unless it may be slow there, and for RE2."""

    quick: re.Pattern[str] | None
    linear: str

    def quick_for(self, text: str) -> re.Pattern[str] | None:
        return self.quick if len(text) <= LONGEST_QUICK else None


@cache
def _pattern(declared: str) -> _Pattern:
    quick = re.compile(portable_pattern(declared, "\\Z"), re.ASCII) if is_quick(declared) else None
    return _Pattern(quick, portable_pattern(declared))


def _in_re2(function: str, text: str, **options: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return getattr(pc, function)(pa.array([text], pa.string()), **options)[0].as_py()


def _rlike(text: str, declared: str) -> bool:
    pattern = _pattern(declared)
    if quick := pattern.quick_for(text):
        return quick.search(text) is not None
    return bool(_in_re2("match_substring_regex", text, pattern=pattern.linear))


def _regexp_replace(text: str, declared: str, replacement: str) -> str:
    pattern = _pattern(declared)
    if quick := pattern.quick_for(text):
        return quick.sub(replacement, text)
    return str(_in_re2("replace_substring_regex", text, pattern=pattern.linear, replacement=replacement))


def _pow(base: float, exponent: float) -> float:
    """As Java has it: a power that overflows is infinite, one that is no real number is NaN."""
    if abs(base) == 1 and exponent and not math.isfinite(exponent):
        return math.nan
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        if base and math.isfinite(base) and base < 0 and exponent != math.floor(exponent):
            return math.nan
        return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def _greatest(*values: Any) -> Any:
    found = None
    for value in values:
        if value is not None and (found is None or is_less(found, value)):
            found = value
    return found


def _least(*values: Any) -> Any:
    found = None
    for value in values:
        if value is not None and (found is None or is_less(value, found)):
            found = value
    return found


def _concat_ws(separator: str | None, *texts: str | None) -> str | None:
    return None if separator is None else separator.join(text for text in texts if text is not None)


def _date_add(day: date, days: int) -> date | None:
    ordinal = day.toordinal() + days
    return date.fromordinal(ordinal) if 1 <= ordinal <= LAST_DAY else None


def _to_date(time: date) -> date:
    return time.date() if isinstance(time, datetime) else time


def _unix_timestamp(time: date) -> int:
    return (time - EPOCH) // SECOND if isinstance(time, datetime) else (time.toordinal() - EPOCH.toordinal()) * 86_400


CALLS: dict[str, Callable[..., Any]] = {
    "abs": strict(lambda number: fitting(0 - number) if number < 0 else number),
    "ceil": strict(lambda number: fitting(math.ceil(number)) if math.isfinite(number) else None),
    "floor": strict(lambda number: fitting(math.floor(number)) if math.isfinite(number) else None),
    "sqrt": strict(lambda number: None if number < 0 else math.sqrt(number)),
    "ln": strict(lambda number: None if number <= 0 else math.log(number)),
    "pow": strict(lambda base, exponent: _pow(float(base), float(exponent))),
    "greatest": _greatest,
    "least": _least,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "nullif": lambda value, other: None if value is not None and other is not None and is_same(value, other) else value,
    "length": strict(len),
    "lower": strict(lambda text: text.translate(TO_LOWER)),
    "upper": strict(lambda text: text.translate(TO_UPPER)),
    "trim": strict(lambda text: text.strip(" ")),
    "concat": strict(lambda *texts: "".join(texts)),
    "concat_ws": _concat_ws,
    "replace": strict(lambda text, old, new: text.replace(old, new) if old else text),
    "substring": strict(lambda text, position, length: text[position - 1 : position - 1 + length]),
    "startswith": strict(str.startswith),
    "endswith": strict(str.endswith),
    "contains": strict(lambda text, part: part in text),
    "rlike": strict(_rlike),
    "regexp_replace": strict(_regexp_replace),
    "year": strict(lambda time: time.year),
    "quarter": strict(lambda time: (time.month + 2) // 3),
    "month": strict(lambda time: time.month),
    "day": strict(lambda time: time.day),
    "dayofyear": strict(lambda time: time.toordinal() - date(time.year, 1, 1).toordinal() + 1),
    "dayofweek": strict(lambda time: time.isoweekday() % 7 + 1),
    "weekday": strict(lambda time: time.weekday()),
    "hour": strict(lambda time: time.hour),
    "minute": strict(lambda time: time.minute),
    "to_date": strict(_to_date),
    "datediff": strict(lambda end, start: end.toordinal() - start.toordinal()),
    "date_add": strict(_date_add),
    "unix_timestamp": strict(_unix_timestamp),
}


def callable_of(python: str) -> Callable[[Mapping[str, Any]], Any]:
    """An expression's text (`Expression.python`) as a function of a row; the text sees nothing but what is offered."""
    code: CodeType = compile(f"lambda row: {python}", "<declared expression>", "eval")
    known: dict[str, Any] = {"__builtins__": {}, **OPERATORS, **CALLS}
    return eval(code, known)  # type: ignore[no-any-return]
