"""What the parts of a declaration must agree on, each refused in one sentence that names file, key and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from knownat.declaration import Constraints, Declaration, FeatureView, KnownAt, Table, View, join_key, stored_key
from knownat.errors import KnownatError
from knownat.expressions import Expression, Refused, compile_expression

RESERVED = {"known_at", "event_timestamp", "line", "split", "reasons"}


class Checker:
    """Walks a loaded declaration; `folder` is where its files are, for the messages."""

    def __init__(self, declaration: Declaration, folder: Path) -> None:
        self.declared = declaration
        self.dataset = folder / "dataset.yaml"
        self.services = folder / "services.yaml"
        self.views = folder / "views"

    def check(self) -> None:
        for name, table in self.declared.tables.items():
            self._table(name, table)
        self._event_and_entities()
        self._label()
        for stem, view in self.declared.views.items():
            self._view(stem, view)
        self._names_of_views()
        for name in self.declared.services:
            self._service(name)

    def _table(self, name: str, table: Table) -> None:
        where = f"{self.dataset}: tables.{name}"
        for key in table.key:
            _expect(key in table.columns, f"{where}.key: '{key}' is no column of it; declare it under columns.")
        self._moment_column(f"{where}.known_at", table.known_at, table)
        _timezone(f"{where}.timezone", table.timezone)
        seen: dict[str, str] = {}
        for column, declared in table.columns.items():
            here = f"{where}.columns.{column}"
            _expect(column not in RESERVED, f"{here}: '{column}' is a name knownat uses itself; choose another.")
            _bounds(here, declared, declared.dtype)
            if declared.expr is not None:
                _expect(declared.source is None, f"{here}: a column is either read (from) or computed (expr); drop one.")
                _compiled(f"{here}.expr", declared.expr, seen, declared.dtype)
            if declared.known_at:
                self._moment_column(f"{here}.known_at", declared.known_at, table)
                late = _inputs_known(table, column) - {declared.known_at}
                _expect(not late, f"{here}.known_at: it is computed from what is known at {_list(late)}; say that instead.")
            seen[column] = declared.dtype
        sources = list(table.raw_columns.values())
        twice = sorted({s for s in sources if sources.count(s) > 1})
        _expect(not twice, f"{where}.columns: {_list(twice)} of the file is read twice; drop one.")
        for filter_name, text in table.filters.items():
            here = f"{where}.filters.{filter_name}"
            expression = _compiled(here, text, seen, "bool")
            self._known_in_time(here, expression, table, KnownAt(table.known_at, timedelta()))

    def _moment_column(self, where: str, column: str, table: Table) -> None:
        found = table.columns.get(column)
        _expect(found is not None, f"{where}: '{column}' is no column of the table; name one of its timestamp columns.")
        _expect(found is not None and found.dtype == "timestamp", f"{where}: '{column}' is no timestamp; declare it as one.")

    def _event_and_entities(self) -> None:
        declared = self.declared
        _expect(
            declared.event.table in declared.tables,
            f"{self.dataset}: event.table: there is no table '{declared.event.table}'; declare it under tables.",
        )
        self._entity(f"{self.dataset}: event.entity", declared.event.entity, declared.event_table)
        for entity in declared.entities:
            for name, table in declared.tables.items():
                key = join_key(entity)
                clash = key in table.columns and declared.entities[entity] != key
                _expect(not clash, f"{self.dataset}: entities.{entity}: its key '{key}' is another column of {name}; rename one.")

    def _entity(self, where: str, entity: str, table: Table) -> None:
        text = self.declared.entities.get(entity)
        _expect(text is not None, f"{where}: there is no entity '{entity}'; declare it under entities in {self.dataset}.")
        expression = _compiled(f"{self.dataset}: entities.{entity}", text or "", dtypes(table), "string")
        self._known_in_time(f"{where}: entity '{entity}'", expression, table, KnownAt(table.known_at, timedelta()))

    def _label(self) -> None:
        label, table = self.declared.outcome, self.declared.event_table
        where = f"{self.dataset}: label"
        taken = label.name in table.columns or label.name in RESERVED
        _expect(not taken, f"{where}.name: '{label.name}' is a column already; choose another.")
        _compiled(f"{where}.expr", label.expr, dtypes(table), "bool")
        moments = label_known_at(self.declared)
        _expect(
            len(moments) <= 1,
            f"{where}.expr: it reads columns known at different moments ({_list(moments)}); compute it from one of them.",
        )

    def _view(self, stem: str, view: View) -> None:
        where = f"{self.views / stem}.yaml"
        _expect(stem.isidentifier() and stem == stem.lower(), f"{where}: name the file in lower_case words.")
        _expect((view.entity is None) != (view.entities is None), f"{where}: give it an entity or entities, one of the two.")
        name = view.table or self.declared.event.table
        _expect(name in self.declared.tables, f"{where}: table: there is no table '{name}'; declare it in {self.dataset}.")
        table = self.declared.tables[name]
        for entity in view.entities or [view.entity or ""]:
            self._entity(where, entity, table)
        keys = {make(e) for e in self.declared.entities for make in (join_key, stored_key)}
        for feature, declared in view.features.items():
            here = f"{where}: features.{feature}"
            _expect(feature not in keys, f"{here}: '{feature}' is also the key of an entity; rename the feature.")
            _expect(feature not in RESERVED, f"{here}: '{feature}' is a name knownat uses itself; choose another.")
            _bounds(here, declared, declared.dtype)
        if view.sql is not None:
            self._query(where, view)
            return
        _expect(view.known_at is not None, f"{where}: known_at is missing; say when a row's features become knowable.")
        moment = KnownAt.parse(view.known_at or "")
        self._moment_column(f"{where}: known_at", moment.column, table)
        self._kind_of_view(where, view)
        for feature in view.features:
            self._feature(f"{where}: features.{feature}", view, feature, moment)

    def _kind_of_view(self, where: str, view: View) -> None:
        aggregated = [name for name, feature in view.features.items() if feature.agg]
        _expect(
            not aggregated or view.windows is not None,
            f"{where}: features.{(aggregated or [''])[0]}.agg needs windows; add `windows: [30d]` to the view.",
        )
        if view.windows is None:
            return
        _expect(bool(view.windows), f"{where}: windows is empty; name a window such as 30d or drop it.")
        _expect(len(set(view.windows)) == len(view.windows), f"{where}: windows names one twice; drop it.")
        _expect(view.ttl is None, f"{where}: ttl: a windowed view has none, since a row stands until the next; drop it.")
        plain = [name for name in view.features if name not in aggregated]
        _expect(not plain, f"{where}: features.{(plain or [''])[0]}: in a windowed view each needs agg: count, sum or mean.")

    def _feature(self, where: str, view: View, name: str, moment: KnownAt) -> None:
        table, columns = self.declared.tables[view.table or self.declared.event.table], self.columns(view)
        feature = view.features[name]
        if feature.agg == "count" and feature.expr is None:
            _expect(feature.dtype == "int64", f"{where}.dtype: a count is int64; say so.")
            return
        expression = _compiled(f"{where}.expr", feature.expr or name, columns, None)
        if feature.agg:
            _aggregated(where, feature.agg, feature.dtype, expression.dtype)
        else:
            _compiled(f"{where}.expr", feature.expr or name, columns, feature.dtype)
        self._known_in_time(where, expression, table, moment)

    def columns(self, view: View) -> dict[str, str]:
        """What a view's expressions may read: its table's columns, and the label beside the event's."""
        table = view.table or self.declared.event.table
        extra = {self.declared.outcome.name: "bool"} if table == self.declared.event.table else {}
        return dtypes(self.declared.tables[table]) | extra

    def _known_in_time(self, where: str, expression: Expression, table: Table, moment: KnownAt) -> None:
        for column in expression.columns:
            known = known_at(self.declared, table, column)
            late = known - {moment.column}
            _expect(
                not late,
                f"{where} reads '{column}', which is known at {_list(late)}, later than {moment.column}; "
                f"know it from then on (known_at: {_list(late)}) or leave the column out.",
            )

    def _query(self, where: str, view: View) -> None:
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError

        query = where.removesuffix(".yaml") + ".sql"
        odd = [n for n, f in view.features.items() if f.expr or f.agg]
        _expect(not odd, f"{where}: features.{(odd or [''])[0]}: {query} computes it; drop its expr and agg.")
        unused = [key for key in ("windows", "known_at") if getattr(view, key)]
        _expect(not unused, f"{where}: {_list(unused)}: {query} returns known_at and the features itself; drop it.")
        _expect(view.entity is not None, f"{where}: a view with SQL has one entity; name it under entity.")
        try:
            tree = sqlglot.parse_one(view.sql or "", read="spark")
        except SqlglotError as error:
            raise KnownatError(f"{query} does not parse: {str(error).splitlines()[0]} Mend the query.") from error
        _expect(isinstance(tree, exp.Query), f"{query} is not one SELECT; write one.")
        inner = {cte.alias for cte in tree.find_all(exp.CTE)}
        unknown = {t.name for t in tree.find_all(exp.Table)} - inner - set(self.declared.tables)
        _expect(not unknown, f"{query} reads {_list(unknown)}, which is not declared; tables: {_list(self.declared.tables)}.")
        wanted = [join_key(view.entity or ""), "known_at", *view.features]
        got = tree.named_selects if isinstance(tree, exp.Query) else []
        _expect(sorted(got) == sorted(wanted), f"{query} returns {_list(got)}; it must return {_list(wanted)}.")

    def _names_of_views(self) -> None:
        names = [v.name for stem in self.declared.views for v in self.declared._expand(stem)]
        twice = {name for name in names if names.count(name) > 1}
        _expect(not twice, f"{self.views}: {_list(twice)} is declared twice (entities are put before a view's name); rename one.")

    def _service(self, name: str) -> None:
        service, table = self.declared.services[name], self.declared.event_table
        where = f"{self.services}: {name}"
        self._moment_column(f"{where}.as_of", service.as_of, table)
        views = self.declared.feature_views
        for view in service.views:
            _expect(view in views, f"{where}.views: there is no feature view '{view}'; declared: {_list(views)}.")
            self._own_event(where, views[view], service.as_of)
        _expect(len(set(service.views)) == len(service.views), f"{where}.views names a view twice; drop it.")
        _expect(
            any(not view.windows and view.entity == self.declared.event.entity for view in (views[v] for v in service.views)),
            f"{where}.views: no view describes the event's entity '{self.declared.event.entity}' itself; add one.",
        )

    def _own_event(self, where: str, view: FeatureView, as_of: str) -> None:
        counts_itself = (
            bool(view.windows) and view.table == self.declared.event.table and view.known_at == KnownAt(as_of, timedelta())
        )
        _expect(
            not counts_itself,
            f"{self.views / view.stem}.yaml: known_at: asked as of {as_of} (service of {where}), its windows would count the "
            f"row's own event; write {as_of} + INTERVAL 1 DAY.",
        )


def check(declaration: Declaration, folder: Path) -> None:
    """Raises KnownatError for the first part that does not agree with the rest."""
    Checker(declaration, folder).check()


def dtypes(table: Table) -> dict[str, str]:
    return {name: column.dtype for name, column in table.columns.items()}


def known_at(declaration: Declaration, table: Table, column: str) -> frozenset[str]:
    """The moments (columns) at which a column becomes known; empty: with the row itself."""
    if column not in table.columns:
        return label_known_at(declaration)
    declared = table.columns[column]
    if declared.known_at:
        return frozenset({declared.known_at} - {table.known_at})
    return _inputs_known(table, column, declaration)


def _inputs_known(table: Table, column: str, declaration: Declaration | None = None) -> frozenset[str]:
    text = table.columns[column].expr
    if text is None:
        return frozenset()
    read = compile_expression(text, dtypes(table)).columns
    moments = (frozenset({m}) if (m := table.columns[c].known_at) else _inputs_known(table, c, declaration) for c in read)
    return frozenset().union(*moments) - {table.known_at}


def label_known_at(declaration: Declaration) -> frozenset[str]:
    """The moment at which a label counts; empty: with the row itself."""
    table = declaration.event_table
    read = compile_expression(declaration.outcome.expr, dtypes(table)).columns
    return frozenset().union(*(known_at(declaration, table, column) for column in read))


def _aggregated(where: str, agg: str, dtype: str, given: str) -> None:
    yields = {"count": "int64", "mean": "float64", "sum": "float64" if given == "float64" else "int64"}[agg]
    _expect(dtype == yields, f"{where}.dtype: a {agg} of {given} is {yields}; say so.")
    if agg != "count":
        _expect(given in {"int64", "float64", "bool"}, f"{where}.expr: a {agg} takes a number or a boolean; it yields {given}.")


def _compiled(where: str, text: str, columns: Mapping[str, str], dtype: str | None) -> Expression:
    try:
        return compile_expression(text, columns, dtype)
    except Refused as refused:
        raise KnownatError(f"{where}: '{text}' {refused}.") from refused


def _bounds(where: str, declared: Constraints, dtype: str) -> None:
    for key in ("min", "max"):
        value = getattr(declared, key)
        if value is None:
            continue
        numeric = not isinstance(value, str)
        _expect(dtype not in {"string", "bool"}, f"{where}.{key}: a {dtype} has no bounds; drop it.")
        if dtype in {"int64", "float64"}:
            _expect(numeric, f"{where}.{key}: {value!r} is no number; write one.")
        else:
            _expect(not numeric and _is_time(value), f"{where}.{key}: {value!r} is no date; write one such as 2009-04-21.")
    if declared.min is not None and declared.max is not None:
        _expect(declared.min <= declared.max, f"{where}: min is above max; swap them.")  # type: ignore[operator]
    if declared.values is not None:
        kind = {"string": str, "int64": int}.get(dtype)
        _expect(kind is not None, f"{where}.values: a {dtype} has no list of values; drop it.")
        odd = [v for v in declared.values if kind is not None and not isinstance(v, kind)]
        _expect(not odd, f"{where}.values: {_list(map(repr, odd))} is no {dtype}; quote or correct it.")
        _expect(bool(declared.values), f"{where}.values is empty; list what is allowed or drop it.")


def _is_time(value: object) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _timezone(where: str, name: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise KnownatError(f"{where}: '{name}' is no time zone; write one such as Europe/Oslo or UTC.") from error


def _list(names: object) -> str:
    items: Iterator[object] = iter(names)  # type: ignore[call-overload]
    return ", ".join(map(str, items))


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise KnownatError(sentence)
