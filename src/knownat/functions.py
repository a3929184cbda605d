"""The functions that a declared expression may call, each rendered for Spark SQL and for DuckDB.

The dialects differ where it hurts (`weekday` starts on Monday in one and on Sunday in the other, `upper` knows other
alphabets, `ln(0)` is null or an error), so each rendering is chosen to give equal values; property tests hold it to that.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

NUMERIC = frozenset({"int64", "float64"})
TIMES = frozenset({"date", "timestamp"})
TEXT = frozenset({"string"})
INTEGER = frozenset({"int64"})
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


class DuckDB:
    """DuckDB's spelling of a text."""

    @staticmethod
    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Function:
    """`arguments`: the dtypes each takes (the last repeats if `variadic`); `same`: they share one."""

    usage: str
    arguments: tuple[frozenset[str], ...]
    returns: str | None
    spark: Rendering
    duckdb: Rendering
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


# look-around and possessive repetition, which RE2 lacks; Java's intersection of classes
UNLIKE = {"(?", "*+", "++", "?+", "}+", "&&"}
EMPTY_CLASS = re.compile(r"\[\^?\]")
COUNTED = re.compile(r"\{\d{1,3}(,(\d{1,3})?)?\}", re.ASCII)


def portable_pattern(pattern: Constant) -> str:
    """A regular expression that means the same to Java and to RE2; refuses what does not.

    `$` becomes the very end (Java's own also matches before a last line break), `.` all but a line feed.
    """
    if pattern is None:
        raise ValueError("the pattern must be written out as a text")
    out, position, in_class = [], 0, False
    while position < len(pattern):
        char, ahead = pattern[position], pattern[position : position + 2]
        if ahead in UNLIKE or (in_class and char == "[") or (char == "[" and EMPTY_CLASS.match(pattern, position)):
            raise ValueError(f"the pattern's '{ahead}' does not mean the same in both engines; write it without")
        if char < " " and char not in "\t\r\n":
            raise ValueError(f"the pattern holds the control character {char!r}; double the backslash before a letter")
        if char == "{" and not in_class and not COUNTED.match(pattern, position):
            raise ValueError("the pattern's '{' does not mean the same in both engines; write \\{ or a count such as {2,5}")
        if char == "\\":
            out.append(_escaped(ahead))
            position += 2
            continue
        in_class = (in_class or char == "[") and char != "]"
        out.append({"$": "\\z", ".": "[^\\n]"}.get(char, char) if not in_class else char)
        position += 1
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is no regular expression ({error}); mend it") from error
    return "".join(out)


def _escaped(pair: str) -> str:
    if pair in {"\\d", "\\w"} or pair[1:] in set(string.punctuation):
        return pair
    raise ValueError(f"the pattern's '{pair}' does not mean the same in both engines; write it as a class such as [ ]")


def _regexp_replace(text: Callable[[str], str], flags: str) -> Rendering:
    def render(arguments: Sequence[str], constants: Sequence[Constant]) -> str:
        if constants[2] is None or "$" in constants[2] or "\\" in constants[2]:
            raise ValueError("the replacement must be written out, without $ or \\")
        pattern = portable_pattern(constants[1])
        if constants[2] and re.match(constants[1] or "", ""):
            raise ValueError("the pattern also fits where there is nothing, which each engine replaces in its way; use +")
        return f"regexp_replace({arguments[0]}, {text(pattern)}, {arguments[2]}{flags})"

    return render


def _matches(name: str, text: Callable[[str], str]) -> Rendering:
    return lambda arguments, constants: f"{name}({arguments[0]}, {text(portable_pattern(constants[1]))})"


def _substring(arguments: Sequence[str], constants: Sequence[Constant]) -> str:
    position, length = (int(c) if c is not None and len(c) < 10 else -1 for c in constants[1:])
    if position < 1 or length < 0:
        raise ValueError("position (from 1) and length must be written out as numbers below a thousand million")
    return f"substring({arguments[0]}, {position}, {length})"


def _both(text: str) -> dict[str, Any]:
    return {"spark": template(text), "duckdb": template(text)}


def _part(name: str, spark: str, duckdb: str) -> Function:
    return Function(f"{name}(time)", (TIMES,), "int64", template(f"CAST({spark} AS BIGINT)"), template(f"CAST({duckdb} AS BIGINT)"))


def _ascii(name: str, source: str, target: str) -> Function:
    """Letters A to Z only: beyond them the engines follow different editions of Unicode."""
    return Function(f"{name}(text)", (TEXT,), "string", **_both(f"translate({{0}}, '{source}', '{target}')"))


LOWER, UPPER = string.ascii_lowercase, string.ascii_uppercase
IN_RANGE = "CASE WHEN {0} >= -9223372036854775808e0 AND {0} < 9223372036854775808e0 THEN "
DAYS = "CAST({0} AS DATE)"

FUNCTIONS: dict[str, Function] = {
    "abs": Function(
        "abs(number)", (NUMERIC,), None,
        template("CASE WHEN {0} < 0 THEN try_subtract(0, {0}) ELSE {0} END"), template("TRY(abs({0}))"),
    ),
    "ceil": Function(
        "ceil(float64)", (frozenset({"float64"}),), "int64",
        template(IN_RANGE + "CAST(ceil({0}) AS BIGINT) END"), template(IN_RANGE + "TRY_CAST(ceil({0}) AS BIGINT) END"),
    ),
    "floor": Function(
        "floor(float64)", (frozenset({"float64"}),), "int64",
        template(IN_RANGE + "CAST(floor({0}) AS BIGINT) END"), template(IN_RANGE + "TRY_CAST(floor({0}) AS BIGINT) END"),
    ),
    "sqrt": Function("sqrt(number)", (NUMERIC,), "float64", **_both("CASE WHEN {0} >= 0 THEN sqrt(CAST({0} AS DOUBLE)) END")),
    "ln": Function("ln(number)", (NUMERIC,), "float64", **_both("CASE WHEN {0} > 0 THEN ln(CAST({0} AS DOUBLE)) END")),
    "pow": Function(
        "pow(base, exponent)", (NUMERIC, NUMERIC), "float64",
        template("pow(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))"),
        template("TRY(pow(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE)))"),
    ),
    "greatest": Function("greatest(a, b, …)", (ANY, ANY), None, **_both("greatest({all})"), variadic=True, same=True),
    "least": Function("least(a, b, …)", (ANY, ANY), None, **_both("least({all})"), variadic=True, same=True),
    "coalesce": Function("coalesce(a, b, …)", (ANY, ANY), None, **_both("coalesce({all})"), variadic=True, same=True),
    "nullif": Function("nullif(a, b)", (ANY, ANY), None, **_both("nullif({0}, {1})"), same=True),
    "length": Function(
        "length(text)", (TEXT,), "int64", template("CAST(length({0}) AS BIGINT)"), template("CAST(length({0}) AS BIGINT)")
    ),
    "lower": _ascii("lower", UPPER, LOWER),
    "upper": _ascii("upper", LOWER, UPPER),
    "trim": Function("trim(text)", (TEXT,), "string", template("trim({0})"), template("trim({0}, ' ')")),
    "concat": Function(
        "concat(text, text, …)", (TEXT, TEXT), "string", template("concat({all})"),
        lambda arguments, _: "(" + " || ".join(arguments) + ")", variadic=True,
    ),
    "concat_ws": Function("concat_ws(separator, text, …)", (TEXT, TEXT), "string", **_both("concat_ws({all})"), variadic=True),
    "replace": Function("replace(text, from, to)", (TEXT, TEXT, TEXT), "string", **_both("replace({all})")),
    "substring": Function("substring(text, position, length)", (TEXT, INTEGER, INTEGER), "string", _substring, _substring),
    "startswith": Function(
        "startswith(text, start)", (TEXT, TEXT), "bool", template("startswith({all})"), template("starts_with({all})")
    ),
    "endswith": Function(
        "endswith(text, end)", (TEXT, TEXT), "bool", template("endswith({all})"), template("ends_with({all})")
    ),
    "contains": Function("contains(text, part)", (TEXT, TEXT), "bool", **_both("contains({all})")),
    "rlike": Function(
        "rlike(text, 'pattern')", (TEXT, TEXT), "bool", _matches("rlike", Spark.text), _matches("regexp_matches", DuckDB.text)
    ),
    "regexp_replace": Function(
        "regexp_replace(text, 'pattern', 'replacement')", (TEXT, TEXT, TEXT), "string",
        _regexp_replace(Spark.text, ""), _regexp_replace(DuckDB.text, ", 'g'"),
    ),
    "year": _part("year", "year({0})", "year({0})"),
    "quarter": _part("quarter", "quarter({0})", "quarter({0})"),
    "month": _part("month", "month({0})", "month({0})"),
    "day": _part("day", "day({0})", "day({0})"),
    "dayofyear": _part("dayofyear", "dayofyear({0})", "dayofyear({0})"),
    "dayofweek": _part("dayofweek", "dayofweek({0})", "(dayofweek({0}) + 1)"),
    "weekday": _part("weekday", "weekday({0})", "(isodow({0}) - 1)"),
    "hour": Function(
        "hour(timestamp)", (frozenset({"timestamp"}),), "int64", **_both("CAST(hour({0}) AS BIGINT)")
    ),
    "minute": Function(
        "minute(timestamp)", (frozenset({"timestamp"}),), "int64", **_both("CAST(minute({0}) AS BIGINT)")
    ),
    "to_date": Function("to_date(time)", (TIMES,), "date", **_both(DAYS)),
    "datediff": Function(
        "datediff(end, start)", (TIMES, TIMES), "int64",
        template("CAST(datediff(CAST({0} AS DATE), CAST({1} AS DATE)) AS BIGINT)"),
        template("CAST(date_diff('day', CAST({1} AS DATE), CAST({0} AS DATE)) AS BIGINT)"),
    ),
    "date_add": Function(
        "date_add(time, days)", (TIMES, INTEGER), "date",
        template(
            "CASE WHEN {1} BETWEEN datediff(DATE '0001-01-01', CAST({0} AS DATE)) "
            "AND datediff(DATE '9999-12-31', CAST({0} AS DATE)) THEN date_add(CAST({0} AS DATE), try_cast({1} AS INT)) END"
        ),
        template(
            "CASE WHEN {1} BETWEEN date_diff('day', CAST({0} AS DATE), DATE '0001-01-01') "
            "AND date_diff('day', CAST({0} AS DATE), DATE '9999-12-31') THEN CAST({0} AS DATE) + TRY_CAST({1} AS INTEGER) END"
        ),
    ),
    "unix_timestamp": Function(
        "unix_timestamp(time)", (TIMES,), "int64", template("unix_seconds(CAST({0} AS TIMESTAMP))"),
        template("CAST(epoch(date_trunc('second', CAST({0} AS TIMESTAMP))) AS BIGINT)"),
    ),
}  # fmt: skip
