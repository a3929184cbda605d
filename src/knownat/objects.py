"""The objects that a checkout's data consists of, in DVC's cache and on its remote, each named by the md5 of its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from knownat.errors import KnownatError
from knownat.remote import expect_answer
from knownat.revision import file_hash

LOCK = Path("dvc.lock")
FOLDER = ".dir"  # ends the md5 of a folder, whose object lists the files below it

Objects = dict[str, str]  # md5 → the output, or the file of one, that it is


def of_the_lock(cache: Path) -> Objects:
    """What `dvc.lock` names, without what git keeps; a folder's files as far as its listing is in the cache."""
    if not LOCK.exists():
        raise KnownatError(f"{LOCK} is missing; run `dvc repro`, or work in a clone of the project.")
    kept_in_git = _kept_in_git()
    outs = (out for stage in _written_by_dvc(LOCK).get("stages", {}).values() for out in stage.get("outs", ()))
    return _spread((out for out in outs if out["path"] not in kept_in_git), cache)


def of_the_run_cache(cache: Path) -> Objects:
    """What the runs that DVC remembers have made, whether or not the workspace uses it, metrics in git included."""
    runs = sorted((cache.parent.parent / "runs").glob("*/*/*"))
    outs = [out for run in runs if len(run.name) == 64 for out in _written_by_dvc(run).get("outs", ())]
    return _spread(outs, cache)


def path_of(cache: Path, md5: str) -> Path:
    """Where the cache has an object."""
    return cache / md5[:2] / md5[2:]


def problem(store: Literal["cache", "remote"], md5: str, target: Path) -> str:
    """Why a store did not give an object; empty if it is in `target` now."""
    from botocore.exceptions import BotoCoreError, ClientError  # of s3fs, which passes some of them on
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_objects.errors import ObjectDBError
    from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError

    unreachable = (DvcException, ObjectDBError, AuthError, ConfigError, RemoteMissingDepsError, BotoCoreError, ClientError)
    try:
        if store == "remote":
            expect_answer()
        with Repo(".") as repo:
            objects: Any = repo.cache.local if store == "cache" else repo.cloud.get_remote_odb()
            objects.fs.get_file(objects.oid_to_path(md5), str(target))
    except FileNotFoundError:
        return "does not hold it"
    except (OSError, ImportError, KnownatError, *unreachable) as error:
        return f"cannot be read ({' '.join(str(error).split()).rstrip('.')})"
    return "" if file_hash(target) == md5.removesuffix(FOLDER) else "holds it damaged"


def files_below(listing: bytes, name: str) -> Objects:
    """The objects that a folder's listing names."""
    return {item["md5"]: f"{name}/{item['relpath']}" for item in json.loads(listing)}


def _spread(outs: Iterable[Mapping[str, Any]], cache: Path) -> Objects:
    found: Objects = {}
    for out in outs:
        if md5 := out.get("md5"):
            found.setdefault(md5, out["path"])
            found = dict(_below(md5, out["path"], cache)) | found
    return found


def _below(md5: str, name: str, cache: Path) -> Iterator[tuple[str, str]]:
    path = path_of(cache, md5)
    if md5.endswith(FOLDER) and path.exists():
        try:
            yield from files_below(path.read_bytes(), name).items()
        except (ValueError, KeyError, TypeError):  # damaged: whoever checks its bytes says so
            return


def _kept_in_git() -> set[str]:
    """The outputs that dvc.yaml keeps out of the cache."""
    found = set()
    for stage in _written_by_dvc(Path("dvc.yaml")).get("stages", {}).values():
        declared = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in declared.get(kind, ()):
                found |= (
                    {path for path, how in out.items() if how and how.get("cache") is False} if isinstance(out, dict) else set()
                )
    return found


def _written_by_dvc(path: Path) -> dict[str, Any]:
    """DVC's own YAML, read quickly."""
    import yaml

    try:
        content = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise KnownatError(f"{path} is damaged ({str(error).splitlines()[0]}); `git checkout {path}`, or `dvc repro`.") from error
    return content if isinstance(content, dict) else {}
