"""From a model's input back to the columns of the source files that it derives from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from knownat import ancestry
from knownat.declaration import Declaration, FeatureView, ModelInput
from knownat.errors import KnownatError
from knownat.leakage import written
from knownat.query_ancestry import Untraceable


@dataclass(frozen=True)
class Origin:
    """A column that is read from a file: `field` is its name there; `known_at` a column, when the value is known.

    `path`: the feature, then column after column, down to this one.
    """

    path: ancestry.Path
    table: str
    column: str
    field: str
    known_at: str


@dataclass(frozen=True)
class Input:
    """A feature under its full name; `known_at`: when its rows are; `services`: those whose model reads it."""

    name: str
    dtype: str
    description: str
    known_at: str
    services: tuple[str, ...]
    table: str
    origins: tuple[Origin, ...]


def inputs(declaration: Declaration) -> dict[str, ModelInput]:
    """Every declared feature by its full name."""
    made = (ModelInput(view, feature) for view in declaration.feature_views.values() for feature in view.features)
    return {found.name: found for found in made}


def traced(declaration: Declaration, name: str) -> Input:
    """Raises KnownatError for what is no feature, and for a query that cannot be followed."""
    known = inputs(declaration)
    if name not in known:
        near = get_close_matches(name, list(known), n=5, cutoff=0.5)
        choice = (
            f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(list(known)[:3])} and {len(known) - 3} more."
        )
        raise KnownatError(f"'{name}' is neither a feature nor a file that dvc.lock names nor (8 digits of) a lineage id; {choice}")
    view, feature = known[name].view, known[name].feature
    text = feature.declared.description + (f" (last {feature.window})" if feature.window else "")
    services = tuple(service for service, declared in declaration.services.items() if view.name in declared.views)
    try:
        found = tuple(origins(declaration, view, feature.name))
    except Untraceable as error:
        raise KnownatError(f"{name}: its query cannot be followed: {error}; name its columns one by one in it.") from error
    return Input(name, feature.dtype, text.strip(), written(view.known_at), services, view.table, found)


def origins(declaration: Declaration, view: FeatureView, feature: str) -> list[Origin]:
    """Each column of a file that a feature derives from; raises Untraceable."""
    found = []
    for path in ancestry.paths(declaration, view, feature):
        table, column = ancestry.located(declaration, view, path[-1])
        if column not in table.raw_columns:
            continue
        name = next(name for name, declared in declaration.tables.items() if declared is table)
        found.append(Origin(path, name, column, table.raw_columns[column], ancestry.known_from(declaration, view, path)))
    return found


def label_origins(declaration: Declaration) -> list[tuple[str, str]]:
    """(table, column) of what is read from a file and the label derives from."""
    table = declaration.event_table
    under = ancestry.columns_under(declaration, table, declaration.outcome.name)
    return [(declaration.event.table, column) for column in under if column in table.raw_columns]


def as_json(found: Input) -> Mapping[str, object]:
    return {
        "input": found.name,
        "dtype": found.dtype,
        "description": found.description,
        "known_at": found.known_at,
        "services": list(found.services),
        "table": found.table,
        "columns": [
            {"table": o.table, "column": o.column, "from": o.field, "known_at": o.known_at, "path": list(o.path)}
            for o in found.origins
        ],
    }


def as_text(found: Input) -> str:
    head = [f"{found.name} ({found.dtype}), known at {found.known_at}"]
    head += [found.description] if found.description else []
    head.append(f"read by {', '.join(found.services)}" if found.services else "read by no service")
    if not found.origins:
        return "\n".join(
            [*head, f"It counts rows of {found.table}: no column of a file enters it but those that say which and when."]
        )
    lines = [f"  {ancestry.shown(o.path)}: '{o.field}' of {o.table}, known at {o.known_at}" for o in found.origins]
    return "\n".join([*head, "It derives from:", *lines])
