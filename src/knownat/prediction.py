"""A prediction for an event that nobody has stored: its own features computed, the rest looked up online."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from knownat.declaration import FeatureView, full_name
from knownat.derive.request import Request, looked_up_views

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class Used:
    """One model input: the value it is given and where it is from (`status`: computed, known, missing or too new)."""

    name: str
    value: Any
    status: str
    known_at: datetime | None


def gather(request: Request, given: Mapping[str, Any], store: FeatureStore) -> tuple[datetime, list[Used]]:
    """The moment asked about, and every input of the service's model in declared order, as known then.

    An online value that became known after that moment is reported and not used.
    """
    answered = request.answer(request.parsed(given))
    used = {
        name: Used(name, value, "missing" if value is None else "computed", answered.as_of)
        for name, value in answered.features.items()
    }
    for view in looked_up_views(request.declaration, request.service):
        used |= _looked_up(store, view, answered.keys[view.join_key], answered.as_of)
    return answered.as_of, [used[item.name] for item in request.declaration.inputs(request.service)]


def _looked_up(store: FeatureStore, view: FeatureView, key: str | None, as_of: datetime) -> dict[str, Used]:
    from knownat import online

    readings = online.read(store, view, key) if key is not None else {}
    used = {}
    for feature in view.features:
        name, reading = full_name(view.name, feature.name), readings.get(feature.name, online.Reading(None, None))
        is_late = reading.known_at is not None and reading.known_at > as_of
        is_stale = reading.known_at is not None and view.ttl is not None and as_of - reading.known_at > view.ttl
        status = "too new" if is_late else "stale" if is_stale else "missing" if reading.value is None else "known"
        used[name] = Used(name, reading.value if status == "known" else None, status, reading.known_at)
    return used
