"""The endpoint's process: uvicorn with slow clients cut off, the live model reloaded, and a graceful end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from knownat.errors import KnownatError

log = logging.getLogger("knownat")

SLOW_SECONDS = 5.0
MOST_CONNECTIONS = 2000
SWEEP_SECONDS = 1.0
KEY = "KNOWNAT_API_KEY"
GRACE_SECONDS = 10


class Protocol(HttpToolsProtocol):
    """Knows since when a client has owed the rest of a request."""

    owed_since: float | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.owed_since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.owed_since = self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.owed_since = None


async def cut_off_slow_clients(server: uvicorn.Server) -> None:
    """For ever: close what has not sent its whole request within SLOW_SECONDS."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = asyncio.get_running_loop().time()
        for connection in list(server.server_state.connections):
            since = getattr(connection, "owed_since", None)
            if since is not None and now - since > SLOW_SECONDS:
                connection.transport.abort()


def api_key(host: str) -> str | None:
    """The key that clients must send; KnownatError where there is none though others than this machine could ask."""
    key = os.environ.get(KEY, "").strip()
    if not key and not is_loopback(host):
        raise KnownatError(f"--host {host}: an API key is required for any but a loopback address; set {KEY}.")
    if key and (not key.isascii() or not key.isprintable() or " " in key or len(key) < 16):
        raise KnownatError(f"{KEY} is no key that can be sent in a header; use at least 16 ASCII characters without a space.")
    return key or None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def settle() -> None:
    """Leave what is loaded out of the search for garbage, which would stop all requests for it, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def run(app: Any, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; what is at work then is still answered."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=1024,
    )
    settle()
    server = uvicorn.Server(config)
    app.server = server
    try:
        server.run()
    except SystemExit as error:  # uvicorn's way to say that it could not bind
        raise KnownatError(f"Cannot listen on {host}:{port}; choose another --port, or end what listens there.") from error
    if not server.started:
        raise KnownatError(f"Cannot listen on {host}:{port}; choose another --port, or end what listens there.")
