"""A stage runs alone in its checkout, and no longer than the DVC that started it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from knownat.errors import KnownatError

LOCKS = Path(".dvc/tmp")
BOOK = LOCKS / "rwlock"  # DVC's own: which process reads or writes which files
STARTED_BY_DVC = "DVC_STAGE"  # DVC sets it for each command that it runs
SECONDS_BETWEEN_LOOKS, SECONDS_TO_UNWIND = 0.5, 15.0
SHELLS = {"sh", "dash", "bash", "zsh", "fish"}


@contextmanager
def alone(stage: str) -> Iterator[None]:
    """Hold the checkout's lock of a stage; KnownatError if another process has it. The kernel frees it when the holder dies."""
    path = LOCKS / f"knownat.{quote(stage, safe='')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise KnownatError(
                f"The stage {stage} already runs in this folder, as process {file.read() or '?'}; wait for it, or end it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_with_dvc(stage: str) -> None:
    """Where DVC started this process, end it when that DVC ends, be it killed; KnownatError if it has ended already.

    A stage that a person starts is theirs to end.
    """
    if STARTED_BY_DVC not in os.environ:
        return
    dvc = dvc_of(psutil.Process())
    if dvc is None:
        raise KnownatError(f"The DVC that started the stage {stage} has ended; run `dvc repro` again.")
    threading.Thread(target=_end_with, args=(dvc,), daemon=True, name="end_with_dvc").start()


def dvc_of(process: psutil.Process) -> psutil.Process | None:
    """The living DVC that a stage's process descends from; None where there is none.

    While DVC runs a command, its book of locks names it; where that book is torn, it is the first ancestor but for shells.
    """
    ancestors = [ancestor for ancestor in process.parents() if is_alive(ancestor)]
    pids = holders()
    for _ in range(20 if pids is None else 0):  # another DVC may be writing it just now
        time.sleep(0.1)
        pids = pids or holders()
    if pids is None:
        return next((a for a in ancestors if a.name() not in SHELLS and a.pid != 1), None)
    return next((a for a in ancestors if a.pid in pids), None)


def holders(path: Path = BOOK) -> set[int] | None:
    """The processes that a book of locks of DVC's names, dead or alive; None while it cannot be read."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        entries = [*book.get("write", {}).values(), *(entry for readers in book.get("read", {}).values() for entry in readers)]
        return {int(entry["pid"]) for entry in entries}
    except FileNotFoundError:
        return set()
    except (ValueError, AttributeError, TypeError, KeyError):
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: a killed process that nobody has waited for does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(process: psutil.Process) -> None:
    """End a process and all that it has started: by asking, and after 15 seconds by force."""
    family = [process]
    try:
        family += process.children(recursive=True)
        process.terminate()
    except psutil.NoSuchProcess:
        pass
    _, left = psutil.wait_procs(family, timeout=SECONDS_TO_UNWIND)
    for member in left:
        member.kill()
    psutil.wait_procs(left, timeout=SECONDS_TO_UNWIND)


def _end_with(dvc: psutil.Process) -> None:
    while is_alive(dvc):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    family = psutil.Process().children(recursive=True)
    # to the main thread, which may be waiting for the JVM: this wakes it up
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(SECONDS_TO_UNWIND)
    for member in family:
        member.kill()
    os.kill(os.getpid(), signal.SIGKILL)
