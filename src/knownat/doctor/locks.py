"""DVC's book of locks (`.dvc/tmp/rwlock`): a torn one stops every command, one of the dead warns at each.

DVC's other locks, and those of the stages, are the kernel's, which frees them when their holder dies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from knownat.doctor.findings import Finding
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.running import BOOK, LOCKS, holders, is_alive

BOOKS = (BOOK, LOCKS / "exps" / "rwlock")  # of the checkout, and of its experiments


def findings() -> Iterator[Finding]:
    for book in BOOKS:
        found = holders(book)
        if found is None:
            yield _torn(book)
        elif dead := sorted(pid for pid in found if not holds(pid, book.stat().st_mtime)):
            numbers = ", ".join(map(str, dead))
            yield Finding(
                f"{book} has locks of processes that are gone ({numbers}).",
                "Take their locks out of it; those of living processes stay.",
                partial(forget_dead, book),
            )


def _torn(book: Path) -> Finding:
    problem = f"{book} is torn, as a killed DVC leaves it, and stops DVC's commands"
    if living := dvc_here():
        remedy = f"Let process {living[0]} end, or end it; then run this again."
        return Finding(f"{problem}; process {living[0]} may still hold it.", remedy)
    return Finding(f"{problem}.", "Remove it; no DVC runs in this folder.", partial(remove_torn, book))


def remove_torn(book: Path) -> None:
    with _guarded(book):
        if living := dvc_here():
            raise KnownatError(f"Process {living[0]} runs DVC in this folder; let it end first.")
        if holders(book) is None:
            book.unlink()


def forget_dead(book: Path) -> None:
    with _guarded(book):
        locks, written = json.loads(book.read_text(encoding="utf-8")), book.stat().st_mtime
        write = {path: entry for path, entry in locks.get("write", {}).items() if holds(entry["pid"], written)}
        read = {path: [e for e in entries if holds(e["pid"], written)] for path, entries in locks.get("read", {}).items()}
        write_text(book, json.dumps({"write": write, "read": {path: entries for path, entries in read.items() if entries}}))


def holds(pid: int, written: float) -> bool:
    """Whether a process can be the one that a book names: it is alive, and was when the book was last written."""
    try:
        process = psutil.Process(pid)
        return is_alive(process) and bool(process.create_time() <= written + 1)
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
def _guarded(book: Path) -> Iterator[None]:
    """What DVC itself holds while it writes the book; KnownatError if another process keeps it."""
    from dvc.lock import LockError, make_lock

    path = book.with_name("rwlock.lock")
    guard = make_lock(str(path), tmp_dir=str(LOCKS))
    try:
        guard.lock()
    except LockError as error:
        raise KnownatError(f"Another process holds {path}; let it end first.") from error
    try:
        yield
    finally:
        guard.unlock()
