"""The functions that a declared expression may call, each rendered for Spark SQL; `request_functions` has the same in Python.

The two differ where it hurts (`weekday` starts on Monday or on Sunday, `upper` knows other alphabets, `ln(0)` is null
or an error), so each rendering is chosen to give equal values; property tests hold it to that.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from knownat.patterns import portable_pattern

NUMERIC = frozenset({"int64", "float64"})
TIMES = frozenset({"date", "timestamp"})
TEXT = frozenset({"string"})
INTEGER = frozenset({"int64"})
FLOAT = frozenset({"float64"})
TIMESTAMP = frozenset({"timestamp"})
BOOL = frozenset({"bool"})
ANY = NUMERIC | TIMES | TEXT | BOOL

Constant = str | None
Rendering = Callable[[Sequence[str], Sequence[Constant]], str]


class Spark:
    """Spark's spelling of a text."""

    @staticmethod
    def text(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        # Spark fills in its own settings for ${…}, even within a text
        return "'" + escaped.replace("$", "\\u0024") + "'"


@dataclass(frozen=True)
class Function:
    """`arguments`: the dtypes each takes (the last repeats if `variadic`); `same`: they share one."""

    usage: str
    arguments: tuple[frozenset[str], ...]
    returns: str | None
    spark: Rendering
    variadic: bool = False
    same: bool = False

    def kinds(self, count: int) -> list[frozenset[str]] | None:
        """The dtypes that `count` arguments may have, or None if it does not take so many."""
        given = list(self.arguments)
        if self.variadic and count > len(given):
            given += [given[-1]] * (count - len(given))
        return given if len(given) == count else None


def literal_text(node: exp.Expression) -> Constant:
    """The text of a literal; None for what is computed."""
    return str(node.this) if isinstance(node, exp.Literal) else None


def same_kind(dtypes: Sequence[str]) -> bool:
    return any(set(dtypes) <= kind for kind in (NUMERIC, TIMES, TEXT, BOOL))


def template(text: str) -> Rendering:
    return lambda arguments, _: text.format(*arguments, all=", ".join(arguments))


def _regexp_replace(arguments: Sequence[str], constants: Sequence[Constant]) -> str:
    if constants[2] is None or "$" in constants[2] or "\\" in constants[2]:
        raise ValueError("the replacement must be written out, without $ or \\")
    pattern = portable_pattern(constants[1])
    if constants[2] and re.match(constants[1] or "", ""):
        raise ValueError("the pattern also fits where there is nothing, which each engine replaces in its way; use +")
    return f"regexp_replace({arguments[0]}, {Spark.text(pattern)}, {arguments[2]})"


def _rlike(arguments: Sequence[str], constants: Sequence[Constant]) -> str:
    return f"rlike({arguments[0]}, {Spark.text(portable_pattern(constants[1]))})"


def _substring(arguments: Sequence[str], constants: Sequence[Constant]) -> str:
    position, length = (int(c) if c is not None and len(c) < 10 else -1 for c in constants[1:])
    if position < 1 or length < 0:
        raise ValueError("position (from 1) and length must be written out as numbers below a thousand million")
    return f"substring({arguments[0]}, {position}, {length})"


def _part(name: str) -> Function:
    return Function(f"{name}(time)", (TIMES,), "int64", template(f"CAST({name}({{0}}) AS BIGINT)"))


def _ascii(name: str, source: str, target: str) -> Function:
    """Letters A to Z only: beyond them the engines follow different editions of Unicode."""
    return Function(f"{name}(text)", (TEXT,), "string", template(f"translate({{0}}, '{source}', '{target}')"))


LOWER, UPPER = string.ascii_lowercase, string.ascii_uppercase
IN_RANGE = "CASE WHEN {0} >= -9223372036854775808e0 AND {0} < 9223372036854775808e0 THEN "

FUNCTIONS: dict[str, Function] = {
    "abs": Function("abs(number)", (NUMERIC,), None, template("CASE WHEN {0} < 0 THEN try_subtract(0, {0}) ELSE {0} END")),
    "ceil": Function("ceil(float64)", (FLOAT,), "int64", template(IN_RANGE + "CAST(ceil({0}) AS BIGINT) END")),
    "floor": Function("floor(float64)", (FLOAT,), "int64", template(IN_RANGE + "CAST(floor({0}) AS BIGINT) END")),
    "sqrt": Function("sqrt(number)", (NUMERIC,), "float64", template("CASE WHEN {0} >= 0 THEN sqrt(CAST({0} AS DOUBLE)) END")),
    "ln": Function("ln(number)", (NUMERIC,), "float64", template("CASE WHEN {0} > 0 THEN ln(CAST({0} AS DOUBLE)) END")),
    "pow": Function(
        "pow(base, exponent)", (NUMERIC, NUMERIC), "float64", template("pow(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))")
    ),
    "greatest": Function("greatest(a, b, …)", (ANY, ANY), None, template("greatest({all})"), variadic=True, same=True),
    "least": Function("least(a, b, …)", (ANY, ANY), None, template("least({all})"), variadic=True, same=True),
    "coalesce": Function("coalesce(a, b, …)", (ANY, ANY), None, template("coalesce({all})"), variadic=True, same=True),
    "nullif": Function("nullif(a, b)", (ANY, ANY), None, template("nullif({0}, {1})"), same=True),
    "length": Function("length(text)", (TEXT,), "int64", template("CAST(length({0}) AS BIGINT)")),
    "lower": _ascii("lower", UPPER, LOWER),
    "upper": _ascii("upper", LOWER, UPPER),
    "trim": Function("trim(text)", (TEXT,), "string", template("trim({0})")),
    "concat": Function("concat(text, text, …)", (TEXT, TEXT), "string", template("concat({all})"), variadic=True),
    "concat_ws": Function(
        "concat_ws(separator, text, …)", (TEXT, TEXT), "string", template("concat_ws({all})"), variadic=True
    ),
    "replace": Function("replace(text, from, to)", (TEXT, TEXT, TEXT), "string", template("replace({all})")),
    "substring": Function("substring(text, position, length)", (TEXT, INTEGER, INTEGER), "string", _substring),
    "startswith": Function("startswith(text, start)", (TEXT, TEXT), "bool", template("startswith({all})")),
    "endswith": Function("endswith(text, end)", (TEXT, TEXT), "bool", template("endswith({all})")),
    "contains": Function("contains(text, part)", (TEXT, TEXT), "bool", template("contains({all})")),
    "rlike": Function("rlike(text, 'pattern')", (TEXT, TEXT), "bool", _rlike),
    "regexp_replace": Function(
        "regexp_replace(text, 'pattern', 'replacement')", (TEXT, TEXT, TEXT), "string", _regexp_replace
    ),
    **{name: _part(name) for name in ("year", "quarter", "month", "day", "dayofyear", "dayofweek", "weekday")},
    "hour": Function("hour(timestamp)", (TIMESTAMP,), "int64", template("CAST(hour({0}) AS BIGINT)")),
    "minute": Function("minute(timestamp)", (TIMESTAMP,), "int64", template("CAST(minute({0}) AS BIGINT)")),
    "to_date": Function("to_date(time)", (TIMES,), "date", template("CAST({0} AS DATE)")),
    "datediff": Function(
        "datediff(end, start)", (TIMES, TIMES), "int64",
        template("CAST(datediff(CAST({0} AS DATE), CAST({1} AS DATE)) AS BIGINT)"),
    ),
    "date_add": Function(
        "date_add(time, days)", (TIMES, INTEGER), "date",
        template(
            "CASE WHEN {1} BETWEEN datediff(DATE '0001-01-01', CAST({0} AS DATE)) "
            "AND datediff(DATE '9999-12-31', CAST({0} AS DATE)) THEN date_add(CAST({0} AS DATE), try_cast({1} AS INT)) END"
        ),
    ),
    "unix_timestamp": Function(
        "unix_timestamp(time)", (TIMES,), "int64", template("unix_seconds(CAST({0} AS TIMESTAMP))")
    ),
}  # fmt: skip
