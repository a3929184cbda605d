"""What stands between the network and the endpoint: who may ask, how much, how many at once and for how long."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from knownat.serving.metrics import Metrics
from knownat.serving.problems import Answer, problem, problem_of

log = logging.getLogger("knownat")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Scope, bytes], Awaitable[Answer]]

LARGEST_BODY = 64 * 1024
# a load balancer asks these without a key, and they tell nothing but yes or no; the page asks for the key itself
OPEN = {"/", "/v2/health/live", "/v2/health/ready"}
# as told in metrics, by the first part of the path
ROUTES = {"/", "/predict", "/features", "/lineage", "/v2", "/status", "/metrics", "/openapi.json"}
# answered however many wait
ALWAYS = {"/v2/health/live", "/v2/health/ready", "/metrics"}


class Guard:
    """An ASGI app around another one.

    A request is first read whole, which takes no place; then it waits for its turn among at most `places`, where there is
    none it gets 503 at once. `shortcuts`: (method, first part of the path) → a handler
    that is asked without the framework's own detour.
    """

    def __init__(self, app: App, shortcuts: dict[tuple[str, str], Handler], metrics: Metrics, key: str | None, places: int) -> None:
        self.app, self.shortcuts, self.metrics = app, shortcuts, metrics
        self.key = key.encode() if key else None
        self.places = places
        self.waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        route = "/" + path[1:].partition("/")[0]
        route = route if route in ROUTES else "other"
        if refused := self._refused(scope["headers"], path):
            await self._send(send, refused, route, 0.0, closes=True)
            return
        body = await _body(receive)
        if body is None:
            await self._send(send, TOO_LARGE, route, 0.0, closes=True)  # goes nowhere where the client is gone
            return
        if self.waiting >= self.places and path not in ALWAYS:
            await self._send(send, BUSY, route, 0.0)
            return
        self.waiting += 1
        started = time.perf_counter()
        try:
            # lets all that has arrived be counted before one of them is worked on
            await asyncio.sleep(0)
            answer = await self._answered(scope, body, route)
        finally:
            self.waiting -= 1
        await self._send(send, answer, route, time.perf_counter() - started)

    async def _answered(self, scope: Scope, body: bytes, route: str) -> Answer:
        handler = self.shortcuts.get((scope["method"], route))
        try:
            return await (handler(scope, body) if handler else self._through_the_app(scope, body))
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not reach the client)
            try:
                return problem_of(error)
            except Exception:
                log.exception("%s %s failed", scope["method"], scope["path"])
                return problem(500, "Something went wrong here; it was logged.")

    async def _through_the_app(self, scope: Scope, body: bytes) -> Answer:
        """The framework's answer, whole, so that a slow reader holds no place."""
        status, headers, parts = 500, [], list[bytes]()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, send)
        return status, [(name, value) for name, value in headers if name != b"content-length"], b"".join(parts)

    def _refused(self, headers: list[tuple[bytes, bytes]], path: str) -> Answer | None:
        if self.key is not None and path not in OPEN and not self._is_let_in(headers):
            return problem(401, "An API key is needed; send it as `Authorization: Bearer …`.")
        for name, value in headers:
            if name == b"content-length" and (not value.isdigit() or int(value[:20]) > LARGEST_BODY):
                return TOO_LARGE
        return None

    def _is_let_in(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = next((value for name, value in headers if name == b"authorization"), b"")
        return hmac.compare_digest(given, b"Bearer " + (self.key or b""))

    async def _send(self, send: Send, answer: Answer, route: str, seconds: float, *, closes: bool = False) -> None:
        status, headers, body = answer
        self.metrics.answered(route, status, seconds)
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        if closes:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


TOO_LARGE = problem(413, f"The body is larger than {LARGEST_BODY // 1024} KiB; send fewer events at once.")
BUSY = problem(503, "Too many requests wait already; try again.")


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too large or the client is gone (`Protocol` cuts off one that is slow)."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= LARGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" and len(body) <= LARGEST_BODY else None
