"""What is kept of a request: a line of JSON while it is served, a row in the columns of Feast's feature log later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from knownat.declaration import Declaration, full_name

Status = Literal["fresh", "unseen", "missing", "stale", "late"]
Columns = dict[str, str]  # join key → "key", full feature name → dtype, in the order of Feast's feature log

KEY = "key"
MOMENT = pa.timestamp("us", tz="UTC")
TYPES = {KEY: pa.string(), "string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
# Feast's FieldStatus: 0 is invalid, 1 present, 2 null, 3 not found, 4 outside the maximum age
CODES: dict[Status, int] = {"fresh": 1, "unseen": 1, "missing": 2, "stale": 4, "late": 4}
NOT_FOUND = 3
OURS = {
    "asked_at": MOMENT, "probability": pa.float64(), "model": pa.string(), "lineage": pa.string(), "request": pa.string(),
}  # fmt: skip
LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Captured:
    """A request, what the model read and what it answered.

    `keys`: join key → the entity; `features`: full name → its value, the moment from which that counts (none where the
    entity is unknown) and how it stands; `request`: the inputs as they were sent.
    """

    request_id: str
    logged_at: datetime
    asked_at: datetime
    keys: Mapping[str, str | None]
    features: Mapping[str, tuple[Any, datetime | None, Status]]
    probability: float
    model: str
    lineage: str
    request: Mapping[str, Any]


def columns(declaration: Declaration, service: str) -> Columns:
    """The join keys and features of a service, view by view."""
    found: Columns = {}
    for name in declaration.service(service).views:
        view = declaration.feature_views[name]
        found[view.join_key] = KEY
        found |= {full_name(name, feature.name): feature.dtype for feature in view.features}
    return found


def schema(columns: Columns) -> pa.Schema:
    """Feast's columns, then ours; a moment keeps its microseconds, of which Feast's log would keep the seconds."""
    kinds: dict[str, pa.DataType] = {}
    for name, kind in columns.items():
        kinds[name] = TYPES[kind]
        if kind != KEY:
            kinds |= {f"{name}__timestamp": MOMENT, f"{name}__status": pa.int32()}
    kinds |= {"__log_timestamp": MOMENT, "__log_date": pa.date32(), "__request_id": pa.string()}
    return pa.schema(kinds | {"asked_at": OURS["asked_at"], "statuses": pa.string()} | OURS)


def features_of(columns: Columns) -> tuple[str, ...]:
    return tuple(name for name, kind in columns.items() if kind != KEY)


def line(record: Captured, features: tuple[str, ...]) -> bytes:
    """A record as one line, moments and words in the order of the service's features.

    Raises KeyError or ValueError for other features than those, and TypeError for what JSON cannot hold; a number that is
    not finite becomes null.
    """
    if len(record.features) != len(features):
        raise ValueError(f"{len(record.features)} features instead of {len(features)}")
    values, known_at, statuses = zip(*map(record.features.__getitem__, features), strict=True)
    content = {
        "request_id": record.request_id,
        "logged_at": record.logged_at,
        "asked_at": record.asked_at,
        "probability": record.probability,
        "model": record.model,
        "lineage": record.lineage,
        "request": orjson.dumps(record.request, option=orjson.OPT_NAIVE_UTC).decode(),
        "keys": record.keys,
        "values": dict(zip(features, values, strict=True)),  # by name, since their types differ
        "known_at": known_at,
        "statuses": statuses,
    }
    return orjson.dumps(content, option=LINE)


def rows(columns: Columns, lines: bytes) -> tuple[pa.Table, int]:
    """The records of whole lines, and how many lines are none; one that is torn costs no other."""
    try:
        return _table(columns, _parsed(columns, lines.lstrip())), 0
    except pa.ArrowInvalid:
        found = [_parsed_alone(columns, text) for text in lines.splitlines() if text]
    tables = [table for table in found if table is not None]
    whole = pa.concat_tables([_parsed(columns, b""), *tables])
    return _table(columns, whole), len(found) - len(tables)


def _parsed(columns: Columns, lines: bytes) -> pa.Table:
    """The records as they are nested in the journal; Arrow reads them without holding up Python's other threads."""
    nested = pa.schema({
        "request_id": pa.string(),
        "logged_at": MOMENT,
        **OURS,
        "keys": pa.struct({name: TYPES[KEY] for name, kind in columns.items() if kind == KEY}),
        "values": pa.struct({name: TYPES[kind] for name, kind in columns.items() if kind != KEY}),
        "known_at": pa.list_(MOMENT),
        "statuses": pa.list_(pa.string()),
    })  # fmt: skip
    if not lines:
        return nested.empty_table()
    if not lines.startswith(b"{"):  # null would end the process: Arrow's reader does not look for it
        raise pa.ArrowInvalid("no JSON object")
    return pj.read_json(
        pa.BufferReader(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=nested, unexpected_field_behavior="error"),
    ).select(nested.names)


def _parsed_alone(columns: Columns, text: bytes) -> pa.Table | None:
    try:
        return _parsed(columns, text)
    except pa.ArrowInvalid:
        return None


def _table(columns: Columns, nested: pa.Table) -> pa.Table:
    made: dict[str, Any] = {name: nested[name] for name in OURS}
    made |= {name: pc.struct_field(nested["keys"], name) for name, kind in columns.items() if kind == KEY}
    words = {}
    for place, name in enumerate(features_of(columns)):
        known_at, words[name] = (pc.list_element(nested[column], place) for column in ("known_at", "statuses"))
        made |= {name: pc.struct_field(nested["values"], name), f"{name}__timestamp": known_at}
        made[f"{name}__status"] = _codes(words[name], known_at)
    made |= {"__log_timestamp": nested["logged_at"], "__log_date": nested["logged_at"].cast(pa.date32())}
    made |= {"__request_id": nested["request_id"], "statuses": _texts(words)}
    wanted = schema(columns)
    return pa.table({name: made[name] for name in wanted.names}, wanted)


def _codes(words: pa.ChunkedArray, known_at: pa.ChunkedArray) -> pa.ChunkedArray:
    """Feast's codes; what is missing and counts from no moment is of an entity that nobody knows."""
    place = pc.index_in(words, pa.array(CODES))
    codes = pc.fill_null(pc.take(pa.array(CODES.values(), pa.int32()), place), 0)
    is_unknown = pc.and_(pc.equal(codes, CODES["missing"]), pc.is_null(known_at))
    return pc.if_else(is_unknown, pa.scalar(NOT_FOUND, pa.int32()), codes)


def _texts(words: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Each row's words as JSON; neither a feature's name nor a word has a character that JSON would escape."""
    pieces: list[Any] = []
    for name, column in words.items():
        pieces += [f'{"," if pieces else "{"}"{name}":"', column, '"']
    return pc.binary_join_element_wise(*pieces, "}", "")
