"""The Open Inference Protocol (version 2): the same predictions, asked with the event's raw fields, or its id, as tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from knownat.serving.live import Live
from knownat.serving.predictor import Predicted
from knownat.serving.problems import Refused
from knownat.serving.schema import Schema

DATATYPES = {"string": "BYTES", "int64": "INT64", "float64": "FP64", "bool": "BOOL", "timestamp": "BYTES", "date": "BYTES"}
ID = "id"


def metadata(live: Live) -> dict[str, Any]:
    columns = live.declaration.event_table.columns
    inputs = [{"name": name, "datatype": DATATYPES[columns[name].dtype], "shape": [-1]} for name in live.request.fields]
    outputs = [{"name": "probability", "datatype": "FP64", "shape": [-1]}, {"name": "features", "datatype": "BYTES", "shape": [-1]}]
    return {"name": live.service, "versions": [live.version], "platform": "knownat", "inputs": inputs, "outputs": outputs}


def events(live: Live, body: Any, most: int) -> list[dict[str, Any]]:
    """The tensors as events, `{"id": …}` or `{"fields": {…}}` each; null entries as fields that were not sent."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise Refused(422, "inputs: send a list of tensors, each with name, shape, datatype and data.", "inputs")
    tensors = [_tensor(live, tensor) for tensor in inputs]
    columns = dict(tensors)
    if len(columns) < len(tensors):
        raise Refused(422, "inputs: two tensors have the same name; send each once.", "inputs")
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1 or not 1 <= max(sizes) <= most:
        raise Refused(422, f"inputs: all tensors must hold as many values as there are events, 1 to {most}.", "inputs")
    if ID in columns:
        if len(columns) > 1:
            raise Refused(422, "inputs: send either id or the raw fields.", ID)
        return [{ID: value} for value in columns[ID]]
    return [{"fields": dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]


def _tensor(live: Live, tensor: Any) -> tuple[str, Sequence[Any]]:
    if not isinstance(tensor, dict) or not {"name", "shape", "datatype", "data"} <= tensor.keys():
        raise Refused(422, "inputs: a tensor has name, shape, datatype and data.", "inputs")
    name, shape, data = tensor["name"], tensor["shape"], tensor["data"]
    if not isinstance(name, str) or (name != ID and name not in live.request.fields):
        raise Refused(422, f"inputs: the names are {ID}, or {', '.join(live.request.fields)}.", "inputs")
    expected = "BYTES" if name == ID else DATATYPES[live.declaration.event_table.columns[name].dtype]
    if tensor["datatype"] != expected:
        raise Refused(422, f"{name}: the datatype is {expected}.", name)
    if not isinstance(data, list) or not _is_shape(shape) or math.prod(shape) != len(data):
        raise Refused(422, f"{name}: data must be a flat list of as many values as its shape says.", name)
    return name, data


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and 1 <= len(shape) <= 2 and all(type(n) is int and 0 <= n <= 1_000_000 for n in shape)


def answer(live: Live, found: Sequence[Predicted], stands_on: Mapping[str, Any], request_id: Any) -> dict[str, Any]:
    """`features`: of each event, as JSON, what `/predict` says of them."""
    shape = [len(found)]
    told = [orjson.dumps(item.features, option=orjson.OPT_UTC_Z).decode() for item in found]
    outputs: list[Schema] = [
        {"name": "probability", "datatype": "FP64", "shape": shape, "data": [item.probability for item in found]},
        {"name": "features", "datatype": "BYTES", "shape": shape, "data": told},
    ]
    content = {"model_name": live.service, "model_version": live.version, "parameters": dict(stands_on), "outputs": outputs}
    return content | ({"id": request_id} if isinstance(request_id, str) else {})


TENSOR: Schema = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
        "datatype": {"type": "string", "enum": ["BOOL", "BYTES", "FP64", "INT64"]},
        "data": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}},
    },
}
REQUEST: Schema = {
    "type": "object",
    "required": ["inputs"],
    "properties": {"id": {"type": "string"}, "inputs": {"type": "array", "minItems": 1, "items": TENSOR}},
}
ANSWER: Schema = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "outputs": {"type": "array", "items": TENSOR},
    },
}
