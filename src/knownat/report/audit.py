"""The leakage audit as a person reads it: what each input derives from, when that is known, and what is waived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knownat import ancestry, paths
from knownat.declaration import Declaration, FeatureView, ModelInput
from knownat.leakage import Leak, holds_own_event, leaks, of_the_row
from knownat.report.numbers import duration
from knownat.too_good import AUC, EXPECTATION


@dataclass(frozen=True)
class Row:
    """A declared feature; `views` only where it is not the same in each of its group's. `known[i]` is when `paths[i]` ends."""

    feature: str
    windows: tuple[str, ...]
    views: tuple[str, ...]
    paths: tuple[ancestry.Path, ...]
    known: tuple[str, ...]
    waiver: str
    finding: str


@dataclass(frozen=True)
class Group:
    """The views of one file; `entry` says whose values they hold, and from when on."""

    views: tuple[str, ...]
    entry: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Audit:
    """`columns`: the raw columns that all inputs derive from."""

    inputs: int
    columns: frozenset[str]
    groups: tuple[Group, ...]


def telling(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    """The inputs of the training set's gate that alone tell most about the label, with their AUC, best first."""
    judged = [r for r in results if r["expectation"]["type"] == EXPECTATION and r["expectation"]["meta"][AUC] is not None]
    found = [(str(r["column"]), float(r["expectation"]["meta"][AUC])) for r in judged]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:3]


def audit(declaration: Declaration, service: str) -> Audit:
    """All inputs of a service, by the file of their view."""
    inputs = declaration.inputs(service)
    found = {leak.feature: leak for leak in leaks(declaration, service, paths.FEATURE_REPO)}
    groups = []
    for stem in dict.fromkeys(item.view.stem for item in inputs):
        mine = [item for item in inputs if item.view.stem == stem]
        views = tuple(dict.fromkeys(item.view.name for item in mine))
        groups.append(Group(views, _entry(declaration, service, mine[0].view), _rows(declaration, service, mine, found)))
    every = {(item.view.table, path[-1]) for item in inputs for path in ancestry.paths(declaration, item.view, item.feature.name)}
    return Audit(len(inputs), frozenset(c if "." in c else f"{table}.{c}" for table, c in every), tuple(groups))


def _entry(declaration: Declaration, service: str, view: FeatureView) -> str:
    as_of, known = declaration.service(service).as_of, view.known_at
    when = "the known_at of the query" if known is None else known.column
    when = f"{duration(known.delay)} after {when}" if known and known.delay else when
    if of_the_row(declaration, view, as_of):
        return f"The row's own values, known at {when}."
    proven = view.table == declaration.event.table and known and not holds_own_event(declaration, view, as_of)
    return f"Values of other rows, each from {when} on{f'; the own row enters after {as_of}' if proven else ''}."


def _rows(declaration: Declaration, service: str, items: list[ModelInput], found: dict[str, Leak]) -> tuple[Row, ...]:
    """One for each feature as it is declared: windows, and views of other entities, are told apart only where they differ."""
    alike: dict[Row, list[ModelInput]] = {}
    for item in items:
        alike.setdefault(_row(declaration, service, item, found), []).append(item)
    views = tuple(dict.fromkeys(item.view.name for item in items))
    rows = []
    for row, same in alike.items():
        windows = tuple(dict.fromkeys(item.feature.window for item in same if item.feature.window))
        among = tuple(dict.fromkeys(item.view.name for item in same))
        rows.append(replace(row, windows=windows, views=among if among != views else ()))
    order = list(dict.fromkeys(row.feature for row in rows))
    return tuple(sorted(rows, key=lambda row: order.index(row.feature)))


def _row(declaration: Declaration, service: str, item: ModelInput, found: dict[str, Leak]) -> Row:
    ways, window = ancestry.paths(declaration, item.view, item.feature.name), item.feature.window
    return Row(
        feature=item.feature.name.removesuffix(f"_{window}") if window else item.feature.name,
        windows=(),
        views=(),
        paths=tuple(path[1:] for path in ways),
        known=tuple(ancestry.known_from(declaration, item.view, path) for path in ways),
        waiver=declaration.service(service).waivers.get(item.name, ""),
        finding=found[item.name].why if item.name in found else "",
    )
