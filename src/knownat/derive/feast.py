"""What Feast needs from the declaration: entities, sources, feature views and services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.data_format import ParquetFormat
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.types import Bool, FeastType, Float64, Int64, String
from feast.value_type import ValueType

from knownat import declaration as declared
from knownat.declaration import Declaration, join_key, stored_key

TYPES: dict[str, FeastType] = {"string": String, "int64": Int64, "float64": Float64, "bool": Bool}


def feast_objects(declaration: Declaration) -> dict[str, Any]:
    """Every Feast object by a name that is unique among them all."""
    used = dict.fromkeys(view.entity for view in declaration.feature_views.values())
    entities = {name: entity(name) for name in used}
    sources = {name: source(view) for name, view in declaration.feature_views.items()}
    views = {name: feature_view(view, entities, sources) for name, view in declaration.feature_views.items()}
    services = {name: feature_service(declaration, name, views) for name in declaration.services}
    kinds = {"entity": entities, "source": sources, "view": views, "service": services}
    return {f"{kind}_{name}": made for kind, objects in kinds.items() for name, made in objects.items()}


def entity(name: str) -> Entity:
    return Entity(name=name, join_keys=[join_key(name)], value_type=ValueType.STRING)


def source(view: declared.FeatureView) -> FileSource:
    return FileSource(name=view.name, path=f"../data/views/{view.name}", file_format=ParquetFormat(), timestamp_field="known_at")


def feature_view(view: declared.FeatureView, entities: dict[str, Entity], sources: dict[str, FileSource]) -> FeatureView:
    keys = [Field(name=stored_key(e), dtype=String, description=f"Key of the entity {e}") for e in view.keys]
    features = [Field(name=f.name, dtype=TYPES[f.dtype], description=f.declared.description) for f in view.features]
    return FeatureView(
        name=view.name,
        entities=[entities[view.entity]],
        ttl=view.ttl or timedelta(0),  # Feast's own "no ttl"
        schema=[Field(name=view.join_key, dtype=String), *features, *keys],
        source=sources[view.name],
        online=True,
        description=view.description,
    )


def feature_service(declaration: Declaration, name: str, views: dict[str, FeatureView]) -> FeatureService:
    """Exactly the features that a model reads: an entity's stored keys are looked up, never fed to a model."""
    service = declaration.service(name)
    chosen = [views[view][[f.name for f in declaration.feature_views[view].features]] for view in service.views]
    return FeatureService(
        name=name,
        features=chosen,
        description=service.description,
        tags={"as_of": service.as_of},
        logging_config=LoggingConfig(FileLoggingDestination(path=f"../captured/{name}"), sample_rate=service.capture),
    )
