"""One object of DVC's by its name, the md5 of its bytes, from the cache or the remote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from knownat.revision import file_hash


def problem(store: Literal["cache", "remote"], md5: str, target: Path) -> str:
    """Why a store did not give an object; empty if it is in `target` now."""
    from botocore.exceptions import BotoCoreError, ClientError  # of s3fs, which passes some of them on
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_objects.errors import ObjectDBError
    from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError

    unreachable = (DvcException, ObjectDBError, AuthError, ConfigError, RemoteMissingDepsError, BotoCoreError, ClientError)
    try:
        with Repo(".") as repo:
            objects: Any = repo.cache.local if store == "cache" else repo.cloud.get_remote_odb()
            objects.fs.get_file(objects.oid_to_path(md5), str(target))
    except FileNotFoundError:
        return "does not hold it"
    except (OSError, ImportError, *unreachable) as error:
        return f"cannot be read ({' '.join(str(error).split()).rstrip('.')})"
    return "" if file_hash(target) == md5.removesuffix(".dir") else "holds it damaged"
