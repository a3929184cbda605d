"""Declared expressions: one parse, a type, and the same value in Spark SQL and in Python.

An expression is parsed with no dialect's functions, so that only what stands in `functions.FUNCTIONS` has a meaning;
each part is rendered from one place for both: for a batch as SQL, for a request as calls of what
`request_operators` and `request_functions` offer. Whatever cannot be computed (a division by zero, an overflow,
the logarithm of zero) is null in both, and so is a result that is not finite.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from knownat.declaration import in_utc
from knownat.functions import ANY, FUNCTIONS, NUMERIC, Spark, literal_text, same_kind

SPARK_TYPES = {
    "string": "STRING", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "timestamp": "TIMESTAMP", "date": "DATE",
}  # fmt: skip
PYTHON_TYPES = {"float64": "as_float", "int64": "as_int", "string": "as_text", "timestamp": "as_timestamp", "date": "to_date"}
WIDER = {("int64", "float64"), ("date", "timestamp")}

LONGEST_TEXT = 10_000  # characters
DEEPEST = 60  # levels: Spark's parser and code generator manage several times as many
LONGEST_SQL = 100_000  # characters: some functions repeat their argument, and nesting them multiplies it
LONGEST_QUOTE = 80  # characters of an expression that a message repeats


class Refused(ValueError):
    """An expression that means nothing here; the message names the part and the remedy."""


class _Plain(Dialect):
    """SQL whose functions are names only."""

    class Tokenizer(tokens.Tokenizer):
        STRING_ESCAPES = ["'", "\\"]

    class Parser(parser.Parser):
        FUNCTIONS: dict[str, Callable[..., exp.Expression]] = {}
        NO_PAREN_FUNCTIONS: dict[object, type[exp.Expression]] = {}
        FUNCTION_PARSERS = {"CAST": parser.Parser.FUNCTION_PARSERS["CAST"]}


@dataclass(frozen=True)
class Value:
    """A part of an expression: its dtype (`null` of a bare NULL), its SQL and its Python."""

    dtype: str
    spark: str
    python: str

    def widened(self, dtype: str) -> Value:
        if dtype == self.dtype:
            return self
        python = self.python if self.dtype == "null" else f"{PYTHON_TYPES[dtype]}({self.python})"
        return Value(dtype, f"CAST({self.spark} AS {SPARK_TYPES[dtype]})", python)


NULL = Value("null", "NULL", "None")


@dataclass(frozen=True)
class Expression:
    """A whole expression: what it yields, what it reads, its SQL, and its Python (for `request_functions.callable_of`)."""

    dtype: str
    columns: tuple[str, ...]
    spark: str
    python: str


def compile_expression(text: str, columns: Mapping[str, str], dtype: str | None = None) -> Expression:
    """Compile against the dtypes of the columns it may read; `dtype` is what it must yield.

    Raises Refused, naming the part that is not allowed.
    """
    return _compile(text, tuple(columns.items()), dtype)


@lru_cache(maxsize=4096)
def _compile(text: str, columns: tuple[tuple[str, str], ...], dtype: str | None) -> Expression:
    if len(text) > LONGEST_TEXT:
        raise Refused(f"has {len(text)} characters; compute a part of it as a column of its own")
    try:
        tree = _parse(text)
        value = _Renderer(dict(columns)).render(tree)
    except RecursionError as error:
        raise Refused(TOO_DEEP) from error
    wanted = dtype or value.dtype
    if value.dtype == "null":
        raise Refused("is null in every row; drop it")
    if value.dtype != wanted and (value.dtype, wanted) not in WIDER:
        raise Refused(f"yields {value.dtype}, but {wanted} is declared; change the dtype or convert with floor() or CAST")
    value = value.widened(wanted)
    if wanted == "float64":
        value = Value(wanted, _finite(value.spark), f"finite({value.python})")
    read = dict.fromkeys(column.name for column in tree.find_all(exp.Column))
    return Expression(wanted, tuple(read), value.spark, value.python)


def _finite(sql: str) -> str:
    infinity = "CAST('Infinity' AS DOUBLE)"
    return f"CASE WHEN abs({sql}) < {infinity} THEN {sql} END"


def _parse(text: str) -> exp.Expression:
    try:
        trees = sqlglot.parse(text, read=_Plain)
    except SqlglotError as error:
        details = getattr(error, "errors", None)
        near = f"at '{details[0]['highlight']}', character {details[0]['col']}" if details else "a quote is not closed"
        raise Refused(f"does not parse: {near}; mend it there") from error
    if len(trees) != 1 or trees[0] is None:
        raise Refused("is not one expression; write one, without a semicolon")
    return trees[0]


TOO_DEEP = "is nested too deeply; compute a part of it as a column of its own"
OFFERED = f"+ - * / %, comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL, CASE, IF, CAST, {', '.join(sorted(FUNCTIONS))}"
BINARY = {exp.Add: ("+", "add"), exp.Sub: ("-", "subtract"), exp.Mul: ("*", "multiply")}
COMPARISONS = {
    exp.EQ: ("=", "equal"), exp.NEQ: ("<>", "unequal"), exp.LT: ("<", "less"), exp.LTE: ("<=", "at_most"),
    exp.GT: (">", "greater"), exp.GTE: (">=", "at_least"),
}  # fmt: skip
# what the parser keeps beside a node's operands, and no engine here would see
ADDITIONS = {exp.Between: {"symmetric"}, exp.Cast: {"format", "action", "default", "safe"}}
CASTS = {
    ("int64", "float64"), ("bool", "int64"), ("timestamp", "date"), ("date", "timestamp"), ("int64", "string"), ("date", "string"),
}  # fmt: skip


class _Renderer:
    """Renders a tree for both engines, one method a kind of node."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns
        self.depth = 0

    def render(self, node: exp.Expression) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Refused(TOO_DEEP)
        value = self._method(node)(node)
        if max(len(value.spark), len(value.python)) > LONGEST_SQL:
            raise Refused(TOO_DEEP)
        self.depth -= 1
        return value

    def _method(self, node: exp.Expression) -> Callable[[exp.Expression], Value]:
        if type(node) in BINARY:
            return self._arithmetic
        if type(node) in COMPARISONS:
            return self._comparison
        method: Callable[[exp.Expression], Value] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None or any(node.args.get(key) for key in ADDITIONS.get(type(node), ())):
            raise Refused(f"uses {_quoted(node)}, which is not offered; offered are {OFFERED}")
        return method

    def _paren(self, node: exp.Paren) -> Value:
        inner = self.render(node.this)
        return Value(inner.dtype, f"({inner.spark})", inner.python)

    def _column(self, node: exp.Column) -> Value:
        if node.table or node.name not in self.columns:
            raise Refused(f"reads the column '{node.sql()}', which is not there; columns: {', '.join(self.columns)}")
        return Value(self.columns[node.name], f"`{node.name}`", f"row[{node.name!r}]")

    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return Value("string", Spark.text(node.this), repr(str(node.this)))
        if node.is_int:
            return _integer(node)
        number = float(node.this)
        if not math.isfinite(number):
            raise Refused(f"writes {_quoted(node)}, which is beyond float64; write a smaller number")
        return Value("float64", f"{number!r}D", repr(number))

    def _boolean(self, node: exp.Boolean) -> Value:
        return Value("bool", "TRUE" if node.this else "FALSE", repr(bool(node.this)))

    def _null(self, _: exp.Null) -> Value:
        return NULL

    def _neg(self, node: exp.Neg) -> Value:
        if isinstance(node.this, exp.Literal) and node.this.is_int:
            return _integer(node.this, negative=True)
        inner = self._typed(node.this, NUMERIC, "-")
        spark = f"(-{inner.spark})" if inner.dtype == "float64" else f"try_subtract(0L, {inner.spark})"
        return Value(inner.dtype, spark, f"negative({inner.python})")

    def _arithmetic(self, node: exp.Expression) -> Value:
        sign, name = BINARY[type(node)]
        left, right = _unified([self._typed(side, NUMERIC, sign) for side in (node.left, node.right)], node)
        return Value(left.dtype, f"try_{name}({left.spark}, {right.spark})", f"{name}({left.python}, {right.python})")

    def _div(self, node: exp.Div) -> Value:
        left, right = (self._typed(side, NUMERIC, "/").widened("float64") for side in (node.left, node.right))
        return Value("float64", f"try_divide({left.spark}, {right.spark})", f"divide({left.python}, {right.python})")

    def _mod(self, node: exp.Mod) -> Value:
        left, right = (self._typed(side, {"int64"}, "%") for side in (node.left, node.right))
        return Value("int64", f"try_mod({left.spark}, {right.spark})", f"remainder({left.python}, {right.python})")

    def _comparison(self, node: exp.Expression) -> Value:
        left, right = _unified([self.render(node.left), self.render(node.right)], node)
        sign, name = COMPARISONS[type(node)]
        return Value("bool", f"({left.spark} {sign} {right.spark})", f"{name}({left.python}, {right.python})")

    def _and(self, node: exp.And) -> Value:
        return self._logic(node, "AND", "both")

    def _or(self, node: exp.Or) -> Value:
        return self._logic(node, "OR", "either")

    def _logic(self, node: exp.Connector, word: str, name: str) -> Value:
        left, right = (self._typed(side, {"bool"}, word) for side in (node.left, node.right))
        return Value("bool", f"({left.spark} {word} {right.spark})", f"{name}({left.python}, {right.python})")

    def _not(self, node: exp.Not) -> Value:
        inner = self._typed(node.this, {"bool"}, "NOT")
        return Value("bool", f"(NOT {inner.spark})", f"negated({inner.python})")

    def _is(self, node: exp.Is) -> Value:
        if not isinstance(node.expression, exp.Null):
            raise Refused(f"uses {_quoted(node)}; only IS NULL and IS NOT NULL are offered")
        inner = self.render(node.this)
        return Value("bool", f"({inner.spark} IS NULL)", f"({inner.python} is None)")

    def _in(self, node: exp.In) -> Value:
        if not node.expressions:
            raise Refused(f"uses {_quoted(node)}; IN takes a list of values")
        head, *rest = _unified([self.render(node.this), *map(self.render, node.expressions)], node)
        spark = f"({head.spark} IN ({', '.join(v.spark for v in rest)}))"
        return Value("bool", spark, f"is_in({', '.join(v.python for v in (head, *rest))})")

    def _between(self, node: exp.Between) -> Value:
        v, low, high = _unified([self.render(node.this), self.render(node.args["low"]), self.render(node.args["high"])], node)
        return Value(
            "bool",
            f"({v.spark} BETWEEN {low.spark} AND {high.spark})",
            f"between({v.python}, {low.python}, {high.python})",
        )

    def _case(self, node: exp.Case) -> Value:
        branches = node.args["ifs"]
        subject = node.this
        tests = [self.render(exp.EQ(this=subject.copy(), expression=b.this.copy()) if subject else b.this) for b in branches]
        if any(test.dtype != "bool" for test in tests):
            raise Refused(f"uses {_quoted(node)}, whose conditions are not all true or false; compare them with something")
        otherwise = self.render(node.args["default"]) if node.args.get("default") else NULL
        *results, default = _unified([*(self.render(b.args["true"]) for b in branches), otherwise], node)
        spark = " ".join(f"WHEN {t.spark} THEN {r.spark}" for t, r in zip(tests, results, strict=True))
        # in a chain of `or`, as nested conditions would be too deep for Python; a result in a tuple counts as true
        python = " or ".join(f"{t.python} and ({r.python},)" for t, r in zip(tests, results, strict=True))
        return Value(default.dtype, f"CASE {spark} ELSE {default.spark} END", f"({python} or ({default.python},))[0]")

    def _if(self, node: exp.If) -> Value:
        return self._case(exp.Case(ifs=[node.copy()], default=node.args.get("false")))

    def _cast(self, node: exp.Cast) -> Value:
        names = {"DOUBLE": "float64", "FLOAT64": "float64", "BIGINT": "int64", "DATE": "date", "TIMESTAMP": "timestamp"}
        names |= {"VARCHAR": "string", "TEXT": "string", "STRING": "string", "TIMESTAMPTZ": "timestamp"}
        dtype = names.get(node.to.this.name if hasattr(node.to.this, "name") else str(node.to.this))
        inner = self.render(node.this)
        if isinstance(node.this, exp.Literal) and node.this.is_string and dtype in {"date", "timestamp"}:
            return _time(str(node.this.this), dtype)
        if dtype is None or node.to.expressions or not (inner.dtype == dtype or (inner.dtype, dtype) in CASTS):
            offered = ", ".join(f"{a} to {b}" for a, b in sorted(CASTS))
            raise Refused(f"uses {_quoted(node)}, a conversion of {inner.dtype} that is not offered; offered are {offered}")
        return inner.widened(dtype)

    def _anonymous(self, node: exp.Anonymous) -> Value:
        name = str(node.this).lower()
        if name not in FUNCTIONS:
            close = difflib.get_close_matches(name, FUNCTIONS, 1, 0.7)
            remedy = f"did you mean {close[0]}?" if close else f"offered are {OFFERED}"
            raise Refused(f"uses the function '{name}', which is not on the list; {remedy}")
        function = FUNCTIONS[name]
        values = [self.render(argument) for argument in node.expressions]
        kinds = function.kinds(len(values))
        if kinds is None:
            raise Refused(f"calls {name} with {len(values)} arguments; write {function.usage}")
        for value, kind in zip(values, kinds, strict=True):
            if value.dtype not in kind and value.dtype != "null":
                raise Refused(f"calls {name} with a {value.dtype}; write {function.usage}")
        constants = [literal_text(argument) for argument in node.expressions]
        if function.same:
            values = _unified(values, node)
        dtype = function.returns or values[0].dtype
        values = [v.widened(min(kind)) if v.dtype == "null" else v for v, kind in zip(values, kinds, strict=True)]
        try:
            spark = function.spark([v.spark for v in values], constants)
        except ValueError as error:
            raise Refused(f"calls {name}: {error}") from error
        return Value(dtype, spark, f"{name}({', '.join(v.python for v in values)})")

    def _typed(self, node: exp.Expression, kinds: frozenset[str] | set[str], what: str) -> Value:
        value = self.render(node)
        if value.dtype not in kinds:
            raise Refused(f"applies {what} to {_quoted(node)}, a {value.dtype}; it takes {' or '.join(sorted(kinds))}")
        return value


def _quoted(node: exp.Expression) -> str:
    text = str(node.sql())
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"


def _integer(node: exp.Literal, negative: bool = False) -> Value:
    digits = str(node.this).lstrip("0") or "0"
    number = int(digits) * (-1 if negative else 1) if len(digits) < 20 else 2**63
    if not -(2**63) <= number < 2**63:
        raise Refused(f"writes {_quoted(node)}, which does not fit 64 bits; write it with a decimal point")
    return Value("int64", f"CAST({number} AS BIGINT)" if negative else f"{number}L", repr(number))


def _time(text: str, dtype: str) -> Value:
    """A date or time that is written out; without a zone it is in UTC."""
    try:
        moment = date.fromisoformat(text) if dtype == "date" else in_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise Refused(f"writes the {dtype} '{text}', which is none; write one such as {dtype} '2017-12-31'") from error
    plain = moment.replace(tzinfo=None) if isinstance(moment, datetime) else moment
    return Value(dtype, f"CAST('{plain}' AS {SPARK_TYPES[dtype]})", f"a_{dtype}({moment.isoformat()!r})")


def _unified(values: list[Value], node: exp.Expression) -> list[Value]:
    """The values as one dtype: the widest of them; NULL takes it on, unless there is nothing else."""
    dtypes = [v.dtype for v in values if v.dtype != "null"]
    if not dtypes:
        return values
    widest = next((d for d in dtypes if all(o == d or (o, d) in WIDER for o in dtypes)), None)
    if widest is None or not same_kind(dtypes) or widest not in ANY:
        raise Refused(f"mixes {' and '.join(dict.fromkeys(dtypes))} in {_quoted(node)}; convert one of them")
    return [v.widened(widest) for v in values]
