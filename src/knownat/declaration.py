"""The declaration: what `feature_repo/` says, as strict models that every tool derives from.

Importing this module is cheap: no engine, no parser. `loading` reads the YAML, `checks` proves that the parts agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from knownat.errors import KnownatError

Dtype = Literal["string", "int64", "float64", "bool", "timestamp", "date"]
FeatureDtype = Literal["string", "int64", "float64", "bool"]
Aggregation = Literal["count", "sum", "mean"]

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
DELAY = r"\+\s*INTERVAL\s+([0-9]+)\s+(SECOND|MINUTE|HOUR|DAY)S?"
KNOWN_AT = re.compile(rf"\s*(\w+)(?:\s*{DELAY})?\s*", re.IGNORECASE | re.ASCII)
SPAN = re.compile(r"([1-9][0-9]*)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "second": 1, "minute": 60, "hour": 3600, "day": 86400}
LONGEST = 100 * 366 * 86400  # a century in seconds: longer is a slip of the pen, and would not fit a timedelta


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"'{value}' is no name: write lower_case words joined by single underscores")
    return value


def _instant(value: object) -> object:
    """Dates and times as ISO text in UTC, so that a bound reads the same from YAML and from JSON."""
    if isinstance(value, datetime):
        return in_utc(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a bound is a number, a date or a time")
    return value


def _allowed(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a value is a text or a whole number; quote what is meant as a text")
    return value


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC; what has no zone is meant in UTC. Raises ValueError outside the years 1 to 9999."""
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{moment} lies outside the years 1 to 9999 in UTC") from error


def _span(value: str) -> str:
    found = SPAN.fullmatch(value)
    if found is None or int(found[1][:12]) * SECONDS[found[2]] > LONGEST:
        raise ValueError(f"'{value}' is no length of time: write a positive number and s, m, h or d, such as 30d")
    return value


def _known_at(value: str) -> str:
    found = KNOWN_AT.fullmatch(value)
    if found is None or (found[2] and int(found[2][:12]) * SECONDS[found[3].lower()] > LONGEST):
        raise ValueError(f"'{value}' is no moment: write a timestamp column, optionally + INTERVAL 1 DAY")
    return value


Name = Annotated[str, AfterValidator(_name)]
Span = Annotated[str, AfterValidator(_span)]
Moment = Annotated[str, AfterValidator(_known_at)]
Bound = Annotated[int | float | str, BeforeValidator(_instant)]
Allowed = Annotated[str | int, BeforeValidator(_allowed)]


def span(text: str) -> timedelta:
    """`30d` as a timedelta."""
    number, unit = SPAN.fullmatch(text).groups()  # type: ignore[union-attr]
    return timedelta(seconds=int(number) * SECONDS[unit])


@dataclass(frozen=True)
class KnownAt:
    """A moment relative to a row: a timestamp column and a delay."""

    column: str
    delay: timedelta

    @classmethod
    def parse(cls, text: str) -> KnownAt:
        column, number, unit = KNOWN_AT.fullmatch(text).groups()  # type: ignore[union-attr]
        return cls(column, timedelta(seconds=int(number) * SECONDS[unit.lower()]) if number else timedelta())


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, and without what was computed from the old ones."""
        copied = super().model_copy(update=update, deep=deep)
        for name in set(copied.__dict__) - set(type(self).model_fields):
            del copied.__dict__[name]
        return copied


class Constraints(Model):
    """What must hold for each value. Bounds are inclusive; times are ISO text in UTC."""

    required: bool = False
    min: Bound | None = None
    max: Bound | None = None
    values: list[Allowed] | None = None


class Column(Constraints):
    """A column of a table: read from the file (`from`, by default its own name) or computed (`expr`)."""

    dtype: Dtype
    source: str | None = Field(None, alias="from", min_length=1)
    expr: str | None = None
    known_at: Name | None = None
    description: str = ""


class Table(Model):
    """A table of rows, each knowable from `known_at` on unless a column says otherwise."""

    description: str = ""
    key: list[Name] = Field(min_length=1)
    known_at: Name
    timezone: str = "UTC"
    columns: dict[Name, Column]
    filters: dict[Name, str] = {}

    @cached_property
    def raw_columns(self) -> dict[str, str]:
        """Column → its name in the file, of the columns that are read, in declared order."""
        return {name: column.source or name for name, column in self.columns.items() if column.expr is None}


class Event(Model):
    table: Name
    entity: Name


class Label(Model):
    """What is predicted: a boolean expression over the event's table; null says that a row has no label."""

    name: Name
    expr: str
    description: str = ""


class Feature(Constraints):
    dtype: FeatureDtype
    expr: str | None = None
    agg: Aggregation | None = None
    description: str = ""


class View(Model):
    """Features of one kind: one entity each (`entities` makes a view for each), one known-at time, one ttl."""

    description: str = ""
    entity: Name | None = None
    entities: list[Name] | None = Field(None, min_length=1)
    table: Name | None = None
    known_at: Moment | None = None
    ttl: Span | None = None
    windows: list[Span] | None = None
    features: dict[Name, Feature] = Field(min_length=1)
    sql: str | None = None


class Service(Model):
    """The feature views that one model version reads, as of a moment of the event.

    `waivers`: full feature name → why it may pass the leakage audit all the same. `capture`: the share of an endpoint's
    requests that is kept, by a hash of the request's key.
    """

    description: str = ""
    as_of: Name
    views: list[Name] = Field(min_length=1)
    capture: float = Field(0.1, ge=0, le=1)
    waivers: dict[str, Annotated[str, Field(pattern=r"\S")]] = {}


@dataclass(frozen=True)
class ViewFeature:
    """One column of a feature view; `window` is set where it is a trailing aggregate."""

    name: str
    declared: Feature
    window: str | None = None

    @property
    def dtype(self) -> FeatureDtype:
        return self.declared.dtype


@dataclass(frozen=True)
class FeatureView:
    """A view for one entity, windows spelled out: one Feast feature view and one Parquet folder."""

    name: str
    stem: str
    entity: str
    table: str
    known_at: KnownAt | None
    ttl: timedelta | None
    windows: tuple[str, ...]
    features: tuple[ViewFeature, ...]
    keys: tuple[str, ...]
    sql: str | None
    description: str

    @property
    def join_key(self) -> str:
        return join_key(self.entity)


def join_key(entity: str) -> str:
    return f"{entity}_id"


def stored_key(entity: str) -> str:
    """The column in which the event's own view keeps another entity's key (a join key is never a feature's name)."""
    return f"{entity}_key"


def full_name(view: str, feature: str) -> str:
    """Feast's own full feature name."""
    return f"{view}__{feature}"


@dataclass(frozen=True)
class ModelInput:
    """A feature as a model reads it, under its full name."""

    view: FeatureView
    feature: ViewFeature
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", full_name(self.view.name, self.feature.name))


class Declaration(Model):
    """All of `feature_repo/`, or the part of it that one stage needs."""

    tables: dict[Name, Table] = Field(min_length=1)
    entities: dict[Name, str] = {}
    event: Event
    label: Label | None = None
    views: dict[Name, View] = {}
    services: dict[Name, Service] = {}

    @classmethod
    def read(cls, path: Path) -> Declaration:
        """The compiled declaration of one stage (JSON)."""
        if not path.exists():
            raise KnownatError(f"{path} is missing; run `dvc repro compile` (or `dvc pull`) to make it.")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise KnownatError(f"{path} is damaged or of another version; run `dvc repro -f compile`.") from error

    @property
    def outcome(self) -> Label:
        """The label of a declaration that has one."""
        if self.label is None:
            raise KnownatError("This part of the declaration has no label; run `dvc repro compile` to make it anew.")
        return self.label

    @property
    def event_table(self) -> Table:
        return self.tables[self.event.table]

    @cached_property
    def feature_views(self) -> dict[str, FeatureView]:
        """Every feature view by its full name, in declared order."""
        return {view.name: view for stem in self.views for view in self.expanded(stem)}

    def inputs(self, service: str) -> list[ModelInput]:
        """The features that a service's model reads, in declared order."""
        views = (self.feature_views[name] for name in self.service(service).views)
        return [ModelInput(view, feature) for view in views for feature in view.features]

    def service(self, name: str) -> Service:
        if name not in self.services:
            declared = ", ".join(self.services)
            raise KnownatError(f"params.yaml: service: there is no service '{name}'; declared: {declared}.")
        return self.services[name]

    def expanded(self, stem: str) -> Iterator[FeatureView]:
        """The feature views of one file: one for each of its entities."""
        view = self.views[stem]
        table = view.table or self.event.table
        moment = KnownAt.parse(view.known_at) if view.known_at else None
        for entity in view.entities or [view.entity or ""]:
            own = not view.windows and entity == self.event.entity and table == self.event.table and moment
            at_start = own and moment == KnownAt(self.event_table.known_at, timedelta())
            yield FeatureView(
                name=f"{entity}_{stem}" if view.entities else stem,
                stem=stem,
                entity=entity,
                table=table,
                known_at=moment,
                ttl=span(view.ttl) if view.ttl else None,
                windows=tuple(view.windows or ()),
                features=tuple(_spell_out(view)),
                keys=tuple(e for e in self.entities if e != entity) if at_start else (),
                sql=view.sql,
                description=view.description,
            )


def _spell_out(view: View) -> Iterator[ViewFeature]:
    for name, feature in view.features.items():
        if not view.windows:
            yield ViewFeature(name, feature)
        for window in view.windows or ():
            yield ViewFeature(f"{name}_{window}", feature, window)
