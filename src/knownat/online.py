"""The online store: filled from what the pipeline wrote, and read by name through Feast."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feast import FeatureStore
from feast.infra.key_encoding_utils import EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

from knownat import paths
from knownat.console import log
from knownat.declaration import Declaration, FeatureView, stored_key
from knownat.derive.feast import feast_objects
from knownat.errors import KnownatError
from knownat.feature_store import configured, open_store
from knownat.files import draft_of, write_text
from knownat.gates import data_of, require, tree_hash

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reading:
    """A feature's latest stored value and the moment from which it counts; neither, where the entity is unknown."""

    value: Any
    known_at: datetime | None


def embedded_path() -> Path | None:
    """The file of an embedded online store; None where it is a server."""
    settings = configured("online_store")
    if isinstance(settings, dict) and settings.get("type") == "sqlite":
        return paths.FEATURE_REPO / str(settings.get("path", "data/online.db"))
    return None


def materialize(declaration: Declaration, observed_at: datetime) -> int:
    """Fill the online store with the latest values known by `observed_at`; returns the number of feature views.

    An embedded store is filled beside the old one and then replaces it.
    """
    require("features", data_of("features"))
    log.info("filling the online store with %d feature views", len(declaration.feature_views))
    store, path = open_store(declaration), embedded_path()
    if path is None:
        _fill(store, observed_at)
        return len(declaration.feature_views)
    drafts = [draft_of(path.with_name(name)) for name in ("online", "registry")]
    try:
        fresh = store.config.model_copy(
            update={
                "registry_config": str(drafts[1].resolve()),
                "online_config": {"type": "sqlite", "path": str(drafts[0].resolve())},
            }
        )
        fresh._registry = fresh._online_store = None
        filling = FeatureStore(config=fresh)
        filling.apply(list(feast_objects(declaration).values()))
        _fill(filling, observed_at)
        os.replace(drafts[0], path)
        write_text(marker(path), content(declaration))
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return len(declaration.feature_views)


def _fill(store: FeatureStore, observed_at: datetime) -> None:
    """Feast's own materialization, without what it prints and warns of along the way."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        store.materialize(BEGINNING, observed_at)


def filled_store(declaration: Declaration, observed_at: datetime) -> FeatureStore:
    """The store, an embedded one filled where it is missing or behind the feature views on disk."""
    path = embedded_path()
    if path is not None and not is_filled(declaration, path):
        materialize(declaration, observed_at)
    return open_store(declaration)


def is_filled(declaration: Declaration, path: Path) -> bool:
    """Whether an embedded store holds the feature views that are on disk."""
    return path.exists() and marker(path).exists() and marker(path).read_text() == content(declaration)


def content(declaration: Declaration) -> str:
    """What a filled store was filled from: the hash of the feature views."""
    if not paths.VIEWS.exists():
        raise KnownatError(f"{paths.VIEWS} is missing; run `dvc repro` or `dvc pull`.")
    return f"{tree_hash(paths.VIEWS)} {','.join(declaration.feature_views)}"


def marker(path: Path) -> Path:
    """Where it stands what an embedded store was filled from."""
    return path.with_suffix(".filled")


def read(store: FeatureStore, view: FeatureView, key: str) -> dict[str, Reading]:
    """Feature (and stored key) → its latest value, for one entity."""
    names = [f.name for f in view.features] + [stored_key(entity) for entity in view.keys]
    entity = EntityKeyProto(join_keys=[view.join_key], entity_values=[Value(string_val=key)])
    table = store.get_feature_view(view.name)
    [(moment, values)] = store._get_provider().online_read(store.config, table, [entity], names)
    if moment is None or values is None:
        return dict.fromkeys(names, Reading(None, None))
    at = moment.replace(tzinfo=moment.tzinfo or UTC)
    return {name: Reading(_plain(values.get(name)), at) for name in names}


def _plain(value: Value | None) -> Any:
    return None if value is None else feast_value_type_to_python_type(value)
