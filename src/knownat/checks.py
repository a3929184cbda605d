"""What the parts of a declaration must agree on, each refused in one sentence that names file, key and remedy."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knownat.bounds import check_bounds
from knownat.declaration import Column, Declaration, Table, join_key
from knownat.errors import KnownatError
from knownat.known_times import dtypes, inputs_known_at, label_known_at
from knownat.leakage import refuse_leaks
from knownat.refusals import (
    compiled,
    entity_of,
    expect,
    expect_free,
    expect_known,
    expect_none,
    expect_once,
    expect_timestamp,
    listed,
)
from knownat.view_checks import check_view


def check(declaration: Declaration, folder: Path) -> None:
    """Raises KnownatError for the first part that does not agree with the rest; `folder` is where its files are."""
    dataset = folder / "dataset.yaml"
    for name, table in declaration.tables.items():
        _table(f"{dataset}: tables.{name}", table)
    _event(declaration, dataset)
    _label(declaration, dataset)
    for name, table in declaration.tables.items():
        _filters(f"{dataset}: tables.{name}.filters", declaration, table)
    for entity in declaration.entities:
        _entity(declaration, entity, dataset)
    for stem in declaration.views:
        check_view(declaration, stem, folder)
    _names_of_views(declaration, folder)
    expect(bool(declaration.services), f"{folder / 'services.yaml'} declares no service; add one.")
    for name in declaration.services:
        _service(declaration, name, folder)


def _table(where: str, table: Table) -> None:
    for key in table.key:
        expect(key in table.columns, f"{where}.key: '{key}' is no column of it; declare it under columns.")
        expect(table.columns[key].required, f"{where}.key: '{key}' may be missing; add required: true to the column.")
        late = listed(sorted(_known_later(table, key) - {table.known_at}))
        expect(not late, f"{where}.key: '{key}' is known only at {late}; a row is told by what is known from its start.")
    expect_once(table.key, f"{where}.key")
    expect_timestamp(f"{where}.known_at", table.known_at, table)
    _timezone(f"{where}.timezone", table.timezone)
    before: dict[str, str] = {}
    for name, column in table.columns.items():
        _column(f"{where}.columns.{name}", name, table, before)
        before[name] = column.dtype
    later = listed(sorted(_known_later(table, table.known_at)))
    expect(
        not later,
        f"{where}.known_at: '{table.known_at}' is itself known only at {later}; name another column.",
    )
    sources = list(table.raw_columns.values())
    twice = sorted({s for s in sources if sources.count(s) > 1})
    expect_none(twice, f"{where}.columns: {{0}} of the file is read twice; drop one.")


def _column(where: str, name: str, table: Table, before: dict[str, str]) -> None:
    """`before`: the dtypes of the columns declared before it, which it may be computed from."""
    column = table.columns[name]
    expect_free(where, name)
    of_raw = name.startswith("raw_") and name.removeprefix("raw_") in table.raw_columns
    expect(not of_raw, f"{where}: '{name}' is what knownat calls the text of another column; choose another name.")
    check_bounds(where, column, column.dtype)
    if column.expr is not None:
        expect(column.source is None, f"{where}: a column is either read (from) or computed (expr); drop one.")
        compiled(f"{where}.expr", column.expr, before, column.dtype)
    if column.known_at:
        expect_timestamp(f"{where}.known_at", column.known_at, table)
        _moment(where.removesuffix(name) + column.known_at, column.known_at, table)
        late = sorted(inputs_known_at(table, name) - {column.known_at})
        expect_none(late, f"{where}.known_at: it is computed from what is known at {{0}}; say that instead.")


def _moment(where: str, name: str, table: Table) -> None:
    """A moment that is read from the file is either planned, and known before it comes, or known when it comes."""
    moment = table.columns[name]
    is_said = name == table.known_at or moment.expr is not None or moment.known_at is not None
    expect(
        is_said,
        f"{where}: other columns are known at it; say whether it is known from the start (known_at: {table.known_at}) or only "
        f"once it has come (known_at: {name}).",
    )


def _known_later(table: Table, column: str) -> frozenset[str]:
    declared: Column = table.columns[column]
    return frozenset({declared.known_at} - {column}) if declared.known_at else inputs_known_at(table, column)


def _event(declared: Declaration, dataset: Path) -> None:
    event = declared.event
    known = event.table in declared.tables
    expect(known, f"{dataset}: event.table: there is no table '{event.table}'; declare it under tables.")
    known = event.entity in declared.entities
    expect(known, f"{dataset}: event.entity: there is no entity '{event.entity}'; declare it under entities.")


def _entity(declared: Declaration, entity: str, dataset: Path) -> None:
    """Every entity can be told from the event at its start: that is where its key is looked up from."""
    where, key = f"{dataset}: entities.{entity}", join_key(entity)
    entity_of(where, entity, declared, declared.event_table, dataset)
    for name, table in declared.tables.items():
        clash = key in table.columns and declared.entities[entity].strip() != key
        expect(not clash, f"{where}: its key '{key}' is another column of {name}; rename one.")
    expect(key != declared.outcome.name, f"{where}: its key '{key}' is also the label's name; rename one.")


def _filters(where: str, declared: Declaration, table: Table) -> None:
    for name, text in table.filters.items():
        expression = compiled(f"{where}.{name}", text, dtypes(table), "bool")
        expect_known(f"{where}.{name}", expression, declared, table)


def _label(declared: Declaration, dataset: Path) -> None:
    label, table, where = declared.outcome, declared.event_table, f"{dataset}: label"
    expect_free(f"{where}.name", label.name)
    expect(label.name not in table.columns, f"{where}.name: '{label.name}' is a column already; choose another.")
    compiled(f"{where}.expr", label.expr, dtypes(table), "bool")
    moments = sorted(label_known_at(declared))
    expect(
        bool(moments),
        f"{where}.expr: it reads only what is known from the row's start, so there would be nothing to predict; say when "
        f"{listed(compiled(where, label.expr, dtypes(table)).columns)} becomes known (known_at, under columns).",
    )
    expect(
        len(moments) <= 1,
        f"{where}.expr: it reads columns known at different moments ({listed(moments)}); compute it from one of them.",
    )


def _names_of_views(declared: Declaration, folder: Path) -> None:
    names = [view.name for stem in declared.views for view in declared.expanded(stem)]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    expect_none(twice, f"{folder / 'views'}: {{0}} is declared twice (an entity's name is put first); rename one.")
    tables = [name for name in names if name in declared.tables]
    expect_none(tables, f"{folder / 'views'}: {{0}} is also the name of a table; rename one.")


def _service(declared: Declaration, name: str, folder: Path) -> None:
    service, where = declared.services[name], f"{folder / 'services.yaml'}: {name}"
    expect_timestamp(f"{where}.as_of", service.as_of, declared.event_table)
    views, entity = declared.feature_views, declared.event.entity
    for view in service.views:
        expect(view in views, f"{where}.views: there is no feature view '{view}'; declared: {listed(views)}.")
    expect_once(service.views, f"{where}.views")
    inputs = [item.name for item in declared.inputs(name)]
    for waived in service.waivers:
        expect(waived in inputs, f"{where}.waivers: the service reads no feature '{waived}'; drop it, or write <view>__<feature>.")
    own = any(not view.windows and view.entity == entity for view in (views[v] for v in service.views))
    expect(own, f"{where}.views: no view describes the event's entity '{entity}' itself; add one.")
    refuse_leaks(declared, name, folder)


def _timezone(where: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise KnownatError(f"{where}: '{name}' is no time zone; write one such as Europe/Oslo or UTC.") from error
