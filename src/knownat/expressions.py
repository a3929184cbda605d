"""Declared expressions: one parse, a type, and the same value in Spark SQL and in DuckDB.

An expression is parsed with no dialect's functions, so that only what stands in `functions.FUNCTIONS` has a meaning;
each part is rendered for both engines from one place. Whatever cannot be computed (a division by zero, an overflow,
the logarithm of zero) is null in both, and so is a result that is not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from knownat.functions import ANY, FUNCTIONS, NUMERIC, DuckDB, Spark, literal_text, same_kind

SPARK_TYPES = {
    "string": "STRING", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "timestamp": "TIMESTAMP", "date": "DATE",
}  # fmt: skip
DUCKDB_TYPES = SPARK_TYPES | {"string": "VARCHAR"}
WIDER = {("int64", "float64"), ("date", "timestamp")}


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
    """A part of an expression: its dtype and its text for each engine."""

    dtype: str
    spark: str
    duckdb: str

    def widened(self, dtype: str) -> Value:
        if dtype == self.dtype:
            return self
        return Value(dtype, f"CAST({self.spark} AS {SPARK_TYPES[dtype]})", f"CAST({self.duckdb} AS {DUCKDB_TYPES[dtype]})")


@dataclass(frozen=True)
class Expression:
    """A whole expression: what it yields, what it reads, and its SQL."""

    dtype: str
    columns: tuple[str, ...]
    spark: str
    duckdb: str


def compile_expression(text: str, columns: Mapping[str, str], dtype: str | None = None) -> Expression:
    """Compile against the dtypes of the columns it may read; `dtype` is what it must yield.

    Raises Refused, naming the part that is not allowed.
    """
    return _compile(text, tuple(columns.items()), dtype)


@lru_cache(maxsize=4096)
def _compile(text: str, columns: tuple[tuple[str, str], ...], dtype: str | None) -> Expression:
    tree = _parse(text)
    value = _Renderer(dict(columns)).render(tree)
    wanted = dtype or value.dtype
    if value.dtype == "null":
        value = Value(wanted, f"CAST(NULL AS {SPARK_TYPES[wanted]})", f"CAST(NULL AS {DUCKDB_TYPES[wanted]})")
    if value.dtype != wanted and (value.dtype, wanted) not in WIDER:
        raise Refused(f"yields {value.dtype}, but {wanted} is declared; change the dtype or convert with floor() or CAST")
    value = value.widened(wanted)
    if wanted == "float64":
        value = Value(wanted, _finite(value.spark), _finite(value.duckdb))
    read = dict.fromkeys(column.name for column in tree.find_all(exp.Column))
    return Expression(wanted, tuple(read), value.spark, value.duckdb)


def _finite(sql: str) -> str:
    infinity = "CAST('Infinity' AS DOUBLE)"
    return f"CASE WHEN abs({sql}) < {infinity} THEN {sql} END"


def _parse(text: str) -> exp.Expression:
    try:
        trees = sqlglot.parse(text, read=_Plain)
    except SqlglotError as error:
        details = getattr(error, "errors", None)
        reason = details[0]["description"].rstrip(".") if details else str(error).splitlines()[0]
        raise Refused(f"does not parse: {reason}") from error
    if len(trees) != 1 or trees[0] is None:
        raise Refused("is not one expression")
    return trees[0]


OFFERED = f"+ - * / %, comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL, CASE, CAST, {', '.join(sorted(FUNCTIONS))}"
BINARY = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
SPARK_TRY = {exp.Add: "try_add", exp.Sub: "try_subtract", exp.Mul: "try_multiply"}
COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
CASTS = {
    ("int64", "float64"), ("bool", "int64"), ("timestamp", "date"), ("date", "timestamp"), ("int64", "string"), ("date", "string"),
}  # fmt: skip


class _Renderer:
    """Renders a tree for both engines, one method a kind of node."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns

    def render(self, node: exp.Expression) -> Value:
        if type(node) in BINARY:
            return self._arithmetic(node)
        if type(node) in COMPARISONS:
            return self._comparison(node)
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise Refused(f"uses {node.sql()}, which is not offered; offered are {OFFERED}")
        value: Value = method(node)
        return value

    def _paren(self, node: exp.Paren) -> Value:
        inner = self.render(node.this)
        return Value(inner.dtype, f"({inner.spark})", f"({inner.duckdb})")

    def _column(self, node: exp.Column) -> Value:
        if node.table or node.name not in self.columns:
            raise Refused(f"reads the column '{node.sql()}', which is not there; columns: {', '.join(self.columns)}")
        return Value(self.columns[node.name], f"`{node.name}`", f'"{node.name}"')

    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return Value("string", Spark.text(node.this), DuckDB.text(node.this))
        if node.is_int:
            return Value("int64", f"{node.this}L", f"CAST({node.this} AS BIGINT)")
        return Value("float64", f"{node.this}D", f"CAST({node.this} AS DOUBLE)")

    def _boolean(self, node: exp.Boolean) -> Value:
        text = "TRUE" if node.this else "FALSE"
        return Value("bool", text, text)

    def _null(self, _: exp.Null) -> Value:
        return Value("null", "NULL", "NULL")

    def _neg(self, node: exp.Neg) -> Value:
        inner = self._typed(node.this, NUMERIC, "-")
        return Value(inner.dtype, f"(-{inner.spark})", f"(-{inner.duckdb})")

    def _arithmetic(self, node: exp.Expression) -> Value:
        left, right = (self._typed(side, NUMERIC, BINARY[type(node)]) for side in (node.left, node.right))
        left, right = _unified([left, right], node)
        sign = BINARY[type(node)]
        return Value(
            left.dtype,
            f"{SPARK_TRY[type(node)]}({left.spark}, {right.spark})",
            f"TRY({left.duckdb} {sign} {right.duckdb})",
        )

    def _div(self, node: exp.Div) -> Value:
        left, right = (self._typed(side, NUMERIC, "/").widened("float64") for side in (node.left, node.right))
        return Value("float64", f"try_divide({left.spark}, {right.spark})", f"({left.duckdb} / NULLIF({right.duckdb}, 0))")

    def _mod(self, node: exp.Mod) -> Value:
        left, right = (self._typed(side, {"int64"}, "%") for side in (node.left, node.right))
        return Value("int64", f"try_mod({left.spark}, {right.spark})", f"({left.duckdb} % NULLIF({right.duckdb}, 0))")

    def _comparison(self, node: exp.Expression) -> Value:
        left, right = _unified([self.render(node.left), self.render(node.right)], node)
        sign = COMPARISONS[type(node)]
        return Value("bool", f"({left.spark} {sign} {right.spark})", f"({left.duckdb} {sign} {right.duckdb})")

    def _and(self, node: exp.And) -> Value:
        return self._logic(node, "AND")

    def _or(self, node: exp.Or) -> Value:
        return self._logic(node, "OR")

    def _logic(self, node: exp.Connector, word: str) -> Value:
        left, right = (self._typed(side, {"bool"}, word) for side in (node.left, node.right))
        return Value("bool", f"({left.spark} {word} {right.spark})", f"({left.duckdb} {word} {right.duckdb})")

    def _not(self, node: exp.Not) -> Value:
        inner = self._typed(node.this, {"bool"}, "NOT")
        return Value("bool", f"(NOT {inner.spark})", f"(NOT {inner.duckdb})")

    def _is(self, node: exp.Is) -> Value:
        if not isinstance(node.expression, exp.Null):
            raise Refused(f"uses {node.sql()}; only IS NULL and IS NOT NULL are offered")
        inner = self.render(node.this)
        return Value("bool", f"({inner.spark} IS NULL)", f"({inner.duckdb} IS NULL)")

    def _in(self, node: exp.In) -> Value:
        if not node.expressions:
            raise Refused(f"uses {node.sql()}; IN takes a list of values")
        head, *rest = _unified([self.render(node.this), *map(self.render, node.expressions)], node)
        spark, duckdb = (", ".join(getattr(v, engine) for v in rest) for engine in ("spark", "duckdb"))
        return Value("bool", f"({head.spark} IN ({spark}))", f"({head.duckdb} IN ({duckdb}))")

    def _between(self, node: exp.Between) -> Value:
        v, low, high = _unified([self.render(node.this), self.render(node.args["low"]), self.render(node.args["high"])], node)
        return Value(
            "bool",
            f"({v.spark} BETWEEN {low.spark} AND {high.spark})",
            f"({v.duckdb} BETWEEN {low.duckdb} AND {high.duckdb})",
        )

    def _case(self, node: exp.Case) -> Value:
        branches = node.args["ifs"]
        subject = node.this
        tests = [self.render(exp.EQ(this=subject.copy(), expression=b.this.copy()) if subject else b.this) for b in branches]
        if any(test.dtype != "bool" for test in tests):
            raise Refused(f"uses {node.sql()}, whose conditions are not all true or false; compare them with something")
        otherwise = self.render(node.args["default"]) if node.args.get("default") else Value("null", "NULL", "NULL")
        *results, default = _unified([*(self.render(b.args["true"]) for b in branches), otherwise], node)
        spark = " ".join(f"WHEN {t.spark} THEN {r.spark}" for t, r in zip(tests, results, strict=True))
        duckdb = " ".join(f"WHEN {t.duckdb} THEN {r.duckdb}" for t, r in zip(tests, results, strict=True))
        dtype = default.dtype if default.dtype != "null" else results[0].dtype
        return Value(dtype, f"CASE {spark} ELSE {default.spark} END", f"CASE {duckdb} ELSE {default.duckdb} END")

    def _if(self, node: exp.If) -> Value:
        return self._case(exp.Case(ifs=[node.copy()], default=node.args.get("false")))

    def _cast(self, node: exp.Cast) -> Value:
        names = {"DOUBLE": "float64", "FLOAT64": "float64", "BIGINT": "int64", "DATE": "date", "TIMESTAMP": "timestamp"}
        names |= {"VARCHAR": "string", "TEXT": "string", "STRING": "string", "TIMESTAMPTZ": "timestamp"}
        dtype = names.get(node.to.this.name if hasattr(node.to.this, "name") else str(node.to.this))
        inner = self.render(node.this)
        is_date_text = isinstance(node.this, exp.Literal) and dtype in {"date", "timestamp"}
        if dtype is None or not (inner.dtype == dtype or (inner.dtype, dtype) in CASTS or is_date_text):
            raise Refused(f"uses {node.sql()}: {inner.dtype} is not converted to {node.to.sql()}")
        return inner if inner.dtype == dtype else inner.widened(dtype)

    def _anonymous(self, node: exp.Anonymous) -> Value:
        name = str(node.this).lower()
        if name not in FUNCTIONS:
            raise Refused(f"uses the function '{name}', which is not on the list; offered are {OFFERED}")
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
        try:
            spark = function.spark([v.spark for v in values], constants)
            duckdb = function.duckdb([v.duckdb for v in values], constants)
        except ValueError as error:
            raise Refused(f"calls {name}: {error}") from error
        return Value(function.returns or values[-1].dtype, spark, duckdb)

    def _typed(self, node: exp.Expression, kinds: frozenset[str] | set[str], what: str) -> Value:
        value = self.render(node)
        if value.dtype not in kinds:
            raise Refused(f"applies {what} to {node.sql()}, a {value.dtype}; it takes {' or '.join(sorted(kinds))}")
        return value


def _unified(values: list[Value], node: exp.Expression) -> list[Value]:
    """The values as one dtype: the widest of them."""
    dtypes = [v.dtype for v in values if v.dtype != "null"]
    if not dtypes:
        return values
    widest = next((d for d in dtypes if all(o == d or (o, d) in WIDER for o in dtypes)), None)
    if widest is None or not same_kind(dtypes) or widest not in ANY:
        raise Refused(f"mixes {' and '.join(dict.fromkeys(dtypes))} in {node.sql()}; convert one of them")
    return [v if v.dtype == "null" else v.widened(widest) for v in values]
