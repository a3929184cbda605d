"""OpenLineage events, written to a file or sent to a receiver."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from knownat import paths
from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.tracing import Trace

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from requests import RequestException

ENDPOINT = "/api/v1/lineage"  # where OpenLineage's receivers listen, if the address names no path
SECONDS = 5.0  # for an answer
ONCE = {"total": 0, "read": False, "status_forcelist": []}  # urllib3's words for: no second try


def emit(declaration: Declaration, found: Trace, target: str) -> str:
    """Tell a file (JSON lines, replaced whole) or an http(s) address of a trace; returns what was done, in a sentence.

    OPENLINEAGE_API_KEY, where it is set, goes along as a bearer token. Raises KnownatError for a trace of another commit,
    and where the receiver does not take an event within 5 seconds; sent again, the same runs keep their ids.
    """
    if not found.is_here:
        raise KnownatError("--openlineage tells of the data that is here, and this id is of another commit; check that out first.")
    if not found.stages:
        raise KnownatError(
            f"--openlineage: no stage makes {found.file.path}, so there is no run to tell of; name what is made of it."
        )
    from openlineage.client.serde import Serde

    from knownat.derive.openlineage import events, namespace, without_login

    made = events(declaration, found, namespace(paths.FEATURE_REPO), datetime.now(UTC).isoformat())
    if "://" in target:
        _send(made, target)
        return f"{len(made)} runs were sent to {without_login(target)}."
    path = Path(target)
    try:
        write_text(path, "".join(f"{Serde.to_json(event)}\n" for event in made))
    except OSError as error:
        raise KnownatError(f"--openlineage: {target} cannot be written ({error.strerror}); name another file.") from error
    return f"{len(made)} runs are in {path}."


def _send(made: list[RunEvent], target: str) -> None:
    from openlineage.client.transport.http import HttpConfig, HttpTransport
    from requests import RequestException

    from knownat.derive.openlineage import without_login

    address = urlsplit(target)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise KnownatError(
            f"--openlineage: {without_login(target)} is no address of a receiver; write http://host:port, or a file."
        )
    key = os.environ.get("OPENLINEAGE_API_KEY")
    settings = {"url": target, "endpoint": ENDPOINT if address.path in {"", "/"} else address.path, "timeout": SECONDS}
    auth = {"auth": {"type": "api_key", "apiKey": key}} if key else {}
    transport = HttpTransport(HttpConfig.from_dict({**settings, **auth, "retry": ONCE}))
    try:
        for sent, event in enumerate(made):
            try:
                transport.emit(event)
            except RequestException as error:
                raise KnownatError(
                    f"{without_login(target)} did not take the events ({_why(error)}; {sent} of {len(made)} were sent);"
                    " look at the receiver, then send them again."
                ) from error
    finally:
        transport.close()


def _why(error: RequestException) -> str:
    from requests import Timeout

    if error.response is not None:
        return f"it answers {error.response.status_code}"
    if isinstance(error, Timeout):
        return "it does not answer"
    return "nothing listens there" if "refused" in str(error) else "it cannot be reached"
