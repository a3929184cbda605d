"""What the endpoint answers, route by route, each from a request's bytes to an answer's."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from knownat import paths
from knownat.declaration import FeatureView, full_name
from knownat.errors import KnownatError
from knownat.online import Row
from knownat.params import ServingSettings
from knownat.prediction import refusal
from knownat.serving.capture import Capture, is_kept
from knownat.serving.captured import Captured, columns
from knownat.serving.guard import Scope
from knownat.serving.live import Live, of_champion, of_checkout
from knownat.serving.metrics import Metrics
from knownat.serving.predictor import Asked, Predicted, asked_in, current, explained, keys_of, predicted
from knownat.serving.problems import JSON, Answer, Refused
from knownat.serving.reader import Reader
from knownat.serving.strict_json import loads

log = logging.getLogger("knownat")

RELOAD_SECONDS = 1.0
LINEAGE_SECONDS = 60.0  # git's history takes some to search
UTC_Z = orjson.OPT_UTC_Z


class Endpoint:
    """All that answering needs: the live model, the online store, what is kept for monitoring, and counters."""

    def __init__(self, settings: ServingSettings, *, checkout: bool = False) -> None:
        self.settings, self.checkout = settings, checkout
        self.live = of_checkout(settings) if checkout else of_champion(settings)
        # the rest of the deadline is for the answer itself
        self.reader = Reader(self.live.declaration, settings.deadline * 0.8)
        self.metrics = Metrics()
        self.capture = _capture(self.live)
        self.started = time.monotonic()

    @property
    def fault(self) -> str | None:
        """Why no prediction is possible; None where one is."""
        return self.reader.fault

    def now(self) -> datetime:
        return current(self.settings.clock)

    async def predict(self, _: Scope, body: bytes) -> Answer:
        live, now = self.live, self.now()
        asked, is_batch, explain = asked_in(loads(body), self.settings.max_batch)
        found = await predicted(live, self.reader, asked, now)
        self.note(live, found)
        told = [item.told for item in found]
        if explain:
            told[0]["contributions"] = explained(live, found[0])
        content = {"predictions": told} if is_batch else told[0]
        return 200, JSON, orjson.dumps(content | self.stands_on(live), option=UTC_Z)

    def stands_on(self, live: Live) -> dict[str, Any]:
        """What every answer says of the model, of the store, and of the clock where it is not the real one."""
        clock = {"clock": self.settings.clock} if self.settings.clock else {}
        return live.base | {"store_through": self.reader.through} | clock

    async def features(self, scope: Scope, _: bytes) -> Answer:
        """`/features/{entity}/{key}`: an entity's online features now; of the event, those of its other entities too."""
        live, now, until = self.live, self.now(), self.reader.until()
        entity, _, key = scope["path"].removeprefix("/features/").partition("/")
        views = [view for view in live.declaration.feature_views.values() if view.entity == entity]
        if not views or not key:
            known = dict.fromkeys(view.entity for view in live.declaration.feature_views.values())
            raise Refused(
                404,
                f"There is no entity '{entity[:80]}' with features; ask for /features/{{entity}}/{{key}} of {', '.join(known)}.",
            )
        [rows] = await self.reader.rows([[(view, key) for view in views]], until)
        wanted = {view.name: view for view in views}
        if entity == live.inputs.entity:
            others = live.inputs.of_others(rows)
            [found] = await self.reader.rows([others], until)
            rows, wanted = rows | found, wanted | {view.name: view for view, _ in others}
        if all(row.known_at is None for row in rows.values()):
            raise Refused(404, f"No {entity} '{key[:80]}' is in the online store; check the key.")
        through = self.reader.through
        lags = through is None or now - through > live.inputs.stale_after
        told = {
            full_name(name, f.name): _told(view, f.name, rows[name], now, lags)
            for name, view in wanted.items()
            for f in view.features
        }
        content = {"entity": entity, "key": key, "as_of": now, "store_through": through, "features": told}
        return 200, JSON, orjson.dumps(content, option=UTC_Z)

    async def lineage(self, scope: Scope, _: bytes) -> Answer:
        """`/lineage/{id}`: what `knownat lineage` tells, from git's history if there is one here."""
        from knownat import lineage_text
        from knownat.tracing import ID, trace

        asked = scope["path"].removeprefix("/lineage/")
        if not ID.fullmatch(asked):
            raise Refused(404, "A lineage id is meant: 8 to 64 hexadecimal digits, as an answer gives it.")
        try:
            async with asyncio.timeout(LINEAGE_SECONDS):
                found = await asyncio.to_thread(trace, asked)
        except KnownatError as error:
            raise Refused(404, str(error)) from error
        return 200, JSON, orjson.dumps(lineage_text.as_json(found), option=UTC_Z, default=str)

    async def ready(self) -> Answer:
        fault = self.fault
        content = {"ready": fault is None} | ({"reason": fault} if fault else {})
        return (503, [*JSON, (b"retry-after", b"1")], orjson.dumps(content)) if fault else (200, JSON, orjson.dumps(content))

    def prometheus(self) -> bytes:
        lag = (self.now() - self.reader.through).total_seconds() if self.reader.through else float("nan")
        self.metrics.gauges = {
            "knownat_ready": ("1 if predictions are possible", float(self.fault is None)),
            "knownat_captured_requests": ("Requests kept for monitoring", self.capture.kept),
            "knownat_capture_dropped_requests": ("Requests that could not be kept", self.capture.dropped),
            "knownat_store_lag_seconds": ("By how much the online store lags behind now", lag),
        }
        self.metrics.model = {"service": self.live.service, "version": self.live.version, "lineage": self.live.lineage or ""}
        return self.metrics.text()

    async def watch(self) -> None:
        """For ever: load a champion that was promoted since; one that cannot be loaded is said, and tried again."""
        seen = _mark()
        while not self.checkout:
            await asyncio.sleep(RELOAD_SECONDS)
            found = _mark()
            if found == seen:
                continue
            try:
                self.live = await asyncio.to_thread(of_champion, self.settings)
                old, self.capture = self.capture, _capture(self.live)
                await asyncio.to_thread(old.close)
            except KnownatError as error:
                self.metrics.reloads["refused"] += 1
                log.error("the new champion is not loaded, the old one stays: %s", error)
                await asyncio.sleep(10 * RELOAD_SECONDS)
                continue
            seen = found
            self.metrics.reloads["loaded"] += 1
            log.info("the live model is now %s", self.live.version)

    def close(self) -> None:
        self.reader.close()
        self.capture.close()

    def note(self, live: Live, found: list[Predicted]) -> None:
        """Count what was predicted, and keep the share of it that the service declares."""
        share = live.declaration.service(live.service).capture
        for item in found:
            self.metrics.predicted(item.probability, [feature["status"] for feature in item.features.values()])
            if is_kept(_key(item.asked), share):
                self.capture.keep(_captured(live, item))


def _capture(live: Live) -> Capture:
    return Capture(paths.CAPTURED, live.service, columns(live.declaration, live.service))


def _key(asked: Asked) -> str:
    """What a request is about: the same event, by id or by its fields, has the same key."""
    return asked.id if asked.id is not None else orjson.dumps(asked.fields, option=orjson.OPT_SORT_KEYS).decode()


def _captured(live: Live, found: Predicted) -> Captured:
    return Captured(
        request_id=uuid.uuid4().hex,
        logged_at=datetime.now(UTC),
        asked_at=found.as_of,
        keys=keys_of(live, found),
        features={name: (told["value"], told["known_at"], told["status"]) for name, told in found.features.items()},
        probability=found.probability,
        model=live.version,
        lineage=live.lineage or "",
        request=found.asked.fields if found.asked.fields is not None else {"id": found.asked.id},
    )


def _told(view: FeatureView, name: str, row: Row, now: datetime, lags: bool) -> Mapping[str, Any]:
    value = row.values.get(name)
    status = (refusal(view, row.known_at, now, lags) or "fresh") if value is not None else "missing"
    return {
        "value": value if status == "fresh" else None,
        "status": status,
        "known_at": row.known_at,
        "age_seconds": (now - row.known_at).total_seconds() if row.known_at else None,
    }


def _mark() -> str:
    """What champion.json holds, as a hash; empty where it is gone."""
    try:
        return hashlib.sha256(paths.CHAMPION.read_bytes()).hexdigest()
    except OSError:
        return ""
