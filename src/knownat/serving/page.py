"""The console page and what it shows at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knownat.serving.endpoint import Endpoint

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


def html(_: Endpoint) -> bytes:
    return b""


def status(endpoint: Endpoint) -> dict[str, Any]:
    return {"fault": endpoint.fault, **endpoint.stands_on(endpoint.live)}
