"""What a prediction stands on: every input of a model with its age and status, as known at the moment asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from knownat.declaration import Declaration, FeatureView, full_name, stored_key
from knownat.derive.request import looked_up_views
from knownat.encoder import Category, EncodedInput, Encoder
from knownat.errors import KnownatError
from knownat.forward import stand_in
from knownat.known_times import label_known_at
from knownat.online import NOTHING, Row

Status = Literal["fresh", "stale", "missing", "late", "unseen"]
Feature = dict[str, Any]


class NoSuchEvent(KnownatError):
    """Nothing is stored of the event that was asked about."""


class Closed(KnownatError):
    """The event's outcome is known, so that there is nothing to predict."""


@dataclass(frozen=True)
class Input:
    """One of the model's inputs; `known`: the words that the model has learned, None where any value will do."""

    name: str
    column: str
    stand_in: float | str | None
    known: frozenset[Any] | None
    is_log: bool

    @classmethod
    def of(cls, name: str, column: str, encoded: EncodedInput) -> Input:
        known = None
        if isinstance(encoded, Category):
            known = frozenset(encoded.vocabulary if encoded.dtype == "string" else map(int, encoded.vocabulary))
        return cls(name, column, stand_in(encoded), known, encoded.kind == "log")

    def status(self, value: Any) -> Status:
        if value is None or (self.is_log and value < 0):
            return "missing"
        return "unseen" if self.known is not None and value not in self.known else "fresh"


class Inputs:
    """A service's inputs: from which views they are looked up, and what each is worth at a moment."""

    def __init__(self, declaration: Declaration, encoder: Encoder, stale_after: timedelta) -> None:
        service = encoder.service
        declared = declaration.inputs(service)
        if [i.name for i in declared] != [i.name for i in encoder.inputs]:
            raise KnownatError(f"The model of service '{service}' reads other inputs than are declared; train and promote it anew.")
        self.stale_after = stale_after
        self.entity = declaration.event.entity
        self.views = [declaration.feature_views[name] for name in declaration.service(service).views]
        self.looked_up = looked_up_views(declaration, service)
        encoded = {i.name: i for i in encoder.inputs}
        self.inputs = {
            view.name: [Input.of(name, f.name, encoded[name]) for f in view.features if (name := full_name(view.name, f.name))]
            for view in self.views
        }
        self.closing = closing_views(declaration)
        self.first = event_view(declaration)
        own = [view for view in self.views if view.entity == self.entity]
        self._own = {view.name: view for view in [*([self.first] if self.first else []), *own, *self.closing]}
        self._others = [(view, stored_key(view.entity)) for view in self.views if view.entity != self.entity]

    def of_event(self, key: str) -> list[tuple[FeatureView, str]]:
        """What to read first about a stored event: its own views, where the other entities' keys are, and whether it is closed."""
        return [(view, key) for view in self._own.values()]

    def of_others(self, rows: Mapping[str, Row]) -> list[tuple[FeatureView, str]]:
        """What to read then: the views of the entities whose keys are stored with the event."""
        stored = rows[self.first.name].values if self.first else {}
        return [(view, key) for view, name in self._others if (key := stored.get(name)) is not None]

    def expect_open(self, key: str, rows: Mapping[str, Row], now: datetime) -> None:
        """Raise NoSuchEvent for an event that is not known now, Closed for one whose outcome is."""
        if self.first is None or not self.closing:
            raise KnownatError(
                f"Nothing stored tells whether a {self.entity} is open: declare a view of it that is known with the label, "
                "or send the event's raw fields."
            )
        known_at = rows[self.first.name].known_at
        if known_at is None or known_at > now:
            raise NoSuchEvent(
                f"No {self.entity} '{key}' is stored as of {now:%Y-%m-%d %H:%M:%S} UTC; check the id, or send its raw fields."
            )
        for view in self.closing:
            closed_at = rows[view.name].known_at
            if closed_at is not None and closed_at <= now:
                raise Closed(f"{self.entity} '{key}' is closed since {closed_at:%Y-%m-%d %H:%M:%S} UTC; its outcome is known.")

    def weighed(
        self, as_of: datetime, through: datetime | None, rows: Mapping[str, Row], own: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Feature]]:
        """The value that each input has for the model (None: its stand-in), and what is to be told of it.

        `own`: by full name, what was computed from a request; `rows`: by view, what was looked up, which must be known
        by `as_of`, not older than the view's ttl, from a store that lags by `stale_after` at most.
        """
        lags = through is None or as_of - through > self.stale_after
        used: dict[str, Any] = {}
        told: dict[str, Feature] = {}
        for view in self.views:
            inputs = self.inputs[view.name]
            is_own = inputs[0].name in own
            row = rows.get(view.name, NOTHING)
            known_at = as_of if is_own else row.known_at
            refused = None if is_own else refusal(view, known_at, as_of, lags)
            age = (as_of - known_at).total_seconds() if known_at else None
            for item in inputs:
                name = item.name
                value = own[name] if is_own else row.values.get(item.column)
                status = item.status(value) if refused is None or value is None else refused
                told[name] = feature = {"value": value, "status": status, "known_at": known_at, "age_seconds": age}
                if status == "fresh":
                    used[name] = value
                else:
                    feature["stand_in"] = item.stand_in
                    used[name] = value if status == "unseen" else None
        return used, told


def refusal(view: FeatureView, known_at: datetime | None, as_of: datetime, lags: bool) -> Status | None:
    """Why nothing of a looked-up row may be used."""
    if known_at is None:
        return "missing"
    if known_at > as_of:
        return "late"
    return "stale" if lags or (view.ttl is not None and as_of - known_at > view.ttl) else None


def event_view(declaration: Declaration) -> FeatureView | None:
    """The event's own view at its start, where the other entities' keys are stored."""
    others = [entity for entity in declaration.entities if entity != declaration.event.entity]
    own = [
        v for v in declaration.feature_views.values() if v.entity == declaration.event.entity and v.table == declaration.event.table
    ]
    return next((view for view in own if set(others) <= set(view.keys) and view.known_at and not view.windows), None)


def closing_views(declaration: Declaration) -> list[FeatureView]:
    """The event's own views that have a row once its label is known."""
    moments = label_known_at(declaration)
    return [
        view
        for view in declaration.feature_views.values()
        if view.entity == declaration.event.entity
        and view.table == declaration.event.table
        and view.known_at is not None
        and view.known_at.column in moments
        and not view.windows
    ]
