"""Which expressions are taken, what they yield, and how each other is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownat.expressions import Refused, compile_expression
from knownat.functions import FUNCTIONS
from knownat.request_functions import callable_of

COLUMNS = {"n": "int64", "x": "float64", "s": "string", "t": "timestamp", "d": "date", "b": "bool"}


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("n", "int64"), ('"n"', "int64"), ("n + 1", "int64"), ("n + x", "float64"), ("n / 2", "float64"), ("n % 2", "int64"),
        ("-n", "int64"), ("-9223372036854775808", "int64"), ("1e-3", "float64"), (".5", "float64"), ("'NO'", "string"),
        ("n > 1", "bool"), ("n == 1", "bool"), ("n != 1 AND b", "bool"), ("t > d", "bool"), ("s IS NOT NULL", "bool"),
        ("n IN (1, NULL)", "bool"), ("x BETWEEN 0 AND n", "bool"), ("CASE WHEN b THEN n ELSE x END", "float64"),
        ("CASE s WHEN 'a' THEN d WHEN 'b' THEN t END", "timestamp"), ("CASE WHEN b THEN NULL ELSE s END", "string"),
        ("IF(b, 1, 2)", "int64"), ("DATE '2020-02-29'", "date"), ("CAST('2020-02-29' AS TIMESTAMP)", "timestamp"),
        ("CAST(n AS DOUBLE)", "float64"), ("coalesce(NULL, s)", "string"), ("nullif(n, NULL)", "int64"), ("abs(x)", "float64"),
        ("abs(n)", "int64"), ("greatest(d, t)", "timestamp"), ("year(NULL)", "int64"), ("floor(x)", "int64"),
        ("Length(s)", "int64"),
    ],
)  # fmt: skip
def test_an_expression_has_the_dtype_of_its_parts(text: str, dtype: str) -> None:
    """What an expression yields follows from its columns, without running it."""
    assert compile_expression(text, COLUMNS).dtype == dtype


@pytest.mark.parametrize(
    ("text", "declared", "fragments"),
    [
        ("", None, ["not one expression"]),
        ("   ", None, ["not one expression"]),
        ("-- nothing", None, ["not one expression"]),
        ("n; s", None, ["not one expression", "semicolon"]),
        ("n +", None, ["does not parse"]),
        ("n n n", None, ["does not parse", "'n'", "mend it"]),
        ("`n`", None, ["does not parse", "'`'"]),
        ("'open", None, ["does not parse", "quote"]),
        ("m", None, ["'m'", "not there", "columns: n, x, s"]),
        ("N", None, ["'N'", "not there"]),
        ("other.n", None, ["'other.n'", "not there"]),
        ("lenght(s)", None, ["'lenght'", "did you mean length?"]),
        ("zzz(s)", None, ["'zzz'", "not on the list", "regexp_replace"]),
        ("sum(n)", None, ["'sum'", "not on the list"]),
        ("count(*)", None, ["'count'", "not on the list"]),
        ("sum(n) OVER (ORDER BY t)", None, ["OVER", "not offered"]),
        ("(SELECT 1)", None, ["SELECT 1", "not offered"]),
        ("SELECT n", None, ["SELECT n", "not offered"]),
        ("n IN (SELECT 1)", None, ["SELECT 1", "IN takes a list"]),
        ("n IN ()", None, ["IN takes a list"]),
        ("DROP TABLE campaigns", None, ["DROP", "not offered"]),
        ("*", None, ["*", "not offered"]),
        ("n -> n", None, ["not offered"]),
        (":n", None, [":n", "not offered"]),
        ("?", None, ["?", "not offered"]),
        ("@n", None, ["@n", "not offered"]),
        ("n AS m", None, ["n AS m", "not offered"]),
        ("s LIKE 'a%'", None, ["LIKE", "not offered"]),
        ("s || s", None, ["||", "not offered", "concat"]),
        ("n[0]", None, ["n[0]", "not offered"]),
        ("t + n", None, ["+", "timestamp", "float64 or int64"]),
        ("n IS TRUE", None, ["only IS NULL"]),
        ("n BETWEEN SYMMETRIC 2 AND 1", None, ["BETWEEN", "not offered"]),
        ("current_date", None, ["'current_date'", "not there"]),
        ("now()", None, ["'now'", "not on the list"]),
        ("rand()", None, ["'rand'", "not on the list"]),
        ("n + s", None, ["+", "s, a string", "float64 or int64"]),
        ("n AND b", None, ["AND", "n, a int64", "bool"]),
        ("NOT n", None, ["NOT", "int64"]),
        ("-s", None, ["-", "string"]),
        ("x % 2", None, ["%", "float64", "int64"]),
        ("n = '1'", None, ["mixes int64 and string", "convert"]),
        ("t > '2020-01-01'", None, ["mixes timestamp and string", "convert"]),
        ("CASE WHEN b THEN 1 ELSE 'a' END", None, ["mixes int64 and string"]),
        ("CASE WHEN n THEN 1 END", None, ["conditions", "true or false"]),
        ("coalesce(b, n)", None, ["mixes bool and int64"]),
        ("length(n)", None, ["length", "int64", "length(text)"]),
        ("floor(n)", None, ["floor", "int64", "floor(float64)"]),
        ("length()", None, ["length", "0 arguments", "length(text)"]),
        ("replace(s, 'a')", None, ["2 arguments", "replace(text, from, to)"]),
        ("upper(DISTINCT s)", None, ["DISTINCT", "not offered"]),
        ("CAST(s AS BIGINT)", None, ["CAST(s AS BIGINT)", "string", "offered are"]),
        ("CAST(n AS INT)", None, ["INT", "offered are"]),
        ("CAST(n AS VARCHAR(3))", None, ["VARCHAR(3)", "offered are"]),
        ("n::DECIMAL(9, 2)", None, ["DECIMAL", "offered are"]),
        ("CAST('soon' AS DATE)", None, ["'soon'", "2017-12-31"]),
        ("DATE '2019-02-29'", None, ["2019-02-29", "none"]),
        ("TIMESTAMP '9999-12-31T23:00:00-05:00'", None, ["9999-12-31", "none"]),
        ("9223372036854775808", None, ["64 bits", "decimal point"]),
        ("-9223372036854775809", None, ["64 bits"]),
        ("1" * 300, None, ["64 bits"]),
        ("1" * 5000, None, ["float64", "smaller"]),
        ("1e400", None, ["float64", "smaller"]),
        ("NULL", None, ["null in every row"]),
        ("NULL", "int64", ["null in every row"]),
        ("coalesce(NULL, NULL)", "string", ["null in every row"]),
        ("CASE WHEN b THEN NULL END", None, ["null in every row"]),
        ("x", "int64", ["yields float64", "int64 is declared", "floor()"]),
        ("s", "bool", ["yields string", "bool is declared"]),
        ("n", "string", ["yields int64", "string is declared"]),
        ("rlike(s, s)", None, ["rlike", "written out"]),
        ("rlike(s, '(?i)a')", None, ["'(?'", "both engines"]),
        ("rlike(s, '\\bword')", None, ["control character", "\\x08"]),
        ("rlike(s, '\\\\bword')", None, ["'\\b'", "does not mean the same"]),
        ("rlike(s, '\\s')", None, ["'\\s'", "[ ]"]),
        ("rlike(s, '[[:alpha:]]')", None, ["both engines"]),
        ("rlike(s, '[a&&b]')", None, ["'&&'"]),
        ("rlike(s, '[]a]')", None, ["both engines"]),
        ("rlike(s, 'a++')", None, ["'++'"]),
        ("rlike(s, 'a{,3}')", None, ["'{'", "{2,5}"]),
        ("rlike(s, '(a')", None, ["no regular expression"]),
        ("rlike(s, 'a**')", None, ["no regular expression"]),
        ("rlike(s, 'a\\\\')", None, ["both engines"]),
        ("regexp_replace(s, 'a', '$1')", None, ["replacement", "without $"]),
        ("regexp_replace(s, 'a', s)", None, ["replacement", "written out"]),
        ("regexp_replace(s, 'a*', '-')", None, ["nothing", "use +"]),
        ("substring(s, 0, 1)", None, ["from 1"]),
        ("substring(s, n, 1)", None, ["written out"]),
        ("substring(s, 1, 99999999999)", None, ["written out"]),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_by_name(text: str, declared: str | None, fragments: list[str]) -> None:
    """Each refusal names the part that is meant, and what to write instead."""
    with pytest.raises(Refused) as refused:
        compile_expression(text, COLUMNS, declared)
    for fragment in fragments:
        assert fragment in str(refused.value)


@pytest.mark.parametrize("times", [60, 200, 2_000, 100_000])
@pytest.mark.parametrize(
    ("opening", "core", "closing"),
    [
        ("(", "n", ")"),
        ("- ", "n", ""),
        ("NOT ", "b", ""),
        ("abs(", "n", ")"),
        ("CASE WHEN b THEN ", "1", " END"),
        ("", "n", " + n"),
    ],
)
def test_endless_nesting_is_refused(opening: str, core: str, closing: str, times: int) -> None:
    """However long or deep an expression is, it ends in a sentence, not in a crash."""
    with pytest.raises(Refused, match="compute a part of it"):
        compile_expression(opening * times + core + closing * times, COLUMNS)


def test_functions_that_repeat_their_argument_cannot_explode() -> None:
    """A few levels of what is written twice each time would otherwise make megabytes of SQL."""
    with pytest.raises(Refused, match="compute a part of it"):
        compile_expression("abs(" * 20 + "n" + ")" * 20, COLUMNS)


def test_comments_do_not_reach_an_engine() -> None:
    """What stands in a comment is not part of what is run."""
    compiled = compile_expression("n /* + 1 */ + 2 -- + 3", COLUMNS)
    assert compiled.spark == "try_add(`n`, 2L)"
    assert compiled.python == "add(row['n'], 2)"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r"'a\nb'", "a\nb"),
        (r"'\''", "'"),
        ("''''", "'"),
        (r"'\\'", "\\"),
        (r"'\d'", r"\d"),
        (r"'\\d'", r"\d"),
        ("'é'", "é"),
        ("'--'", "--"),
    ],
)
def test_backslashes_mean_one_thing(text: str, meant: str) -> None:
    """A line break, a quote and a backslash can be escaped; another backslash stands for itself."""
    assert callable_of(compile_expression(text, COLUMNS).python)({}) == meant


def test_settings_of_spark_are_not_filled_in() -> None:
    """Spark would replace ${…} in a text by its own settings."""
    assert "${" not in compile_expression("'${spark.app.name}'", COLUMNS).spark


def test_columns_are_named_once_in_order() -> None:
    """What an expression reads is known, so that it can be checked against when it is known."""
    assert set(compile_expression("n + n + x", COLUMNS).columns) == {"n", "x"}


def test_a_declared_dtype_may_be_wider() -> None:
    """An int64 may be declared float64, a date a timestamp."""
    assert compile_expression("n", COLUMNS, "float64").dtype == "float64"
    assert compile_expression("d", COLUMNS, "timestamp").dtype == "timestamp"


WORDS = [
    *COLUMNS, *FUNCTIONS, *"()+-*/%,.<>=!'\"`[]{}$?:;@#\\^|&~", "CASE", "WHEN", "END", "NULL", "1", "'a'", "CAST", "AS", "DATE",
    "IN", "IS", "NOT", "AND", "BETWEEN", "INTERVAL", "SELECT", "OVER", "IF", "LIKE", "FROM",
]  # fmt: skip


@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    """No text that a person may write raises anything but Refused."""
    with suppress(Refused):
        compile_expression(text, COLUMNS)
