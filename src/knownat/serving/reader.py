"""The online store as the endpoint reads it: within a deadline, behind a circuit breaker, and never a guess."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from feast.errors import FeastError
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from knownat.declaration import Declaration, FeatureView
from knownat.errors import KnownatError
from knownat.online import NOTHING, Online, Row, embedded_path

log = logging.getLogger("knownat")

T = TypeVar("T")
Wanted = Sequence[tuple[FeatureView, str]]
Rows = dict[str, Row]
Stamp = tuple[int, int, int]
FAULTS = (TimeoutError, OSError, RedisError, sqlite3.Error, DecodeError, FeastError, KnownatError)

FAILURES = 3  # in a row, after which the store is left alone
PROBE_SECONDS = 0.5
MOST_ROWS = 200_000
# a file may change twice within one tick of the kernel's clock and look the same
YOUNG_NS = 100_000_000


class StoreUnavailable(Exception):
    """The online store did not answer, or not with what it should hold."""


class Reader:
    """Reads rows through Feast, a file's in memory as long as the file stays the same.

    After FAILURES in a row nothing is asked of the store until a probe succeeds. `through`: up to when it is filled.
    """

    def __init__(self, declaration: Declaration, seconds: float) -> None:
        self.declaration, self.seconds = declaration, seconds
        self.path: Path | None = embedded_path()
        self.through: datetime | None = None
        self.failures = 0
        # one: a read is mostly Python's work, at which threads only take turns, and SQLite's connection holds up a second one
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="online-store")
        self._rows: dict[tuple[str, str], Row] = {}
        self._stamp: Stamp | None = None
        self._store: Online | None = None

    @property
    def is_open(self) -> bool:
        """Whether the circuit is broken: the store failed, and no probe has succeeded since."""
        return self.failures >= FAILURES

    @property
    def fault(self) -> str | None:
        """Why nothing can be predicted now; None where all is well."""
        if self.is_open:
            return "the online store does not answer as it should"
        return None if self.through else "the online store was never filled, or was emptied; run `knownat materialize`"

    def until(self) -> float:
        """By when, in the loop's time, what is asked for now must be there."""
        return asyncio.get_running_loop().time() + self.seconds

    async def rows(self, wanted: Sequence[Wanted], until: float) -> list[Rows]:
        """For each event, view → row. Raises StoreUnavailable by `until`, at once where the circuit is open."""
        if self.is_open or self.through is None:
            raise StoreUnavailable(self.fault)
        if self.path is not None and self._is_unchanged(self.path):
            kept = self._rows
            with contextlib.suppress(KeyError):
                return [{view.name: kept[view.name, key] for view, key in event} for event in wanted]
        return await self._asked(lambda: self._read(wanted), until)

    async def probe(self) -> None:
        """Ask the store how far it is filled; a success closes the circuit."""
        try:
            self.through = await self._asked(self._filled_through, self.until())
        except StoreUnavailable:
            return

    async def watch(self) -> None:
        """Probe for ever: often while the circuit is open, so that service resumes within a second."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self.probe()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _asked(self, question: Callable[[], T], until: float) -> T:
        try:
            async with asyncio.timeout_at(until):
                found = await asyncio.get_running_loop().run_in_executor(self._thread, question)
        except FAULTS as error:
            self.failures += 1
            if self.failures == FAILURES:
                log.error("the online store fails (%s: %s); asking no more until a probe succeeds", type(error).__name__, error)
            raise StoreUnavailable("the online store does not answer as it should") from error
        if self.is_open:
            log.warning("the online store answers again")
        self.failures = 0
        return found

    def _read(self, wanted: Sequence[Wanted]) -> list[Rows]:
        """One read a view, for all events."""
        stamp, store = self._opened(), self._online()
        keys: dict[str, tuple[FeatureView, dict[str, Row]]] = {}
        for event in wanted:
            for view, key in event:
                keys.setdefault(view.name, (view, {}))[1][key] = NOTHING
        for view, found in keys.values():
            found.update(zip(found, store.read(view, list(found)), strict=True))
        if wanted and not any(row.known_at for _, found in keys.values() for row in found.values()):
            self._expect_filled(store)
        if stamp and stamp == self._stamp and time.time_ns() - stamp[1] > YOUNG_NS:
            if len(self._rows) > MOST_ROWS:
                self._rows = {}
            self._rows.update({(view.name, key): row for view, found in keys.values() for key, row in found.items()})
        return [{view.name: keys[view.name][1][key] for view, key in event} for event in wanted]

    def _expect_filled(self, store: Online) -> None:
        """Nothing at all was found: of unknown entities, or in a store that was emptied since the last probe."""
        if store.through() is None:
            self.through = None
            raise StoreUnavailable(self.fault)

    def _filled_through(self) -> datetime | None:
        self._opened()
        return self._online().through()

    def _online(self) -> Online:
        if self._store is None:
            self._store = Online(self.declaration, self.seconds)
        return self._store

    def _is_unchanged(self, path: Path) -> bool:
        try:
            return stamp_of(path) == self._stamp
        except OSError:
            return False

    def _opened(self) -> Stamp | None:
        """A file's stamp; where it is another than before, what was read of the old one is forgotten."""
        if self.path is None:
            return None
        stamp = stamp_of(self.path)  # OSError where it is gone: SQLite would make an empty one
        if stamp != self._stamp:
            self._store, self._rows = None, {}
            self._stamp = stamp
        return stamp


def stamp_of(path: Path) -> Stamp:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
