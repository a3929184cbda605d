"""Half-written files: drafts of ours and of DVC's whose writer is gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from knownat.doctor.findings import Finding
from knownat.doctor.locks import dvc_here
from knownat.errors import KnownatError
from knownat.files import writer_of

CACHE = Path(".dvc/cache")
OF_DVC = ".*.tmp"  # as dvc-objects names what it has not finished


def findings() -> Iterator[Finding]:
    for path in drafts(Path()):
        pid = writer_of(path)
        if pid is not None and not psutil.pid_exists(pid):
            yield Finding(
                f"{path} was being written when process {pid} was killed.",
                f"Remove {path.name}; whatever it was to replace is as it was.",
                partial(remove, path, pid),
            )
    left = sorted(CACHE.rglob(OF_DVC)) if CACHE.is_dir() and not dvc_here() else []
    for path in left:
        yield Finding(f"{path} was being written when a DVC was killed.", "Remove it; no DVC runs here.", partial(remove_dvc, path))


def drafts(folder: Path) -> Iterator[Path]:
    """All drafts below a folder, save in other hidden folders (git's, DVC's, an environment's); none within another."""
    for place, folders, files in os.walk(folder):
        found = [name for name in [*folders, *files] if writer_of(Path(name)) is not None]
        yield from (Path(place, name) for name in sorted(found))
        folders[:] = [name for name in folders if not name.startswith(".")]


def remove(path: Path, pid: int) -> None:
    if psutil.pid_exists(pid):
        raise KnownatError(f"There is a process {pid} now; it may be writing {path}.")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_dvc(path: Path) -> None:
    if living := dvc_here():
        raise KnownatError(f"Process {living[0]} runs DVC here; it may be writing {path}.")
    path.unlink(missing_ok=True)
