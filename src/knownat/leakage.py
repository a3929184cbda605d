"""The part of the leakage audit that a declaration alone decides: what a service would know too early, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knownat import ancestry
from knownat.declaration import Declaration, FeatureView, KnownAt, full_name
from knownat.errors import KnownatError
from knownat.query_ancestry import Untraceable
from knownat.refusals import expect, listed

UNITS = {"DAY": 86400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}


@dataclass(frozen=True)
class Leak:
    """A feature that knows too much: its path to the culprit, what is wrong with that, and what would mend it."""

    feature: str
    path: ancestry.Path
    why: str
    remedy: str


def refuse_leaks(declared: Declaration, service: str, folder: Path) -> None:
    """Raises KnownatError for the features of the first view that leak for one reason, unless they are waived."""
    waived = declared.services[service].waivers
    found = [leak for leak in leaks(declared, service, folder) if leak.feature not in waived]
    if not found:
        return
    first = found[0]
    same = [leak for leak in found if (leak.why, leak.remedy) == (first.why, first.remedy)]
    raise KnownatError(
        f"{folder / 'services.yaml'}: {service} reads {listed(ancestry.shown(leak.path) for leak in same)}, {first.why}; "
        f"{first.remedy}, or say why it is no leak (waivers: {{{listed(f'{leak.feature}: …' for leak in same)}}})."
    )


def leaks(declared: Declaration, service: str, folder: Path) -> Iterator[Leak]:
    """What is wrong with each feature that a service reads, waived or not, in declared order."""
    as_of = declared.services[service].as_of
    for view in (declared.feature_views[name] for name in declared.services[service].views):
        file = folder / "views" / f"{view.stem}.{'sql' if view.sql is not None else 'yaml'}"
        if of_the_row(declared, view, as_of):
            yield from _in_the_row(declared, view, service, file)
        elif holds_own_event(declared, view, as_of):
            yield from _in_a_window(declared, view, service, file)


def of_the_row(declared: Declaration, view: FeatureView, as_of: str) -> bool:
    """Whether a view's features are values of the very row that is asked about, not of others before it."""
    if view.windows:
        return False
    own = view.entity == declared.event.entity and (view.sql is not None or view.table == declared.event.table)
    return own or holds_own_event(declared, view, as_of)


def holds_own_event(declared: Declaration, view: FeatureView, as_of: str) -> bool:
    """Whether nothing proves that a row of the event's table enters a view only after its own `as_of`."""
    if view.known_at is None or view.table != declared.event.table:
        return False
    table, known = declared.event_table, view.known_at
    # such a moment lies at the row's start or after it, so that only with a delay it lies after it for certain
    later = {column.known_at for column in table.columns.values()} if as_of == table.known_at else set()
    return not (known.delay and known.column in {as_of, *later})


def _in_the_row(declared: Declaration, view: FeatureView, service: str, file: Path) -> Iterator[Leak]:
    """What derives from the label, or is known later than the service asks."""
    remedy = f"change what it reads or when it is known in {file}, leave {view.name} out of {service}"
    for feature in view.features:
        found = ancestry.ancestors(declared, view, feature.name)
        name = full_name(view.name, feature.name)
        path, why = _from_label(declared, view, found) or _too_late(declared, view, found, service) or ((), "")
        if why:
            yield Leak(name, path or (name,), why, remedy)


def _from_label(declared: Declaration, view: FeatureView, found: dict[str, ancestry.Path]) -> tuple[ancestry.Path, str] | None:
    """The path to the label, or to what the label is computed from and is known later than the row's start."""
    of_event = {c: ancestry.located(declared, view, c) for c in found}
    names = {c: name for c, (table, name) in of_event.items() if table is declared.event_table}
    label, sources = declared.outcome.name, ancestry.columns_under(declared, declared.event_table, declared.outcome.name)
    start, known = declared.event_table.known_at, {c: listed(sorted(ancestry.moments(declared, view, c))) for c in found}
    culprits = [c for c, name in names.items() if name == label or (name in sources and known[c])]
    if not culprits:
        return None
    last = culprits[-1]  # the furthest from the feature: the path to it goes through the others
    derived = "the label itself" if names[last] == label else f"which the label {label} is computed from"
    late = f", known at {known[last]}, later than {start}" if known[last] else ""
    return found[last], f"{derived}{late}"


def _too_late(
    declared: Declaration, view: FeatureView, found: dict[str, ancestry.Path], service: str
) -> tuple[ancestry.Path, str] | None:
    """The path to a column, or no path but the whole view, that is known later than the service asks."""
    as_of, start = declared.services[service].as_of, declared.event_table.known_at
    known = view.known_at if view.entity == declared.event.entity else None  # another entity's rows were there before
    whole = known is not None and (known.column not in {as_of, start} or bool(known.delay))
    late = {c: m for c in found if (m := listed(sorted(ancestry.moments(declared, view, c) - {as_of})))}
    is_later = as_of == start or (known is not None and known.column == as_of)
    than = f"later than {as_of}" if is_later else f"not by {as_of} for all that is declared"
    if late:
        last = list(late)[-1]
        return found[last], f"known at {late[last]}, {than}{', as the whole view is' if whole else ''}"
    path = next(iter(found.values()), ())
    return (path, f"in a view that is known only at {written(view.known_at)}, {than}") if whole else None


def _in_a_window(declared: Declaration, view: FeatureView, service: str, file: Path) -> Iterator[Leak]:
    """Each feature of a view that counts the event that is asked about among the others."""
    as_of = declared.services[service].as_of
    why = f"whose view is known at {written(view.known_at)} and so holds the row's own event by {as_of}"
    moment = view.known_at.column if view.known_at and as_of == declared.event_table.known_at else as_of
    remedy = f"leave {view.name} out of {service}"
    others = [other for other in declared.services.values() if view.name in other.views]
    if all(holds_own_event(declared, view, other.as_of) for other in others):  # else it would change what is right for one
        remedy = f"write known_at: {moment} + INTERVAL 1 DAY in {file}, {remedy}"
    for feature in view.features:
        name = full_name(view.name, feature.name)
        furthest = list(ancestry.ancestors(declared, view, feature.name).values())[-1:]
        yield Leak(name, (furthest or [(name,)])[0], why, remedy)


def written(known: KnownAt | None) -> str:
    """A moment as a declaration writes it."""
    if known is None or not known.delay:
        return known.column if known else "its query's known_at"
    seconds = int(known.delay.total_seconds())
    number, unit = next((seconds // n, word) for word, n in UNITS.items() if seconds % n == 0)
    return f"{known.column} + INTERVAL {number} {unit}"


def refuse_early_query(declared: Declaration, view: FeatureView, folder: Path) -> None:
    """Raises KnownatError for a query whose known_at does not come from when its features are known. Not to be waived."""
    query = folder / "views" / f"{view.stem}.sql"
    try:
        moment = ancestry.ancestors(declared, view, ancestry.KNOWN_AT)
        features = {f.name: ancestry.ancestors(declared, view, f.name) for f in view.features}
    except Untraceable as reason:
        raise KnownatError(
            f"{query} cannot be followed column by column: {reason}; name each column, with its table where there are several."
        ) from reason
    for found in features.values():
        for column, path in reversed(found.items()):
            table = column.rpartition(".")[0]
            for late in sorted(ancestry.moments(declared, view, column)):
                known = f"{table}.{late}" if table else late
                expect(
                    known in moment,
                    f"{query}: {ancestry.shown(path)} is known at {known}, but known_at does not come from it "
                    f"({listed(ancestry.shown(p[1:]) for p in moment.values()) or 'from no column'}); "
                    f"compute known_at from {known}, or leave {column} out.",
                )
