"""Whether a source that is pinned to a version of an S3 object has a newer one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from knownat.errors import KnownatError
from knownat.params import Params


def newer_versions() -> Iterator[str]:
    """A sentence for each of the project's sources whose bucket has a newer version, or cannot be asked.

    Endpoint and credentials come from the environment.
    """
    sources = Params.load().sources if Path("params.yaml").exists() else {}
    for table, source in sources.items():
        parts = urlsplit(source.uri)
        [pinned] = parse_qs(parts.query).get("versionId", [None])
        if parts.scheme == "s3" and pinned:
            key = f"s3://{parts.netloc}{parts.path}"
            try:
                latest = _latest(parts.netloc, parts.path.lstrip("/"))
            except KnownatError as error:
                yield f"sources.{table}: {key} cannot be asked for its newest version: {error}"
                continue
            if latest != pinned:
                yield (
                    f"sources.{table} is pinned to version {pinned} of {key}; there is a newer one:"
                    f" `dvc exp run -S 'sources.{table}.uri={key}?versionId={latest}' -S sources.{table}.sha256=null`"
                    " says which sha256 to pin."
                )


def _latest(bucket: str, key: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    from knownat.remote import Bucket, problem

    asked = Bucket(bucket)
    if wrong := problem(asked):
        raise wrong
    try:
        return str(asked.client().head_object(Bucket=bucket, Key=key).get("VersionId"))
    except (BotoCoreError, ClientError) as error:
        raise KnownatError(f"{error}; see the key.") from error
