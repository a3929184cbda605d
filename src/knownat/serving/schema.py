"""The endpoint's OpenAPI: request and answers as the declaration has them, with examples that can be sent."""

from __future__ import annotations

from typing import Any

from knownat.declaration import Column, Declaration
from knownat.derive.request import Request
from knownat.params import ServingSettings
from knownat.serving.live import Live

Schema = dict[str, Any]

TYPES: dict[str, Schema] = {
    "string": {"type": "string"},
    "int64": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float64": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
STATUSES = ["fresh", "stale", "missing", "late", "unseen"]
PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and the remedy"},
        "field": {"type": "string", "description": "Which field or feature is at fault"},
    },
}


def fields_schema(live: Live) -> Schema:
    """A service's raw fields, with the declared bounds."""
    declaration, request = live.declaration, live.request
    table = declaration.event_table
    needed = {declaration.service(live.service).as_of, table.known_at}
    columns = {name: table.columns[name] for name in request.fields}
    required = [name for name, column in columns.items() if column.required or name in needed]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {name: _field(column, name in required) for name, column in columns.items()},
        "example": example(declaration, request),
    }


def _field(column: Column, required: bool) -> Schema:
    found = dict(TYPES[column.dtype])
    if column.dtype in {"int64", "float64"}:
        found |= {"minimum": column.min} if column.min is not None else {}
        found |= {"maximum": column.max} if column.max is not None else {}
    bounds = [f"{word} {bound}" for word, bound in (("from", column.min), ("to", column.max)) if isinstance(bound, str)]
    if column.values is not None:
        found["enum"] = [*column.values, *([] if required else [None])]
    if not required:
        found["type"] = [found["type"], "null"]
    text = "; ".join([*([column.description] if column.description else []), *bounds])
    return found | ({"description": text} if text else {})


def example(declaration: Declaration, request: Request) -> dict[str, Any]:
    """Fields that are within every bound of a column: the first value of a choice, and a little above a least value."""
    table = declaration.event_table
    return {name: _example(name, table.columns[name]) for name in request.fields}


def _example(name: str, column: Column) -> Any:
    if column.values:
        return column.values[0]
    if column.dtype in {"int64", "float64"}:
        low, high = column.min, column.max
        value = (low + 1000) if isinstance(low, int | float) else 1000
        value = min(value, high) if isinstance(high, int | float) else value
        return int(value) if column.dtype == "int64" else float(value)
    usual = {"string": f"An example {name}", "bool": True, "timestamp": "2018-01-03T09:00:00Z", "date": "2018-02-02"}
    return usual[column.dtype]


def request_schema(settings: ServingSettings) -> Schema:
    event_id: Schema = {"type": "string", "minLength": 1, "description": "A stored, open event, asked as of now"}
    fields: Schema = {"$ref": "#/components/schemas/Fields"}
    explain = {"explain": {"type": "boolean", "description": "Add each input's contribution to the logit"}}
    by_id: Schema = {"type": "object", "additionalProperties": False, "required": ["id"], "properties": {"id": event_id}}
    by_fields: Schema = {"type": "object", "additionalProperties": False, "required": ["fields"], "properties": {"fields": fields}}
    batch: Schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["events"],
        "properties": {
            "events": {"type": "array", "minItems": 1, "maxItems": settings.max_batch, "items": {"anyOf": [by_id, by_fields]}}
        },
    }
    alone = [kind | {"properties": kind["properties"] | explain} for kind in (by_id, by_fields)]
    return {"anyOf": [*alone, batch]}


def answer_schema(live: Live) -> Schema:
    names = [item.name for items in live.inputs.inputs.values() for item in items]
    features: Schema = {
        "type": "object",
        "required": names,
        "properties": {name: {"$ref": "#/components/schemas/Feature"} for name in names},
    }
    event: Schema = {
        "id": {"type": ["string", "null"]},
        "probability": {"type": "number", "minimum": 0, "maximum": 1, "description": "Calibrated"},
        "as_of": {"type": "string", "format": "date-time", "description": "The moment asked about"},
        "features": features,
    }
    model: Schema = {
        "label": {"type": "string"},
        "service": {"type": "string"},
        "trained_as_of": {"type": "string", "description": "The moment of an event that training asked about"},
        "model": {"type": "string", "description": "md5 of the model's file, as in dvc.lock"},
        "lineage": {"type": ["string", "null"], "description": "See /lineage/{id}"},
        "store_through": MOMENT | {"description": "Up to when the online store holds what was known"},
        "clock": {"type": "string", "format": "date-time", "description": "What is taken for now, where that is not the real time"},
    }
    contributions: Schema = {"contributions": {"type": "object", "additionalProperties": {"type": "number"}}}
    required = [name for name in model if name != "clock"]
    one = {"type": "object", "required": [*event, *required], "properties": event | contributions | model}
    many = {
        "type": "object",
        "required": ["predictions", *required],
        "properties": {"predictions": {"type": "array", "items": {"type": "object", "required": [*event], "properties": event}}}
        | model,
    }
    return {"anyOf": [one, many]}


def feature_schema() -> Schema:
    return {
        "type": "object",
        "required": ["value", "status", "known_at", "age_seconds"],
        "properties": {
            "value": {"description": "What is stored or computed; null where there is nothing"},
            "status": {"type": "string", "enum": STATUSES},
            "known_at": MOMENT | {"description": "From when the value counts"},
            "age_seconds": {"type": ["number", "null"]},
            "stand_in": {"description": "What the model read in its place, where the value was not used or not known to the model"},
        },
    }


def components(live: Live, settings: ServingSettings) -> Schema:
    return {
        "Fields": fields_schema(live),
        "Ask": request_schema(settings),
        "Answer": answer_schema(live),
        "Feature": feature_schema(),
        "Problem": PROBLEM,
    }


def body(name: str, examples: dict[str, Any] | None = None) -> Schema:
    content: Schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if examples:
        content["examples"] = {title: {"value": value} for title, value in examples.items()}
    return {"required": True, "content": {"application/json": content}}


def answers(ok: Schema, *statuses: int) -> Schema:
    """The documented answers of a route: what it gives, and the problems that it may give instead."""
    texts = {
        400: "Not JSON", 401: "No API key", 404: "Nothing of that name", 409: "The event is closed", 413: "Too large",
        422: "Not as declared", 503: "Nothing can be predicted now; try again", 408: "Too slow",
    }  # fmt: skip
    wrong = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: Schema = {"200": {"description": "OK", "content": {"application/json": {"schema": ok}}}}
    return found | {str(status): {"description": texts[status], "content": wrong} for status in statuses}
