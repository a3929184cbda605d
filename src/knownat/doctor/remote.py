"""What the remote should hold of the workspace's data and does not: objects that are gone or damaged there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from knownat.doctor.findings import Finding
from knownat.objects import FOLDER, of_the_lock, path_of
from knownat.remote import expect_answer
from knownat.revision import file_hash

State = Literal["well", "missing", "damaged"]
AT_ONCE = 8
CHUNK_BYTES = 1 << 20


def findings() -> Iterator[Finding]:
    """Every object that dvc.lock names is read on the remote and compared with its md5; what the cache has can be sent again."""
    expect_answer()
    from dvc.repo import Repo

    with Repo(".") as repo:
        cache = repo.cache.local
        remote = repo.cloud.get_remote(command="doctor").odb
        wanted = of_the_lock(Path(cache.path))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            states = dict(zip(wanted, pool.map(lambda md5: _state(remote, md5), wanted), strict=True))
        for md5, state in states.items():
            if state == "well":
                continue
            here = path_of(Path(cache.path), md5)
            problem = f"{wanted[md5]} ({md5[:8]}) is {state} on the remote."
            if here.exists() and file_hash(here) == md5.removesuffix(FOLDER):
                yield Finding(problem, "Send it again from the cache.", _sender(cache, remote, md5))
            else:
                yield Finding(problem, "Push it from where it is whole, or make it by `dvc repro`.")


def _state(remote: Any, md5: str) -> State:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with remote.fs.open(remote.oid_to_path(md5), "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return "missing"
    except OSError:  # the server itself finds it unreadable
        return "damaged"
    return "well" if digest.hexdigest() == md5.removesuffix(FOLDER) else "damaged"


def _sender(cache: Any, remote: Any, md5: str) -> Callable[[], None]:
    def send() -> None:
        remote.add([str(path_of(Path(cache.path), md5))], cache.fs, [md5], check_exists=False)

    return send
