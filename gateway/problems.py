"""Errors as answers: three keys on the plain contract, problem details under /v1, the page again.

One place for all, used by the routes and by the middleware that refuses before any route is reached;
so this is where they are counted, each once.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from common.errors import RequestError
from gateway import metrics
from gateway.access import EXPORTS

PAGES: Final = ("/", "/feedback")  # a person reads the message on the page itself
READ: Final = (
    *PAGES,
    "/dashboard",
    *EXPORTS,
)  # opened in a browser; why not is read there
# What a browser asks a person for, and what a program needs.
CHALLENGES: Final = ('Basic realm="Pictor", charset="UTF-8"', 'Bearer realm="Pictor"')
PLAIN_PATHS: Final = ("/predict",)
DENIALS: Final = (401, 403)
TEXT: Final = "text/plain; charset=utf-8"
PLAIN_FAILURE: Final = b'{"success": false, "prediction": null, "score": null}'
HTTP_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    404: ("not-found", "There is nothing here."),
    405: ("method-not-allowed", "This address does not take this method."),
}

JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
OTHERWISE: Final = ("bad-request", "The request cannot be understood.")


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 problem details; ``type`` is a stable slug."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class Reply(msgspec.Struct, frozen=True):
    """An answer that any layer can send."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def of_error(error: RequestError, path: str, method: str, request_id: str) -> Reply:
    """The answer for an error, in the manner of the path it happened on."""
    metrics.REFUSED.labels(error.code).inc()
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.status == 401:
        headers["WWW-Authenticate"] = CHALLENGES[path not in READ]
    if path in READ and error.status in DENIALS:  # the page itself may be denied
        headers |= _told(error.code, error.detail) | {"Content-Type": TEXT}
        return Reply(error.status, headers, error.detail.encode())
    if path in PAGES and method == "POST":
        return Reply(302, {**headers, "Location": f"{path}?error={error.code}"}, b"")
    return _reply(
        error.status, error.code, error.title, error.detail, path, request_id, headers
    )


def problem_of(error: RequestError, request_id: str) -> Problem:
    """What an error says, within an answer that is about several requests."""
    metrics.REFUSED.labels(error.code).inc()
    return Problem(error.code, error.title, error.status, error.detail, request_id)


def of_status(status: int, path: str, method: str, request_id: str) -> Reply:
    """The answer for an HTTP error that is none of ours, such as 404 and 405."""
    if status >= 500:
        code, title = "internal-error", "Something went wrong on our side."
        detail = f"{title} It has been written down; tell the operator the request id."
    else:
        code, title = HTTP_TITLES.get(status, OTHERWISE)
        detail = f"{title} See /docs."
    metrics.REFUSED.labels(code).inc()
    if path in PAGES and method == "POST":
        return Reply(302, {"Location": f"{path}?error=unexpected"}, b"")
    return _reply(status, code, title, detail, path, request_id, {})


def _reply(
    status: int,
    code: str,
    title: str,
    detail: str,
    path: str,
    request_id: str,
    headers: dict[str, str],
) -> Reply:
    headers |= _told(code, detail)
    if path in PLAIN_PATHS:
        return Reply(status, {**headers, **JSON}, PLAIN_FAILURE)
    problem = Problem(code, title, status, detail, request_id)
    headers["Content-Type"] = "application/problem+json"
    return Reply(status, headers, msgspec.json.encode(problem))


def _told(code: str, detail: str) -> dict[str, str]:
    return {"X-Error-Code": code, "X-Error-Detail": detail[:200]}
