"""The console page: ask for a prediction and see why, the live model, traffic and health; it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from knownat.declaration import Column
from knownat.serving.live import Live
from knownat.serving.schema import example

if TYPE_CHECKING:
    from knownat.serving.endpoint import Endpoint

SHOWN = 12  # inputs before the rest is folded away
KINDS = {"int64": "number", "float64": "number", "timestamp": "datetime-local", "date": "date"}


def html(endpoint: Endpoint) -> tuple[bytes, bytes]:
    """The page and its Content-Security-Policy, which lets nothing run or load but what is in the page."""
    return _rendered(endpoint.live, endpoint.settings.clock and f"{endpoint.settings.clock:%Y-%m-%d %H:%M}")


@lru_cache(maxsize=2)
def _rendered(live: Live, clock: str | None) -> tuple[bytes, bytes]:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = ChoiceLoader([PackageLoader("knownat.serving", ""), PackageLoader("knownat.report", "")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = "".join(loader.get_source(environment, name)[0] for name in ("page.css", "console.css"))
    script = loader.get_source(environment, "console.js")[0].replace("SHOWN", str(SHOWN))
    policy = (
        f"default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    text = environment.get_template("console.html.j2").render(
        live=live,
        about=live.declaration.service(live.service),
        label=live.declaration.outcome,
        event=live.inputs.entity,
        fields=fields(live),
        inputs=len(live.forward.encoder.inputs),
        clock=clock,
        style=Markup(style),
        script=Markup(script),
    )
    return text.encode(), policy.encode()


def fields(live: Live) -> list[dict[str, Any]]:
    """A form's controls, one for each raw field, filled with the example."""
    columns, given = live.declaration.event_table.columns, example(live.declaration, live.request)
    return [
        {
            "name": name,
            "label": name.replace("_", " ").capitalize(),
            "about": columns[name].description,
            "dtype": columns[name].dtype,
            "kind": KINDS.get(columns[name].dtype, "text"),
            "choices": [*(columns[name].values or []), *([True, False] if columns[name].dtype == "bool" else [])],
            "bounds": _bounds(columns[name]),
            "value": str(given[name]).removesuffix("Z") if columns[name].dtype == "timestamp" else given[name],
        }
        for name in live.request.fields
    ]


def _bounds(column: Column) -> dict[str, Any]:
    found = {key: value for key, value in (("min", column.min), ("max", column.max)) if value is not None}
    if column.dtype == "timestamp":
        return {key: str(value)[:16] if "T" in str(value) else f"{value}T00:00" for key, value in found.items()}
    return found | ({"step": "any"} if column.dtype == "float64" else {})


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def status(endpoint: Endpoint) -> dict[str, Any]:
    """Traffic and health at a glance; times in seconds, those of `/predict` over its last requests."""
    metrics, reader = endpoint.metrics, endpoint.reader
    recent = sorted(metrics.recent)
    quantiles = {f"p{int(share * 100)}": recent[int(share * (len(recent) - 1))] if recent else None for share in (0.5, 0.95, 0.99)}
    return {
        "ready": endpoint.fault is None,
        "reason": endpoint.fault,
        "uptime_seconds": round(time.monotonic() - endpoint.started, 1),
        "requests": [{"route": route, "status": code, "count": count} for (route, code), count in sorted(metrics.requests.items())],
        "predict_seconds": quantiles,
        "predictions": metrics.predictions,
        "captured": endpoint.capture.kept,
        "inputs_not_fresh": dict(sorted(metrics.not_fresh.items())),
        "inputs": metrics.predictions * len(endpoint.live.forward.encoder.inputs),
        "store_lag_seconds": (endpoint.now() - reader.through).total_seconds() if reader.through else None,
        **endpoint.stands_on(endpoint.live),
    }
