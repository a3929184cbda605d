"""What is answered where nothing can be predicted: RFC 9457 problems, which name the culprit and tell no more."""

from __future__ import annotations

import orjson

from knownat.errors import KnownatError, RefusedField
from knownat.prediction import Closed, NoSuchEvent
from knownat.serving.reader import StoreUnavailable
from knownat.serving.strict_json import NotJson

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

JSON = [(b"content-type", b"application/json")]
RETRY_SECONDS = 1


class Refused(KnownatError):
    """A request that gets this status; `field`: which of its fields is at fault."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.field = status, field


def problem(status: int, detail: str, field: str | None = None) -> Answer:
    content = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}
    headers = [(b"content-type", b"application/problem+json")]
    if status in {429, 503}:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return status, headers, orjson.dumps(content | ({"field": field} if field else {}))


def problem_of(error: Exception) -> Answer:
    """The answer to an error that a request may bring about; re-raises any other."""
    if isinstance(error, Refused):
        return problem(error.status, str(error), error.field)
    if isinstance(error, NotJson):
        return problem(400, str(error))
    if isinstance(error, StoreUnavailable):
        return problem(503, f"Nothing can be predicted now: {error}.")
    if isinstance(error, TimeoutError):
        return problem(503, "There was no time left to answer; try again.")
    if isinstance(error, RefusedField):
        return problem(422, str(error), error.field)
    for kind, status in ((NoSuchEvent, 404), (Closed, 409), (KnownatError, 422)):
        if isinstance(error, kind):
            return problem(status, str(error))
    raise error


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
