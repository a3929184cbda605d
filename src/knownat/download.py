"""A remote source to a local file, over fsspec: streamed, with bounded timeouts and attempts."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from knownat.errors import KnownatError

# three silent attempts and the waits between them end within half a minute
ATTEMPTS = 3
WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 7
REMEDIES = {
    "http": "check the address",
    "https": "check the address",
    "s3": "check AWS_ENDPOINT_URL, the credentials and the key",
}


def download(uri: str, path: Path, table: str) -> None:
    """Write the remote file to `path`; KnownatError if the server does not give it."""
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError  # it has no types

    scheme = urlsplit(uri).scheme
    if scheme not in REMEDIES:
        raise KnownatError(f"{shown(uri)} is neither https://, http:// nor s3://; set sources.{table}.uri to one of them.")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _copy(uri, path)
        # fsspec and s3fs let through what their clients raise; a URL that makes no sense is a ValueError
        except (OSError, ClientError, BotoCoreError, ValueError) as error:
            if attempt == ATTEMPTS or _is_final(error):
                raise KnownatError(
                    f"{shown(uri)} cannot be fetched ({_reason(error)}; attempt {attempt} of {ATTEMPTS}); "
                    f"{REMEDIES[scheme]}, or set sources.{table}.uri to a local copy."
                ) from error
            time.sleep(WAIT_SECONDS)
        else:
            return


def shown(uri: str) -> str:
    """The URI without what may be secret: a user with a password, a signature. A local path stays as it is."""
    if "://" not in uri:
        return uri
    bare = re.sub(r"://[^/@]*@", "://", uri)
    version = re.search(r"[?&](versionId=[^&]*)", bare)
    return bare.partition("?")[0] + (f"?{version[1]}" if version else "")


def _is_final(error: Exception) -> bool:
    """Whether asking again is of no use: the server has answered, or the URL or the credentials are no good."""
    if isinstance(error, FileNotFoundError | PermissionError | ValueError):
        return True
    return 400 <= getattr(error, "status", 0) < 500 or type(error).__name__ == "NoCredentialsError"


def _reason(error: Exception) -> str:
    """What went wrong, in a line and without the URL, which may hold a secret."""
    if status := getattr(error, "status", None):
        return f"HTTP status {status}"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    first = str(error).strip().partition("\n")[0]
    return re.sub(r'( for url|:)? *"?\w+://\S+', "", first).rstrip(".") or f"no answer within {TIMEOUT_SECONDS} s"


def _copy(uri: str, path: Path) -> None:
    from fsspec.callbacks import TqdmCallback

    # delay: what is there within a few seconds needs no bar
    look = {"desc": shown(uri), "unit": "B", "unit_scale": True, "delay": 3, "leave": False}
    files = _s3("versionId=" in uri) if uri.startswith("s3://") else _http(urlsplit(uri).scheme)
    with TqdmCallback(tqdm_kwargs=look) as progress:
        files.get_file(uri, str(path), callback=progress)
    if not path.is_file():
        raise FileNotFoundError(uri)


def _http(scheme: str) -> Any:
    import fsspec
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS, sock_read=TIMEOUT_SECONDS)
    # trust_env: a proxy named in the environment is used
    client = {"timeout": timeout, "trust_env": True}
    return fsspec.filesystem(scheme, skip_instance_cache=True, client_kwargs=client)


def _s3(version_aware: bool) -> Any:
    """S3 as the environment has it: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE and so on."""
    import fsspec

    timeouts = {"connect_timeout": TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
    once = {**timeouts, "retries": {"total_max_attempts": 1}}
    files = fsspec.filesystem("s3", skip_instance_cache=True, version_aware=version_aware, config_kwargs=once)
    # attempts are counted here, once for all schemes
    files.retries = 1
    return files
