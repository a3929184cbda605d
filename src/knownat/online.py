"""The online store: filled from what the pipeline wrote, and read by name through Feast."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureStore, Field, FileSource
from feast import FeatureView as FeastView
from feast.infra.key_encoding_utils import EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import UnixTimestamp
from feast.value_type import ValueType

from knownat import paths
from knownat.console import log
from knownat.declaration import Declaration, FeatureView, stored_key
from knownat.derive.feast import feast_objects
from knownat.errors import KnownatError
from knownat.feature_store import configured, embedded_registry, open_store
from knownat.files import draft_of, write_text
from knownat.gates import data_of, require, tree_hash

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {"string": "string_val", "int64": "int64_val", "float64": "double_val", "bool": "bool_val"}
MARK = "materialized"


class Damaged(KnownatError):
    """What the online store holds is not what the declaration says that it holds."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entity's latest values of one feature view, and the moment from which they count; None: nothing is known of it."""

    known_at: datetime | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


NOTHING = Row()


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
        _fill(_correcting(store), observed_at)
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


def _correcting(store: FeatureStore) -> FeatureStore:
    """A server's store that takes a value again under the same moment: Feast's Redis writer would skip a correction."""
    return _configured(store, {"skip_dedup": True})


def _patient(store: FeatureStore, seconds: float) -> FeatureStore:
    """A store whose Redis client waits so long and no longer."""
    settings = store.config.online_config  # in which Feast has filled in the environment's variables
    given = str(settings.get("connection_string", "localhost:6379")) if isinstance(settings, dict) else ""
    limits = [f"{name}={seconds}" for name in ("socket_timeout", "socket_connect_timeout") if f"{name}=" not in given]
    return _configured(store, {"connection_string": ",".join([given, *limits])})


def _hasten(store: FeatureStore) -> None:
    """Have a Redis client try again once and at once, where its default sleeps for seconds between three tries."""
    from feast.infra.online_stores.redis import RedisOnlineStore
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    online = store._get_provider().online_store
    if isinstance(online, RedisOnlineStore):
        online._get_client(store.config.online_store).set_retry(Retry(NoBackoff(), 1))


def _configured(store: FeatureStore, changes: Mapping[str, Any]) -> FeatureStore:
    """The store with other settings of its Redis; any other kind stays as it is."""
    settings = store.config.online_config
    if not isinstance(settings, dict) or settings.get("type") != "redis":
        return store
    registry = {"registry_config": str(embedded_registry().resolve())}
    config = store.config.model_copy(update={"online_config": {**settings, **changes}, **registry})
    config._online_store = config._registry = None
    return FeatureStore(config=config)


def _fill(store: FeatureStore, observed_at: datetime) -> None:
    """Feast's own materialization, without what it prints and warns of; then how far it went is noted in the store itself."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        store.materialize(BEGINNING, observed_at)
        entity, view = _mark()
        provider = store._get_provider()
        provider.online_store.update(store.config, [], [view], [], [entity], partial=True)
        value = Value(unix_timestamp_val=int(observed_at.timestamp()))
        provider.online_write_batch(store.config, view, [(_key(MARK, MARK), {"through": value}, observed_at, None)], None)


def _mark() -> tuple[Entity, FeastView]:
    """Under what the store itself says how far it is filled; in no registry, since it describes the store and no data."""
    entity = Entity(name=MARK, join_keys=[MARK], value_type=ValueType.STRING)
    schema = [Field(name="through", dtype=UnixTimestamp)]
    return entity, FeastView(
        name=MARK, entities=[entity], ttl=timedelta(0), schema=schema, source=FileSource(name=MARK, path="none")
    )


def filled(declaration: Declaration, observed_at: datetime) -> Online:
    """The store, an embedded one filled where it is missing or behind the feature views on disk."""
    path = embedded_path()
    if path is not None and not is_filled(declaration, path):
        materialize(declaration, observed_at)
    return Online(declaration)


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


class Online:
    """The online store, opened for reading by name; what Feast would look up anew for each read is kept."""

    def __init__(self, declaration: Declaration, seconds: float | None = None) -> None:
        store = open_store(declaration)
        self.store = store if seconds is None else _patient(store, seconds)
        self._provider = self.store._get_provider()
        if seconds is not None:
            _hasten(self.store)
        self._views = {name: self.store.get_feature_view(name) for name in declaration.feature_views}
        self._kinds = {
            view.name: {f.name: KINDS[f.dtype] for f in view.features} | {stored_key(e): "string_val" for e in view.keys}
            for view in declaration.feature_views.values()
        }
        self._mark = _mark()[1]

    def read(self, view: FeatureView, keys: Sequence[str]) -> list[Row]:
        """Each entity's latest values of a view: its features, and the other entities' keys that it stores.

        Raises Damaged for a value of another type than the declared one.
        """
        kinds, entities = self._kinds[view.name], [_key(view.join_key, key) for key in keys]
        found = self._provider.online_read(self.store.config, self._views[view.name], entities, list(kinds))
        return [_row(view, kinds, moment, values) for moment, values in found]

    def through(self) -> datetime | None:
        """Up to when the store holds what was known; None where it was never filled, or emptied."""
        [(_, values)] = self._provider.online_read(self.store.config, self._mark, [_key(MARK, MARK)], ["through"])
        seconds = values["through"].unix_timestamp_val if values and values.get("through") else 0
        return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _row(view: FeatureView, kinds: Mapping[str, str], moment: datetime | None, values: Mapping[str, Value] | None) -> Row:
    # of an entity without this view, Feast's Redis store gives empty values since the beginning of time
    if moment is None or values is None or (not any(v.WhichOneof("val") for v in values.values()) and not moment.timestamp()):
        return NOTHING
    plain = {name: _plain(view, name, kind, values.get(name)) for name, kind in kinds.items()}
    return Row(moment.replace(tzinfo=moment.tzinfo or UTC), plain)


def _plain(view: FeatureView, name: str, kind: str, value: Value | None) -> Any:
    found = value.WhichOneof("val") if value is not None else None
    if found in {None, "null_val"}:
        return None
    if found != kind:
        raise Damaged(f"The online store holds {view.name}__{name} as {found}, not {kind}; run `knownat materialize`.")
    return getattr(value, kind)


def _key(name: str, value: str) -> EntityKeyProto:
    return EntityKeyProto(join_keys=[name], entity_values=[Value(string_val=value)])
