"""DVC's cache: an object's bytes have the md5 that is its name, and what dvc.lock names is there.

DVC itself takes a read-only object for whole without reading it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from knownat.doctor.findings import Finding
from knownat.errors import KnownatError
from knownat.files import DRAFT, draft_of
from knownat.objects import FOLDER, problem
from knownat.revision import file_hash, workspace_hashes

OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")
READ_ONLY = 0o444  # as DVC keeps objects


def findings() -> Iterator[Finding]:
    if not Path("dvc.lock").exists():
        return
    store, outs = _tracked()
    damaged = sorted(_damaged(store))
    owners = outs | {oid: path for out, where in outs.items() if out.endswith(FOLDER) for oid, path in files_of(store, out, where)}
    for oid in damaged:
        of = f"of {owners[oid]}" if oid in owners else "of no output that dvc.lock names"
        yield Finding(
            f"The cache's object {oid}, {of}, is damaged: its bytes are not those of its name.",
            "Remove it, and take it from the workspace if that has it, else from the remote.",
            partial(restore, store, oid, owners.get(oid)),
        )
    missing = {oid: path for oid, path in owners.items() if not _place(store, oid).exists()}
    if owners and len(missing) == len(owners) and not any(path.exists() for path in missing.values()):
        yield Finding("Nothing that dvc.lock names is here or in the cache.", "`dvc pull` it, or `dvc repro`.")
        return
    for oid, path in missing.items():
        yield Finding(
            f"{path} is not in the cache, though dvc.lock names it ({oid}).",
            "Take it from the workspace if that has it, else from the remote.",
            partial(restore, store, oid, path),
        )


def restore(store: Path, oid: str, path: Path | None) -> None:
    """Remove an object unless it is whole, and put the right bytes in its place, from the workspace or the remote.

    KnownatError if neither has them.
    """
    place = _place(store, oid)
    if place.exists() and not _is_damaged(place):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(place)
    try:
        if not (path and _is_copied(path, oid, draft)):
            place.unlink(missing_ok=True)
            if fault := problem("remote", oid, draft):
                raise KnownatError(_gone(oid, path, fault))
        draft.chmod(READ_ONLY)
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)


def _gone(oid: str, path: Path | None, fault: str) -> str:
    if path is None:
        return f"{oid} is removed and the remote {fault}; should a commit or an experiment need it, `dvc repro` there makes it."
    return f"the workspace has another {path}, and the remote {fault}; `dvc repro` makes it anew."


def files_of(store: Path, oid: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The objects of a folder's files and where they lie, as the cache lists them, else the workspace if it is that folder."""
    place = _place(store, oid)
    content = place.read_bytes() if place.exists() else b""
    content = content if _name(content) == oid else listing(folder)
    if _name(content) == oid:
        for entry in json.loads(content):
            yield entry["md5"], folder / entry["relpath"]


def listing(folder: Path) -> bytes:
    """What DVC would keep as a folder's object: its files with their md5, in one fixed form."""
    found = workspace_hashes(folder) if folder.is_dir() else {}
    names = [name for name in sorted(found) if not any(part.startswith(DRAFT) for part in Path(name).parts)]
    return json.dumps([{"md5": found[name], "relpath": name} for name in names], sort_keys=True).encode()


def _name(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER


def _is_copied(path: Path, oid: str, draft: Path) -> bool:
    """Whether the workspace has an object's bytes, which then are in `draft`."""
    if oid.endswith(FOLDER):
        draft.write_bytes(listing(path))
    elif path.is_file():
        shutil.copyfile(path, draft)
    return draft.exists() and file_hash(draft) == oid.removesuffix(FOLDER)


def _tracked() -> tuple[Path, dict[str, Path]]:
    """Where the cache's objects are, and those that dvc.lock names with the outputs they are of."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            outs: list[Any] = [out for out in repo.index.outs if out.use_cache and out.hash_info]
            return Path(repo.cache.local.path), {out.hash_info.value: Path(os.path.relpath(out.fs_path)) for out in outs}
    except DvcException as error:
        raise KnownatError(f"DVC cannot read the pipeline: {' '.join(str(error).split())}") from error


def _damaged(store: Path) -> Iterator[str]:
    files = [file for file in store.glob("[0-9a-f][0-9a-f]/*") if OBJECT.fullmatch(file.name)]
    with ThreadPoolExecutor() as pool:
        for file, is_damaged in zip(files, pool.map(_is_damaged, files), strict=True):
            if is_damaged:
                yield file.parent.name + file.name


def _is_damaged(file: Path) -> bool:
    try:
        return file_hash(file) != file.parent.name + file.name.removesuffix(FOLDER)
    except FileNotFoundError:
        return False  # somebody else's DVC has removed it


def _place(store: Path, oid: str) -> Path:
    return store / oid[:2] / oid[2:]
