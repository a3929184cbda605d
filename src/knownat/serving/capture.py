"""The capture of a share of an endpoint's requests."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from knownat.console import log
from knownat.serving import journal
from knownat.serving.captured import Captured, Columns, features_of, line

SECONDS_BETWEEN_SYNCS = 1.0
NONE = -1  # no journal is open: each write fails


def is_kept(key: str, share: float) -> bool:
    """Whether the requests of a key are among the share that is kept: always, or never."""
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64  # compared exactly, so that a share of 1 is all


class Capture:
    """Requests kept below `folder`: at once in a journal, then in Parquet, a file each `rotate_rows` or `rotate_seconds`.

    A record is in the kernel's hands when `keep` returns, so that a killed process loses none. Once a second a thread has
    the kernel write down what is new, so that a power failure costs what the last second brought, and no more. Files are
    made by that thread, too; what a process that is gone has left becomes a file at the next start, or at any other
    process's next rotation.
    """

    def __init__(self, folder: Path, service: str, columns: Columns, rotate_rows: int = 10_000, rotate_seconds: float = 60) -> None:
        self.kept = self.dropped = self.torn = 0
        self._folder, self._service, self._columns, self._features = folder, service, columns, features_of(columns)
        self._rotate_rows, self._rotate_seconds = rotate_rows, rotate_seconds
        self._lock, self._wake, self._is_closing = threading.Lock(), threading.Event(), False
        self._journal, self._rows, self._synced_rows, self._since, self._is_torn = NONE, 0, 0, 0.0, False
        self._is_told = False
        self._sweep()
        self._renew()
        self._thread = threading.Thread(target=self._run, daemon=True, name="capture")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def keep(self, record: Captured) -> None:
        """Append a record; what cannot be kept is counted as dropped, and the first time told of. Never raises or waits."""
        try:
            text = line(record, self._features)
            with self._lock:
                self._append(text)
        except (OSError, KeyError, TypeError, ValueError) as error:
            self.dropped += 1
            self._tell(f"a request is not kept ({error}); more of them are counted only")

    def _append(self, text: bytes) -> None:
        written = os.write(self._journal, b"\n" + text if self._is_torn else text)
        if written < len(text) + self._is_torn:
            self._is_torn = True  # the next line is begun anew, so that it is whole
            raise OSError("no room is left for it")
        self._is_torn = False
        self.kept += 1
        self._rows += 1
        if self._rows == 1:
            self._since = time.monotonic()
        if self._rows == self._rotate_rows:
            self._wake.set()

    def close(self) -> None:
        """Turn what is left into Parquet; what comes later is dropped."""
        self._is_closing = True
        self._wake.set()
        self._thread.join()
        self._release(NONE)
        self._sweep()

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(SECONDS_BETWEEN_SYNCS)
            self._wake.clear()
            if self._journal != NONE and not self._is_due():
                self._sync()
            elif self._renew():
                self._sweep()

    def _is_due(self) -> bool:
        is_old = self._rows > 0 and time.monotonic() - self._since >= self._rotate_seconds
        return self._rows >= self._rotate_rows or is_old

    def _renew(self) -> bool:
        """Go on in a new journal or, where there can be none, in the old one."""
        try:
            self._release(journal.opened(self._folder, self._service, self._columns))
        except OSError as error:
            self._tell(f"no journal can be opened in {self._folder} ({error})")
            return False
        return True

    def _release(self, fresh: int) -> None:
        """Put a journal in the present one's place, which is then for a sweep to take."""
        with self._lock:
            old, self._journal = self._journal, fresh
            self._rows, self._synced_rows, self._is_torn = 0, 0, False
        if old != NONE:
            with suppress(OSError):  # of which the sweep that follows tells
                os.fsync(old)
            os.close(old)

    def _sync(self) -> None:
        rows = self._rows
        if rows == self._synced_rows:
            return
        try:
            os.fsync(self._journal)
            self._synced_rows = rows
        except OSError as error:
            self._tell(f"what is kept may not survive a power failure ({error})")

    def _sweep(self) -> None:
        swept = journal.sweep(self._folder)
        if swept.torn:
            self.torn += swept.torn
            log.warning("capture of %s: %d torn lines are dropped", self._service, swept.torn)

    def _tell(self, what: str) -> None:
        """Log the first trouble; the counts tell of the rest."""
        if not self._is_told:
            self._is_told = True
            log.warning("capture of %s: %s", self._service, what)
