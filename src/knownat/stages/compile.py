"""From `feature_repo/` to the part of the declaration that each stage needs, so that a stage reruns for its own part only."""

from __future__ import annotations

from collections.abc import Callable

from knownat import paths
from knownat.checks import check
from knownat.console import Counts, run_stage
from knownat.declaration import Constraints, Declaration, Model, Service, Table, View
from knownat.files import write_text
from knownat.loading import load_declaration

NO_BOUNDS = {name: field.default for name, field in Constraints.model_fields.items()}
NO_CAPTURE = {"capture": Service.model_fields["capture"].default}


def main() -> Counts:
    declaration = load_declaration(paths.FEATURE_REPO)
    check(declaration, paths.FEATURE_REPO)
    for stage, part in PARTS.items():
        text = part(declaration).model_dump_json(by_alias=True, exclude_defaults=True, indent=1)
        write_text(paths.compiled(stage), text + "\n")
    features = sum(len(view.features) for view in declaration.feature_views.values())
    return {"tables": len(declaration.tables), "views": len(declaration.feature_views), "features": features}


def without_text(declaration: Declaration) -> Declaration:
    """Descriptions are for people, and what is captured for later: no value depends on them."""
    return _map(declaration, lambda part: _without(part, description="", **NO_CAPTURE))


def for_ingest(declaration: Declaration) -> Declaration:
    """Which columns each file has; nothing of what is made of them."""
    tables = {
        name: _without(
            table,
            columns={
                column: _without(c, **NO_BOUNDS, known_at=None)
                for column, c in table.columns.items()
                if c.expr is None or column == table.known_at
            },
            filters={},
        )
        for name, table in without_text(declaration).tables.items()
    }
    return declaration.model_copy(update={"tables": tables, "entities": {}, "label": None, "views": {}, "services": {}})


def for_preprocess(declaration: Declaration) -> Declaration:
    """Everything but the services, and but the bounds of aggregates, which are a gate's affair."""
    views = {
        stem: _without(view, features={n: _without(f, **NO_BOUNDS) if f.agg else f for n, f in view.features.items()})
        for stem, view in without_text(declaration).views.items()
    }
    return without_text(declaration).model_copy(update={"views": views, "services": {}})


def for_features_gate(declaration: Declaration) -> Declaration:
    return without_text(declaration).model_copy(update={"services": {}})


def for_evaluate(declaration: Declaration) -> Declaration:
    """With the texts and waivers, which the model card shows; without the bounds, which it does not."""
    return _map(declaration, lambda part: _without(part, **NO_BOUNDS, **NO_CAPTURE))


def for_register(declaration: Declaration) -> Declaration:
    """With the texts and the captured share, which Feast keeps; without bounds and waivers, which it does not."""
    return _map(declaration, lambda part: _without(part, **NO_BOUNDS, waivers={}))


def for_retrieve(declaration: Declaration) -> Declaration:
    return without_text(for_register(declaration))


def for_encode(declaration: Declaration) -> Declaration:
    """Names, dtypes and services: an expression's values reach the model through the data alone."""
    views = {
        stem: _without(view, sql=None, features={n: _without(f, expr=None) for n, f in view.features.items()})
        for stem, view in for_retrieve(declaration).views.items()
    }
    return for_retrieve(declaration).model_copy(update={"views": views})


PARTS: dict[str, Callable[[Declaration], Declaration]] = {
    "ingest": for_ingest,
    "validate_raw": for_ingest,
    "preprocess": for_preprocess,
    "validate_features": for_features_gate,
    "register": for_register,
    "retrieve": for_retrieve,
    "validate_training_set": without_text,
    "encode": for_encode,
    "evaluate": for_evaluate,
    "report": lambda declaration: declaration,
}


def _without(part: Model, **defaults: object) -> Model:
    return part.model_copy(update={key: value for key, value in defaults.items() if key in type(part).model_fields})


def _map(declaration: Declaration, change: Callable[[Model], Model]) -> Declaration:
    """The declaration with `change` applied to each table, column, label, view, feature and service."""

    def table(part: Table) -> Model:
        return change(part).model_copy(update={"columns": {name: change(c) for name, c in part.columns.items()}})

    def view(part: View) -> Model:
        return change(part).model_copy(update={"features": {name: change(f) for name, f in part.features.items()}})

    return declaration.model_copy(
        update={
            "tables": {name: table(t) for name, t in declaration.tables.items()},
            "label": change(declaration.label) if declaration.label else None,
            "views": {name: view(v) for name, v in declaration.views.items()},
            "services": {name: change(s) for name, s in declaration.services.items()},
        }
    )


if __name__ == "__main__":
    run_stage("compile", main)
