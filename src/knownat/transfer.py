"""The work of `knownat push` and `knownat pull`: DVC's own, completed and checked. A process, so that it can be ended."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from knownat.console import Counts, run_stage
from knownat.errors import KnownatError
from knownat.objects import Objects, of_the_lock, of_the_run_cache, path_of

NAMED = 3


def main(direction: str) -> Counts:
    _dvc(direction, "--run-cache")
    from dvc.repo import Repo

    with Repo(".") as repo:
        cache = Path(repo.cache.local.path)
        if direction == "pull":
            return _arrived(cache)
        remote = repo.cloud.get_remote(command=direction).odb
        wanted = of_the_lock(cache)
        wanted |= {md5: name for md5, name in of_the_run_cache(cache).items() if path_of(cache, md5).exists()}
        missing = _missing(wanted, remote)
        # DVC takes a folder for sent once its listing is, and leaves out what only an earlier run has made
        at_hand = [md5 for md5 in missing if path_of(cache, md5).exists()]
        if at_hand:
            remote.add([str(path_of(cache, md5)) for md5 in at_hand], repo.cache.local.fs, at_hand)
            missing = _missing(missing, remote)
    _refuse(missing, "are not on the remote, nor in the cache", "run `dvc repro` where they can be made, and push again")
    return {"objects": len(wanted), "sent_beside_dvc": len(at_hand)}


def _arrived(cache: Path) -> Counts:
    from knownat.revision import file_hash

    wanted = of_the_lock(cache)
    gone = {md5: name for md5, name in wanted.items() if not path_of(cache, md5).exists()}
    _refuse(gone, "have not arrived", "push them from where they were made, and pull again")
    damaged = {md5: name for md5, name in wanted.items() if file_hash(path_of(cache, md5)) != md5.removesuffix(".dir")}
    _refuse(damaged, "are damaged in the cache", "delete them below .dvc/cache/files/md5, and pull again")
    return {"objects": len(wanted)}


def _missing(wanted: Objects, remote: Any) -> Objects:
    there: Collection[str] = set(remote.all())
    return {md5: name for md5, name in wanted.items() if md5 not in there}


def _refuse(found: Objects, what: str, remedy: str) -> None:
    if found:
        names = sorted(f"{name} ({md5[:8]})" for md5, name in found.items())
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        raise KnownatError(f"{len(names)} objects {what}: {shown}; {remedy}.")


def _dvc(*arguments: str) -> None:
    from dvc.cli import main as dvc

    if dvc(list(arguments)):
        raise KnownatError(f"`dvc {' '.join(arguments)}` did not do all of it, for the reason above; mend that and run it again.")


if __name__ == "__main__":
    run_stage(sys.argv[1], main, *sys.argv[1:])
