"""A remote source to a local file, over fsspec: streamed, with bounded timeouts and attempts."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from knownat.errors import KnownatError

# Three silent attempts and the waits between them end within half a minute.
ATTEMPTS = 3
WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 8
CHUNK_BYTES = 1 << 20


def download(uri: str, path: Path, table: str) -> None:
    """Write the remote file to `path`; KnownatError if the server does not give it."""
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # it has no types

    for attempt in range(1, ATTEMPTS + 1):
        try:
            _copy(uri, path)
        except (FileNotFoundError, PermissionError) as error:
            raise KnownatError(
                f"{shown(uri)} {_refusal(error)}; set sources.{table}.uri, or mend the access."
            ) from error
        # fsspec and s3fs let through what their clients raise; a URL that makes no sense is a ValueError
        except (OSError, ClientError, BotoCoreError, ValueError) as error:
            if attempt == ATTEMPTS or isinstance(error, ValueError):
                raise KnownatError(
                    f"{shown(uri)} cannot be fetched ({_reason(error)}, attempt {attempt} of {ATTEMPTS}); "
                    f"try again once the server answers, or set sources.{table}.uri to a local copy."
                ) from error
            time.sleep(WAIT_SECONDS)
        else:
            return


def shown(uri: str) -> str:
    """The URI without what may be secret: a user with a password, a signature."""
    bare = re.sub(r"://[^/@]*@", "://", uri)
    version = re.search(r"[?&](versionId=[^&]*)", bare)
    return bare.partition("?")[0] + (f"?{version[1]}" if version else "")


def _refusal(error: OSError) -> str:
    return "is forbidden" if isinstance(error, PermissionError) else "does not exist"


def _reason(error: Exception) -> str:
    """What went wrong, in a line and without the URL, which may hold a secret."""
    status = getattr(error, "status", None)
    if status:
        return f"HTTP status {status}"
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"\w+://\S+", "…", first).rstrip(".") or f"no answer within {TIMEOUT_SECONDS} s"


def _copy(uri: str, path: Path) -> None:
    from fsspec.callbacks import TqdmCallback

    with _opened(uri) as remote, path.open("wb") as local:
        size = getattr(remote, "size", None)
        # delay: what is there within a few seconds needs no bar
        look = {"desc": shown(uri), "unit": "B", "unit_scale": True, "delay": 3, "leave": False}
        with TqdmCallback(size=size, tqdm_kwargs=look) as progress:
            while chunk := remote.read(CHUNK_BYTES):
                local.write(chunk)
                progress.relative_update(len(chunk))
    if size is not None and path.stat().st_size != size:
        raise OSError(f"{path.stat().st_size} of {size} bytes arrived")


def _opened(uri: str) -> Any:
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return _http(scheme).open(uri, block_size=0)
    if scheme == "s3":
        version = parse_qs(urlsplit(uri).query).get("versionId", [None])[0]
        return _s3(version is not None).open(uri.partition("?")[0], version_id=version)
    raise ValueError(f"{scheme}:// is not known here, only https://, http:// and s3:// are")


def _http(scheme: str) -> Any:
    import fsspec
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS, sock_read=TIMEOUT_SECONDS)
    # trust_env: a proxy named in the environment is used
    return fsspec.filesystem(scheme, skip_instance_cache=True, client_kwargs={"timeout": timeout, "trust_env": True})


def _s3(version_aware: bool) -> Any:
    """S3 as the environment has it: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE and so on."""
    import fsspec

    timeouts = {"connect_timeout": TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
    files = fsspec.filesystem(
        "s3",
        skip_instance_cache=True,
        version_aware=version_aware,
        config_kwargs={**timeouts, "retries": {"total_max_attempts": 1}},
    )
    # attempts are counted here, once for all schemes
    files.retries = 1
    return files
