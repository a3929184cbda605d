"""DVC's book of locks (`.dvc/tmp/rwlock`): a torn one stops every command, one of the dead warns at each.

DVC's other locks, and those of the stages, are the kernel's, which frees them when their holder dies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from knownat.doctor.findings import Finding
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.running import BOOK, LOCKS, holders, is_alive

GUARD = LOCKS / "rwlock.lock"  # what DVC holds while it writes the book


def findings() -> Iterator[Finding]:
    if not BOOK.exists():
        return
    found = holders()
    if found is None:
        yield _torn()
    elif dead := sorted(pid for pid in found if not holds(pid)):
        numbers = ", ".join(map(str, dead))
        yield Finding(
            f"{BOOK} has locks of processes that are gone ({numbers}).",
            "Take their locks out of it; those of living processes stay.",
            forget_dead,
        )


def _torn() -> Finding:
    problem = f"{BOOK} is torn, as a killed DVC leaves it, and stops every DVC command."
    if living := dvc_here():
        return Finding(
            f"{problem[:-1]}; process {living[0]} may still hold it.",
            f"Let process {living[0]} end, or end it; then run this again.",
        )
    return Finding(problem, "Remove it; no DVC runs in this folder.", remove_torn)


def remove_torn() -> None:
    with _guarded():
        if living := dvc_here():
            raise KnownatError(f"Process {living[0]} runs DVC in this folder; let it end first.")
        if holders() is None:
            BOOK.unlink(missing_ok=True)


def forget_dead() -> None:
    with _guarded():
        book = json.loads(BOOK.read_text(encoding="utf-8"))
        kept = partial(_kept, written=BOOK.stat().st_mtime)
        write = {path: entry for path, entry in book.get("write", {}).items() if kept(entry)}
        read = {path: [entry for entry in entries if kept(entry)] for path, entries in book.get("read", {}).items()}
        write_text(BOOK, json.dumps({"write": write, "read": {path: entries for path, entries in read.items() if entries}}))


def _kept(entry: dict[str, Any], written: float) -> bool:
    return holds(int(entry["pid"]), written)


def holds(pid: int, written: float | None = None) -> bool:
    """Whether a process that the book names can be the one meant: it is alive, and was when the book was last written."""
    try:
        process = psutil.Process(pid)
        return is_alive(process) and process.create_time() <= (written or BOOK.stat().st_mtime) + 1
    except psutil.NoSuchProcess:
        return False


def dvc_here() -> list[int]:
    """The living processes but this one that run DVC, or a stage of ours, in this folder or below."""
    own = {psutil.Process().pid, *(ancestor.pid for ancestor in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError):
            is_meant = any(Path(word).name == "dvc" or word.startswith("knownat.stages.") for word in process.cmdline())
            if is_meant and process.pid not in own and is_alive(process) and Path(process.cwd()).is_relative_to(Path.cwd()):
                found.append(process.pid)
    return found


@contextmanager
def _guarded() -> Iterator[None]:
    """DVC's own lock on its book; KnownatError if another process keeps it."""
    from dvc.lock import LockError, make_lock

    guard = make_lock(str(GUARD), tmp_dir=str(LOCKS))
    try:
        guard.lock()
    except LockError as error:
        raise KnownatError(f"Another process holds {GUARD}; let it end first.") from error
    try:
        yield
    finally:
        guard.unlock()
