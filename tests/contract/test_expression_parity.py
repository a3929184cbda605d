"""Each operator and function gives the same value in Spark and in Python, on values that set engines apart."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat.expressions import Expression, Refused, compile_expression
from knownat.functions import ANY, FUNCTIONS, Function
from knownat.request_functions import callable_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 400
RANDOM_EXPRESSIONS = 150
RANDOM_PATTERNS = 150
PIECES = [
    "a", "b", "X", "x", " ", "1", "é", "É", "\\d", "\\w", "\\.", "\\$", "[a-z]", "[^a]", "[^ \\n]", "[Xb]", ".", "^", "$", "(", ")", "|",
    "*", "+", "?", "{2}", "{1,3}", "{2,}",
]  # fmt: skip
Evaluated = tuple[pa.Table, dict[str, tuple[Expression, list[Any], list[Any]]]]
COLUMNS = {
    "a": "int64", "b": "int64", "i": "int64", "x": "float64", "y": "float64", "s": "string", "u": "string",
    "t": "timestamp", "v": "timestamp", "d": "date", "e": "date", "p": "bool", "q": "bool",
}  # fmt: skip
ARROW = {
    "int64": pa.int64(), "float64": pa.float64(), "string": pa.string(), "timestamp": pa.timestamp("us"),
    "date": pa.date32(), "bool": pa.bool_(),
}  # fmt: skip

INTS = [0, 1, -1, 2, 7, -7, 10**6, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]
FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 0.1, 1e-320, 5e-324, -1e-300, 1e300, -1e300, sys.float_info.max,
    9.2e18, 2.0**63, -(2.0**63), 9007199254740993.0, 1 / 3, 2.0, 3.0, 1e-9, 123456.789,
]  # fmt: skip
TEXTS = [
    "", " ", "  two  spaces  ", "\ttab\t", "a\nb", "end\n", "\n", "\r\n", "a\r\nb", "it's", "say \"no\"", "back\\slash", "50%",
    "${spark.app.name}", "$1", "a_b", "É", "é", "e\u0301", "ß", "ẞ", "ı", "İ", "ǅ", "Ω", "𝔘𝔫𝔦", "👩\u200d👩\u200d👧", "日本語",
    "\xa0nbsp\xa0", "\u2028", "Hello World?", "HELLO", "hello", "abc", "ABC", "aXbXc", "XX",
    "x" * 300, "x" * 1_000, "x" * 1_001, "ab c1.50%\n" * 150, "É𝔘 e\u0301-" * 300, " " * 1_500, "aXbXc (x) " * 120 + "end",
    "1.5", "true", "null", "a|b", "[a]", "a.b", "z", "\ufeffbom", "\u200b", "٣", "ﬁ", "\x01", "\x7f", "a-b", "(x)", "^", "{",
    "'", "''", "--", "/* */", ";",
]  # fmt: skip
TIMES = [
    datetime(1900, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1970, 1, 1), datetime(2000, 2, 29, 12),
    datetime(2016, 12, 31, 23, 59, 59, 999999), datetime(2017, 1, 1), datetime(2199, 12, 31, 23, 59, 59, 999999),
    datetime(2021, 3, 28, 1, 30), datetime(2024, 12, 30), datetime(1960, 1, 1, 0, 0, 0, 1),
]  # fmt: skip

OPERATORS = [
    "a + b", "a - b", "a * b", "a / b", "a % b", "a % 0", "a % -1", "a / 0", "-a", "-(-a)", "a + 1", "1 - a", "a * -1",
    "-i % 3", "9223372036854775807 + i", "-9223372036854775808 - i", "-9223372036854775808", "9223372036854775807",
    "a % 9223372036854775807", "x + y", "x - y", "x * y", "x / y", "x / 0", "x / -0.0", "-x", "a + x", "x * a", "a / x",
    "x - 0.1", "1e-3 * x", "1e300 * x * x", "x * y - x * y", "x * y > 1e308", "x * y = x * y", "x / y < 0", "0.1 + 0.2",
    "123456789.123456789 * x", "1e-320 + x", ".5", "5.", "a = b", "a <> b", "a != i", "a < b", "a <= b", "a > b", "a >= b",
    "x = y", "x < y", "x >= y", "a = x", "a < x", "x > 0.1", "s = u", "s < u", "s >= u", "s = 'it''s'", "s = 'a\\nb'",
    "s = 'back\\\\slash'", "s = '${spark.app.name}'", "s <> ''", "t = v", "t < v", "t >= v", "d = e", "d < e", "d <= e",
    "t = d", "t > d", "d <= t", "p = q", "p < q", "p <> q", "t > TIMESTAMP '2000-02-29 12:00:00'",
    "t < TIMESTAMP '2017-01-01T01:00:00+01:00'", "d >= DATE '2000-02-29'", "t > CAST('1970-01-01' AS DATE)",
    "CAST('2016-12-31 23:59:59.999999' AS TIMESTAMP) = t", "DATE '0001-01-01'", "DATE '9999-12-31'", "p AND q", "p OR q",
    "NOT p", "NOT p AND q OR p", "p = TRUE", "NOT (p OR NOT q)", "TRUE", "FALSE", "a IS NULL", "s IS NOT NULL",
    "a + b IS NULL", "(a = b) IS NULL", "a = NULL", "NULL = NULL", "s <> NULL", "a IN (1, 2, 7)", "a IN (1, NULL)",
    "a NOT IN (1, NULL)", "a NOT IN (1, 2)", "s IN ('', 'abc', s)", "x IN (0, 1.5)", "a IN (0.5, 1)", "NULL IN (1, 2)",
    "d IN (DATE '1970-01-01', e)", "t IN (d, v)", "p IN (TRUE)", "p NOT IN (q, NULL)", "a BETWEEN 0 AND 10",
    "a NOT BETWEEN i AND b", "x BETWEEN a AND 1", "s BETWEEN 'a' AND 'c'", "t BETWEEN d AND v", "a BETWEEN NULL AND 3",
    "i BETWEEN 10 AND 0", "CASE WHEN p THEN 1 END", "CASE WHEN p THEN 1 WHEN q THEN 2 ELSE 3 END",
    "CASE WHEN p THEN a ELSE x END", "CASE WHEN a > 0 THEN s END", "CASE s WHEN 'abc' THEN TRUE WHEN '' THEN FALSE END",
    "CASE a WHEN 1 THEN 'one' WHEN NULL THEN 'none' ELSE 'more' END", "CASE a WHEN x THEN 1 ELSE 0 END",
    "CASE t WHEN d THEN 1 ELSE 0 END", "CASE p WHEN TRUE THEN NULL ELSE 1.5 END", "CASE WHEN p THEN d ELSE t END",
    "CASE WHEN NULL = 1 THEN 1 ELSE 2 END", "CASE WHEN p THEN NULL ELSE s END", "IF(p, a, b)", "IF(p, a)", "IF(p, d, t)",
    "CAST(a AS DOUBLE)", "CAST(p AS BIGINT)", "CAST(t AS DATE)", "CAST(d AS TIMESTAMP)", "CAST(a AS STRING)",
    "CAST(d AS STRING)", "CAST(s AS STRING)", "CAST(date_add(d, -70000) AS STRING)", "CAST(i AS VARCHAR)", "''", "'a' = 'A'",
    "'it''s'", "'tab\\tnew\\nline'", "'\\d'", "'back\\\\slash'", "'é'", "'e\u0301'", "'${spark.app.name}'", "'$'", "'\"`'",
    "'--'", "x IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)", "x IN (-0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)",
    "x * y IN (x, x * y)", "x * y - x * y IN (0, x * y - x * y)", "x BETWEEN y AND x * y - x * y", "-(x * y) < 0",
    "x * y - x * y < x", "x * y - x * y <> x * y - x * y", "x * y - x * y >= 1e308 * x", "(x * y - x * y) IS NULL",
    "CASE x * y - x * y WHEN x * y - x * y THEN 1 END", "CASE WHEN a > b THEN 1 WHEN b > a THEN 2 WHEN a IS NULL THEN x END",
]  # fmt: skip

CALLS: dict[str, list[str]] = {
    "abs": ["abs(a)", "abs(x)", "abs(i - 3)", "abs(-9223372036854775808)", "abs(x * y)", "abs(x * y - x * y) > 0"],
    "ceil": ["ceil(x)", "ceil(y / 3)", "ceil(1e300)", "ceil(-0.5)", "ceil(x * 1e18)", "ceil(a / 7)"],
    "floor": ["floor(x)", "floor(y / 3)", "floor(1e300)", "floor(-0.5)", "floor(x * y)", "floor(a / 7)"],
    "sqrt": ["sqrt(x)", "sqrt(a)", "sqrt(-1)", "sqrt(x * y)", "sqrt(abs(x))", "sqrt(x * y - x * y) > 0"],
    "ln": ["ln(x)", "ln(a)", "ln(0)", "ln(-1)", "ln(abs(x) + 1)", "ln(i + 1)", "ln(x * y)", "ln(x * y) > 1e9",
        "ln(x * y - x * y) > 0"],
    "pow": [
        "pow(x, 2)", "pow(x, y)", "pow(a, i)", "pow(0, 0)", "pow(0, -1)", "pow(-8, 1 / 3)", "pow(-0.0, -3)", "pow(10, 400)",
        "pow(x, 0.5)", "pow(0, x) > 1", "pow(x, y) > 1", "pow(2, i)", "pow(x, -1) IS NULL",
        "pow(1, x * y) > 1", "pow(-1, x * y) > 1", "pow(1, x * y - x * y) > 1", "pow(x * y, y) > 1", "pow(x * y - x * y, 0)",
        "pow(x, i) > 0", "pow(x, x * y) > 1", "pow(x, 1e18 * y) > 0",
    ],
    "greatest": [
        "greatest(a, b)", "greatest(x, y)", "greatest(a, x)", "greatest(s, u)", "greatest(t, d)", "greatest(d, e)",
        "greatest(p, q)", "greatest(t, v)", "greatest(d, t)", "greatest(a, NULL, 3)", "greatest(a, b, i, 0)",
        "greatest(x * y, x) > 1e308", "greatest(x * y - x * y, x, x * y) > 1e308",
    ],
    "least": [
        "least(a, b)", "least(x, y)", "least(a, x)", "least(s, u)", "least(t, d)", "least(d, e)", "least(p, q)",
        "least(t, v)", "least(NULL, x)", "least(s, u, 'm')",
        "least(x * y - x * y, x)", "least(x, x * y - x * y, x * y)",
    ],
    "coalesce": [
        "coalesce(a, b)", "coalesce(a, x)", "coalesce(s, u, '')", "coalesce(t, d)", "coalesce(d, e)", "coalesce(p, q, FALSE)",
        "coalesce(x, y)", "coalesce(t, v)", "coalesce(NULL, x)", "coalesce(a / 0, 1)",
    ],
    "nullif": [
        "nullif(a, b)", "nullif(a, 0)", "nullif(x, 0)", "nullif(s, '')", "nullif(t, d)", "nullif(d, e)", "nullif(p, TRUE)",
        "nullif(s, u)", "nullif(t, v)",
        "nullif(p, q)", "nullif(a, NULL)", "nullif(NULL, a)", "nullif(a, x)",
        "nullif(x * y - x * y, x * y - x * y) IS NULL",
    ],
    "length": ["length(s)", "length(concat(s, u))", "length('')"],
    "lower": ["lower(s)", "lower(u) = u"],
    "upper": ["upper(s)", "s = upper(s)"],
    "trim": ["trim(s)", "trim(concat('  ', s, ' '))", "trim('\\t x ')"],
    "concat": ["concat(s, u)", "concat(s, '', u)", "concat(s, NULL)", "concat('$', s, '{', u, '}')"],
    "concat_ws": [
        "concat_ws('/', s, u)", "concat_ws(s, 'a', u, 'b')", "concat_ws('/', s, NULL, u)", "concat_ws('', s, u)",
        "concat_ws(NULL, s)", "concat_ws('/', u)",
    ],
    "replace": [
        "replace(s, 'a', 'bb')", "replace(s, '', 'x')", "replace(s, u, '')", "replace(s, ' ', '')", "replace(s, 'é', 'e')",
        "replace(s, 'XX', 'X')", "replace(s, NULL, 'x')", "replace('', '', 'x')",
    ],
    "substring": [
        "substring(s, 1, 1)", "substring(s, 2, 3)", "substring(s, 400, 5)", "substring(s, 1, 0)", "substring(s, 3, 999999999)",
        "substring(s, 001, 2)",
    ],
    "startswith": [
        "startswith(s, 'a')", "startswith(s, u)", "startswith(s, '')", "startswith(s, NULL)", "startswith(s, 'e')",
    ],
    "endswith": ["endswith(s, 'b')", "endswith(s, u)", "endswith(s, '')", "endswith(s, '\\n')"],
    "contains": ["contains(s, 'b')", "contains(s, u)", "contains(s, '')", "contains(s, '${')", "contains(NULL, s)"],
    "rlike": [
        "rlike(s, '^[a-z]+$')", "rlike(s, 'end$')", "rlike(s, '^$')", "rlike(s, '')", "rlike(s, '.')", "rlike(s, '^.$')",
        "rlike(s, '^..$')", "rlike(s, 'a.b')", "rlike(s, '\\d')", "rlike(s, '\\w+')", "rlike(s, '[^ ]')",
        "rlike(s, '^[^a]*$')", "rlike(s, '[0-9]{1,2}[.]5')", "rlike(s, 'a|b')", "rlike(s, '(a|b)+$')", "rlike(s, '\\.')",
        "rlike(s, '[(]')", "rlike(s, '\\[a\\]')", "rlike(s, 'É')", "rlike(s, '[é-ü]')", "rlike(s, '^\\$')", "rlike(s, '[$]')",
        "rlike(s, '\\\\\\\\')", "rlike(s, '[a-]')", "rlike(s, '[\\]]')", "rlike(s, '\\^')", "rlike(s, 'x{300}')",
        "rlike(s, '[\\d\\w]$')", "rlike(s, 'a?b??c*?$')", "rlike(s, '''')", "rlike(s, '^[ \\t]*$')", "rlike(s, '[.]')",
        "rlike(s, '[^.]$')", "rlike(s, '-$')", "rlike(s, '\\{')", "rlike(s, '^[^\\n]*$')", "rlike(s, '\\n')",
        "rlike(s, '^(ab?|a)+c')", "rlike(s, '[^^]')", "rlike(s, '[a^]')", "rlike(s, '/')",
        "rlike(s, '#|,|<|>|=|!|:|;|&|~|@|%|_|\"')",
    ],
    "regexp_replace": [
        "regexp_replace(s, '[aeiou]', '')", "regexp_replace(s, ' +', ' ')", "regexp_replace(s, '[^ ]+', '')",
        "regexp_replace(s, 'X', 'yy')", "regexp_replace(s, '[(](a|x)[)] *$', '')", "regexp_replace(s, '.', 'c')",
        "regexp_replace(s, '[^a-zA-Z0-9]', '_')", "regexp_replace(s, 'é', 'É')", "regexp_replace(s, '\\d+', '0')",
        "regexp_replace(s, '(a|ab)(c|bcd)?', '<>')", "regexp_replace(s, 'x+?', 'y')", "regexp_replace(s, '\\n$', '')",
        "regexp_replace(s, ' *$', '')",
        "regexp_replace(s, '[a-z]*|X', '')", "regexp_replace(NULL, 'a', 'b')",
    ],
    **{
        name: [f"{name}(t)", f"{name}(d)", f"{name}(date_add(d, -690000))", f"{name}(date_add(d, 2900000))", f"{name}(NULL)"]
        for name in ("year", "quarter", "month", "day", "dayofyear", "dayofweek", "weekday")
    },
    "hour": ["hour(t)", "hour(CAST(d AS TIMESTAMP))"],
    "minute": ["minute(t)", "minute(v)"],
    "to_date": ["to_date(t)", "to_date(d)"],
    "datediff": ["datediff(d, e)", "datediff(t, v)", "datediff(t, d)", "datediff(d, t)", "datediff(date_add(d, i), d)"],
    "date_add": [
        "date_add(d, 1)", "date_add(t, -1)", "date_add(d, a)", "date_add(d, i)", "date_add(t, b)", "date_add(d, 2000000000)",
        "date_add(d, -700000)", "date_add(d, -800000)", "date_add(d, 2920000)", "date_add(d, 2950000)", "date_add(NULL, 1)",
        "date_add(DATE '9999-12-31', 1)", "date_add(DATE '0001-01-01', -1)", "date_add(DATE '9999-12-30', 1)",
    ],
    "unix_timestamp": [
        "unix_timestamp(t)", "unix_timestamp(d)", "unix_timestamp(v) - unix_timestamp(t)",
        "unix_timestamp(date_add(d, -690000))",
    ],
}  # fmt: skip


def _values(dtype: str, chosen: random.Random) -> Any:
    if chosen.random() < 0.08:
        return None
    moment = datetime(1900, 1, 1) + timedelta(microseconds=chosen.randrange(300 * 365 * 86_400_000_000))
    letters = "aAbBxX 09?.é'\n\\\t$-/"
    usual: dict[str, list[Any]] = {
        "int64": [chosen.choice(INTS), chosen.randint(-20, 20), chosen.randint(-(2**63), 2**63 - 1)],
        "float64": [chosen.choice(FLOATS), chosen.uniform(-100, 100), chosen.choice([-1, 1]) * 10 ** chosen.uniform(-308, 308)],
        "string": [chosen.choice(TEXTS), "".join(chosen.choices(letters, k=chosen.randint(0, 12)))],
        "timestamp": [chosen.choice(TIMES), moment],
        "date": [chosen.choice(TIMES).date(), moment.date()],
        "bool": [chosen.random() < 0.5],
    }
    return chosen.choice(usual[dtype])


def _table() -> pa.Table:
    """Rows of adversarial values; the first ones hold every listed value of each dtype."""
    chosen = random.Random(20180103)
    listed: dict[str, list[Any]] = {
        "int64": INTS,
        "float64": FLOATS,
        "string": TEXTS,
        "timestamp": TIMES,
        "date": [t.date() for t in TIMES],
    }
    columns = {}
    for name, dtype in COLUMNS.items():
        known = listed.get(dtype, [True, False])
        given = chosen.sample(known, len(known)) + [_values(dtype, chosen) for _ in range(ROWS - len(known))]
        columns[name] = [chosen.randint(-9, 9) for _ in given] if name == "i" else given
    return pa.table({name: pa.array(values, ARROW[COLUMNS[name]]) for name, values in columns.items()})


def _random_expression(chosen: random.Random, dtype: str, depth: int) -> str:
    """A nested expression of a dtype; without ln and pow, whose last bit may differ and then be subtracted."""
    leaves = [name for name, of in COLUMNS.items() if of == dtype]
    if depth == 0:
        return chosen.choice(leaves)
    inner = [_random_expression(chosen, dtype, depth - 1) for _ in range(3)]
    test = _random_expression(chosen, "bool", depth - 1)
    forms = [
        f"CASE WHEN {test} THEN {inner[0]} ELSE {inner[1]} END",
        f"coalesce({inner[0]}, {inner[1]})",
        f"nullif({inner[0]}, {inner[1]})",
    ]
    if dtype in {"int64", "float64"}:
        forms += [f"({inner[0]} {sign} {inner[1]})" for sign in "+-*"]
    if dtype == "bool":
        other = chosen.choice(sorted(ANY))
        left, right, third = (_random_expression(chosen, other, depth - 1) for _ in range(3))
        forms += [f"({left} {sign} {right})" for sign in ("=", "<>", "<", ">=")]
        forms += [
            f"({inner[0]} AND {inner[1]})",
            f"({inner[0]} OR {inner[1]})",
            f"({left} IS NULL)",
            f"({left} IN ({right}, {third}))",
        ]
    for name, function in FUNCTIONS.items():
        if function.returns == dtype and name not in {"ln", "pow", "rlike", "regexp_replace", "substring"}:
            forms.append(f"{name}({', '.join(_arguments(chosen, function, depth - 1))})")
    return chosen.choice(forms)


def _arguments(chosen: random.Random, function: Function, depth: int) -> Iterator[str]:
    for kind in function.arguments:
        yield _random_expression(chosen, chosen.choice(sorted(kind)), depth)


def _texts() -> list[str]:
    chosen = random.Random(7)
    calls = [text for texts in CALLS.values() for text in texts]
    nested = [_random_expression(chosen, chosen.choice(sorted(ANY)), 2) for _ in range(RANDOM_EXPRESSIONS)]
    return list(dict.fromkeys([*OPERATORS, *calls, *nested, *_random_patterns(chosen)]))


def _random_patterns(chosen: random.Random) -> list[str]:
    """Calls with regular expressions that nobody would think of, of those that are offered."""
    found: list[str] = []
    while len(found) < RANDOM_PATTERNS:
        pattern = "".join(chosen.choices(PIECES, k=chosen.randint(1, 7)))
        for text in (f"rlike(s, '{pattern}')", f"regexp_replace(s, '{pattern}', '{chosen.choice(['', '<>'])}')"):
            with suppress(Refused):
                compile_expression(text, COLUMNS)
                found.append(text)
    return found


def _in_spark(spark: SparkSession, table: pa.Table, expressions: list[Expression], folder: Path) -> list[list[Any]]:
    # from Parquet: what is made of literals in memory, Spark computes in another place than the real thing
    zoned = [pa.field(f.name, pa.timestamp("us", "UTC") if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
    pq.write_table(table.cast(pa.schema(zoned)).append_column("row", pa.array(range(ROWS))), folder / "rows.parquet")
    frame = spark.read.parquet(str(folder / "rows.parquet")).coalesce(1)
    found = frame.selectExpr("row", *[f"{e.spark} AS c{n}" for n, e in enumerate(expressions)]).toArrow().sort_by("row")
    return [_plain(found[f"c{n}"]) for n in range(len(expressions))]


def _in_python(table: pa.Table, expressions: list[Expression]) -> list[list[Any]]:
    rows = [{name: _zoned(value) for name, value in row.items()} for row in table.to_pylist()]
    return [[_unzoned(compute(row)) for row in rows] for compute in (callable_of(e.python) for e in expressions)]


def _zoned(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _unzoned(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _plain(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.cast(pa.timestamp("us")).to_pylist() if pa.types.is_timestamp(column.type) else column.to_pylist()
    return values


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-12)
    return type(left) is type(right) and bool(left == right)


@pytest.fixture(scope="module")
def evaluated(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pa.Table, dict[str, tuple[Expression, list[Any], list[Any]]]]:
    """The rows and, for each text, its expression and its values in Spark and in Python."""
    table, texts = _table(), _texts()
    expressions = [compile_expression(text, COLUMNS) for text in texts]
    in_spark = _in_spark(spark, table, expressions, tmp_path_factory.mktemp("parity"))
    in_python = _in_python(table, expressions)
    return table, {t: found for t, *found in zip(texts, expressions, in_spark, in_python, strict=True)}


def test_every_expression_has_one_value_in_both_engines(evaluated: Evaluated) -> None:
    """Cell by cell, Spark and Python agree: equal, floats within 1e-12 relative."""
    table, found = evaluated
    rows = table.to_pylist()
    differences = [
        f"{text} of { {name: rows[n][name] for name in expression.columns} }: Spark {left!r}, Python {right!r}"
        for text, (expression, in_spark, in_python) in found.items()
        for n, (left, right) in enumerate(zip(in_spark, in_python, strict=True))
        if not _same(left, right)
    ]
    assert not differences, "\n".join(differences[:20])


def test_every_offered_function_has_cases() -> None:
    """A function that is put on the list without cases here fails."""
    assert set(CALLS) == set(FUNCTIONS)
    for name, texts in CALLS.items():
        assert all(name in text for text in texts)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_dtype_a_function_takes_has_a_case(name: str) -> None:
    """Each argument of each function is tried with a column of every dtype that it takes."""
    called = {_column_kinds(text) for text in CALLS[name] if text.startswith(f"{name}(")}
    for position, kind in enumerate(FUNCTIONS[name].arguments):
        tried = {kinds[position] for kinds in called if position < len(kinds)}
        needed = {"constant"} if tried == {"constant"} else set(kind)
        assert needed <= tried | {"constant"}, f"argument {position + 1} of {name}: {needed - tried} is not tried"


def test_the_cases_are_not_all_null(evaluated: Evaluated) -> None:
    """A comparison of nulls proves nothing: of each function some case has values, and most are no constant."""
    _, found = evaluated
    for texts in CALLS.values():
        values = [value for text in texts for value in found[text][1] if value is not None]
        assert len({repr(value) for value in values}) > 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abs(-9223372036854775808)", None), ("ln(0)", None), ("sqrt(-1)", None), ("floor(1e300)", None), ("a / 0", None),
        ("a % 0", None), ("pow(0, -1)", None), ("date_add(DATE '9999-12-31', 1)", None), ("date_add(d, 2000000000)", None),
        ("trim('\\t x ')", "\t x"), ("'${spark.app.name}'", "${spark.app.name}"), ("'\\d'", "\\d"), ("0.1 + 0.2", 0.1 + 0.2),
        ("replace('', '', 'x')", ""), ("-9223372036854775808", -(2**63)), ("DATE '9999-12-31'", date(9999, 12, 31)),
        ("NULL IN (1, 2)", None),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_null(evaluated: Evaluated, text: str, value: object) -> None:
    """The edges have the value that the functions' contract states, in every row."""
    assert set(evaluated[1][text][1]) == {value}


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("upper(s)", "s", lambda s: "".join(c.upper() if c.isascii() else c for c in s)),
        ("length(s)", "s", len),
        ("rlike(s, 'end$')", "s", lambda s: s.endswith("end")),
        ("weekday(t)", "t", lambda t: t.weekday()),
        ("dayofyear(d)", "d", lambda d: d.timetuple().tm_yday),
        ("unix_timestamp(t)", "t", lambda t: math.floor((t - datetime(1970, 1, 1)) / timedelta(seconds=1))),
        ("floor(x)", "x", lambda x: math.floor(x) if -(2**63) <= x < 2**63 else None),
    ],
)  # fmt: skip
def test_values_are_what_python_computes(evaluated: Evaluated, text: str, name: str, expected: Any) -> None:
    """Both engines agree with a third opinion, so that they do not share a mistake."""
    table, found = evaluated
    assert found[text][1] == [None if value is None else expected(value) for value in table[name].to_pylist()]


def _column_kinds(text: str) -> tuple[str, ...]:
    """The dtype of each argument of a call as written; `constant` of what is no column."""
    inside = text[text.index("(") + 1 : text.index(")")].split(",")
    return tuple(COLUMNS.get(argument.strip(), "constant") for argument in inside)
