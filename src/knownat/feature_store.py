"""The Feast repository: its registry kept in step with the declaration, and dumped so that people can compare it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast import FeatureStore
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from knownat import paths
from knownat.declaration import Declaration
from knownat.derive.feast import feast_objects
from knownat.errors import KnownatError
from knownat.files import draft_of, read_json
from knownat.loading import read_yaml

if TYPE_CHECKING:
    from knownat.params import OfflineStoreSettings

# Clocks, random identifiers and absolute paths, which differ from one apply to the next.
VOLATILE = {
    "created_timestamp", "last_updated_timestamp", "project_uuid", "spec_uuid", "materialization_intervals", "version_id",
    "current_version_number", "version_number", "data_source_class_type", "data_source_class_type_proto", "batch_source_class_type",
}  # fmt: skip
OFFLINE_STORES = {
    "duckdb": "knownat.offline_store.duckdb.AsOfDuckDBOfflineStore",
    "spark": "knownat.offline_store.spark.AsOfSparkOfflineStore",
}
KINDS = ("entities", "data_sources", "feature_views", "feature_services")


def apply_afresh(declaration: Declaration) -> FeatureStore:
    """Apply the derived objects onto a fresh registry, which then replaces the embedded one."""
    path = embedded_registry()
    draft = draft_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        config = FeatureStore(repo_path=str(paths.FEATURE_REPO)).config
        fresh = config.model_copy(update={"registry_config": str(draft.resolve())})
        fresh._registry = None
        store = FeatureStore(config=fresh)
        store.apply(list(feast_objects(declaration).values()))
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return FeatureStore(repo_path=str(paths.FEATURE_REPO))


def open_store(declaration: Declaration) -> FeatureStore:
    """The store, its embedded registry rebuilt where it is missing, damaged or behind the tracked dump."""
    if registry_fault():
        return apply_afresh(declaration)
    return FeatureStore(repo_path=str(paths.FEATURE_REPO))


def registry_fault() -> str | None:
    """In what the embedded registry is not what the tracked dump says; None where it is the same."""
    if not embedded_registry().exists():
        return "is missing"
    try:
        found = dump(FeatureStore(repo_path=str(paths.FEATURE_REPO)))
    except DecodeError:
        return "cannot be read"
    if not any(found.values()):
        return "is empty"  # Feast takes a file of 0 bytes for a registry without objects
    if not paths.REGISTRY_DUMP.exists() or found != read_json(paths.REGISTRY_DUMP):
        return f"is not what {paths.REGISTRY_DUMP} says"
    return None


def joining(store: FeatureStore, settings: OfflineStoreSettings) -> FeatureStore:
    """The store with the offline store that params choose; what `feature_store.yaml` says of that one still counts."""
    path = OFFLINE_STORES[settings.type]
    given = configured("offline_store")
    own = given if isinstance(given, dict) and given.get("type") == path else {}
    limit = {"memory_limit": settings.memory_limit} if settings.type == "duckdb" else {}
    changed = {"offline_config": {**own, "type": path, **limit}, "registry_config": str(embedded_registry().resolve())}
    config = store.config.model_copy(update=changed)
    config._offline_store = config._registry = None
    return FeatureStore(config=config)


def configured(key: str) -> Any:
    """What `feature_store.yaml` says of a part of Feast."""
    return read_yaml(paths.FEATURE_REPO / "feature_store.yaml").get(key)


def embedded_registry() -> Path:
    registry = configured("registry")
    if not isinstance(registry, str) or "://" in registry:
        raise KnownatError(f"{paths.FEATURE_REPO / 'feature_store.yaml'}: registry: name a local file, such as data/registry.db.")
    return paths.FEATURE_REPO / registry


def dump(store: FeatureStore) -> dict[str, Any]:
    """The registry as sorted, plain data: the same objects give the same dump."""
    proto = MessageToDict(store.registry.proto(), preserving_proto_field_name=True)
    return {kind: sorted(map(_canonical, proto.get(kind, [])), key=_name) for kind in KINDS}


def _name(item: dict[str, Any]) -> str:
    return str(item.get("name") or item["spec"]["name"])


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _canonical(v) for k, v in sorted(value.items()) if k not in VOLATILE}
        return {k: v for k, v in kept.items() if v not in ({}, [])}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value
