"""From what was asked to an answer that says what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from knownat.declaration import FeatureView, stored_key
from knownat.derive.request import Answered
from knownat.errors import KnownatError
from knownat.prediction import Feature
from knownat.serving.live import Live
from knownat.serving.problems import Refused
from knownat.serving.reader import Reader, Rows

EVENT_KEYS = {"id", "fields"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored event by its id, or one that nobody has stored by its raw fields."""

    id: str | None
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """`raw`: what the model was given; `first`: what was read of a stored event, `own`: what was computed of another."""

    asked: Asked
    as_of: datetime
    first: Rows
    own: Answered | None
    raw: Mapping[str, Any]
    features: dict[str, Feature]
    probability: float

    @property
    def told(self) -> dict[str, Any]:
        return {"id": self.asked.id, "probability": self.probability, "as_of": self.as_of, "features": self.features}


def asked_in(body: Any, most: int) -> tuple[list[Asked], bool, bool]:
    """(events, whether they came as a batch, whether an explanation is wanted). Raises Refused for anything else."""
    if not isinstance(body, dict):
        raise Refused(422, 'The body is no object; send {"id": …}, {"fields": {…}} or {"events": […]}.')
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise Refused(422, "explain: true or false is meant.", "explain")
    if "events" not in body:
        return [_asked(body, EVENT_KEYS | {"explain"}, "")], False, explain
    events = body["events"]
    if body.keys() - {"events"}:
        raise Refused(422, f"{sorted(body.keys() - {'events'})[0]}: a batch has events only; leave it out.")
    if not isinstance(events, list) or not 1 <= len(events) <= most:
        raise Refused(422, f"events: send a list of 1 to {most} events.", "events")
    return [_asked(event, EVENT_KEYS, f"events[{n}]: ") for n, event in enumerate(events)], True, False


def _asked(event: Any, allowed: set[str], where: str) -> Asked:
    if not isinstance(event, dict) or not event.keys() <= allowed or ("id" in event) == ("fields" in event):
        raise Refused(422, f"{where}send either an id or fields.", where.removesuffix(": ") or None)
    if "id" in event:
        if not isinstance(event["id"], str) or not event["id"]:
            raise Refused(422, f"{where}id: a text is meant; quote the id.", "id")
        return Asked(event["id"], None)
    if not isinstance(event["fields"], dict):
        raise Refused(422, f"{where}fields: an object is meant, with the event's raw fields.", "fields")
    return Asked(None, event["fields"])


async def predicted(live: Live, reader: Reader, asked: Sequence[Asked], now: datetime) -> list[Predicted]:
    """Each event's prediction. Raises KnownatError naming the event (by its place in a batch) that cannot be predicted."""
    until = reader.until()
    answered = [_each(asked, n, partial(_computed, live, event)) for n, event in enumerate(asked)]
    firsts = await reader.rows([live.inputs.of_event(e.id) if e.id is not None else [] for e in asked], until)
    for n, event in enumerate(asked):
        if event.id is not None:
            _each(asked, n, partial(live.inputs.expect_open, event.id, firsts[n], now))
    wanted = [
        live.inputs.of_others(first) if own is None else _looked_up(live, own.keys)
        for first, own in zip(firsts, answered, strict=True)
    ]
    others = await reader.rows(wanted, until)
    weighed = []
    for first, other, own in zip(firsts, others, answered, strict=True):
        as_of, features = (now, {}) if own is None else (own.as_of, own.features)
        weighed.append((as_of, *live.inputs.weighed(as_of, reader.through, first | other, features)))
    probabilities = live.forward.probabilities([raw for _, raw, _ in weighed]).tolist()
    return [
        Predicted(event, as_of, first, own, raw, told, probability)
        for event, (as_of, raw, told), first, own, probability in zip(asked, weighed, firsts, answered, probabilities, strict=True)
    ]


def keys_of(live: Live, found: Predicted) -> dict[str, str | None]:
    """Join key → key of each entity whose features were asked for, as far as it is known."""
    if found.own is not None:
        return dict(found.own.keys)
    inputs = live.inputs
    stored = found.first[inputs.first.name].values if inputs.first else {}
    return {v.join_key: found.asked.id if v.entity == inputs.entity else stored.get(stored_key(v.entity)) for v in inputs.views}


def explained(live: Live, found: Predicted) -> dict[str, float]:
    """By how much each input moves the logit, against its stand-in: what it is for the model beside an unknown one."""
    names = list(found.raw)
    without = [{**found.raw, name: None} for name in names]
    whole, *rest = live.forward.logits([found.raw, *without]).tolist()
    return {name: whole - logit for name, logit in zip(names, rest, strict=True)}


def _computed(live: Live, event: Asked) -> Answered | None:
    if event.fields is None:
        return None
    return live.request.answer(live.request.parsed(event.fields))


def _looked_up(live: Live, keys: Mapping[str, str | None]) -> list[tuple[FeatureView, str]]:
    return [(view, key) for view in live.inputs.looked_up if (key := keys[view.join_key]) is not None]


def _each(asked: Sequence[Asked], place: int, question: Callable[[], Any]) -> Any:
    """An error among several events says which one it is of."""
    try:
        return question()
    except KnownatError as error:
        if len(asked) > 1:
            error.args = (f"events[{place}]: {error}",)
        raise


def current(clock: datetime | None) -> datetime:
    return clock or datetime.now(UTC)
