"""The outermost layer: refuses at the headers, bounds what is under way, marks every answer.

Plain ASGI, before Quart reads anything. A body's length must be announced, so that one that will not
fit is refused before the first byte of it is read; how it then arrives is `gateway.body`'s.
"""

import asyncio
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from common.errors import Busy, LengthRequired, RequestError, TooLarge
from common.keys import LANES, Lane
from common.settings import MEGABYTE, Settings
from gateway import metrics, problems
from gateway.admission import Admission
from gateway.body import Body, Message, Receive
from gateway.headers import SECURITY
from gateway.traffic import Traffic

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEPS: Final = "/v1/classify"
UPLOADS: Final = frozenset({"/", "/predict", KEEPS})
ROUTES: Final = UPLOADS | {
    *("/feedback", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
    *("/v1/models", "/v1/labels", "/v1/feedback"),
}
FORM_OVERHEAD_BYTES: Final = 64 * 1024  # what a form adds to its file
LARGEST_FORM_BYTES: Final = 64 * 1024  # of a request that carries no picture
LONGEST_LENGTH: Final = 19  # digits; more is more than anybody has
LINGER_S: Final = (
    5.0  # how long a refused body is still read, so that its client hears why
)
LINGER_BYTES: Final = 64 * MEGABYTE
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass
class Exchange:
    """One request, as the layers inside see it (``scope["state"]["exchange"]``).

    Attributes:
        request_id: the client's ``X-Request-ID``, or one of ours.
        started: monotonic time of its headers.
        timing: the value of ``Server-Timing``, where a route sets it.
    """

    request_id: str
    started: float
    timing: str = ""


class Limits:
    """ASGI middleware around the Quart app."""

    def __init__(
        self, app: App, settings: Settings, admission: Admission, traffic: Traffic
    ) -> None:
        self._app = app
        self._admission = admission
        self._settings = settings
        self._traffic = traffic
        self._largest_upload = settings.max_upload_bytes + FORM_OVERHEAD_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event; only HTTP requests are our business."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        exchange = Exchange(_request_id(headers), time.monotonic())
        scope.setdefault("state", {})["exchange"] = exchange
        sender = _Sender(scope, exchange, send, self._traffic)
        try:
            self._let_in(scope, headers)
        except RequestError as error:
            await sender.refuse(error, receive)
            return
        await self._through(scope, Body(receive, self._traffic), sender)

    async def _through(self, scope: Scope, body: Body, sender: "_Sender") -> None:
        """Hands a request to the app and counts it while it is there."""
        traffic = self._traffic
        traffic.enter()
        try:
            await self._app(scope, body, sender.send)
        except RequestError as error:  # of its body, which the app does not read itself
            if not sender.started:
                await sender.refuse(error, None)
        finally:
            body.release()
            traffic.leave()
            metrics.IN_FLIGHT.set(traffic.received)

    def _let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raises where a request may not come in."""
        method, path = scope["method"], scope["path"]
        length = _content_length(scope, headers)
        upload = method == "POST" and path in UPLOADS
        if length > (self._largest_upload if upload else LARGEST_FORM_BYTES):
            raise TooLarge(
                f"At most {self._settings.max_upload_mb:g} MB are taken."
                if upload
                else None
            )
        if upload:
            # Under /v1 what takes longer is answered 202, and expires with its result.
            expires_s = self._settings.expires_s(keep=path == KEEPS)
            lane = _lane(scope) if path == KEEPS else "interactive"
            traffic = self._traffic
            if (
                traffic.requests >= traffic.most_requests
                or traffic.received + length > traffic.most_bytes
            ):
                raise Busy(retry_after_s=1)
            self._admission.check(lane, expires_s)


class _Sender:
    """Adds to an answer what every answer carries, and counts it."""

    def __init__(
        self, scope: Scope, exchange: Exchange, send: Send, traffic: Traffic
    ) -> None:
        self._path: str = scope["path"]
        self._method: str = scope["method"]
        self._kept_alive = scope.get("http_version") != "2"
        self._exchange = exchange
        self._send = send
        self._traffic = traffic
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            exchange = self._exchange
            seconds = time.monotonic() - exchange.started
            timing = exchange.timing or f"total;dur={seconds * 1000:.1f}"
            message["headers"] = [
                *message["headers"],
                *(
                    header
                    for header in SECURITY
                    if not _has(message["headers"], header[0])
                ),
                (b"x-request-id", exchange.request_id.encode()),
                (b"server-timing", timing.encode()),
            ]
            if self._kept_alive and self._traffic.leaving.is_set():
                message["headers"].append((b"connection", b"close"))
            route = self._path if self._path in ROUTES else "other"
            metrics.REQUESTS.labels(route, str(message["status"])).inc()
            metrics.DURATION.labels(route).observe(seconds)
        await self._send(message)

    async def refuse(self, error: RequestError, receive: Receive | None) -> None:
        """Says no, with the request's body unread, and ends the answer once that is dealt with.

        Without `receive` the rest of the body is not waited for.
        """
        metrics.REFUSED.labels(error.code).inc()
        reply = problems.of_error(
            error, self._path, self._method, self._exchange.request_id
        )
        headers = [
            (name.lower().encode(), value.encode())
            for name, value in reply.headers.items()
        ]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await self.send(
            {"type": "http.response.start", "status": reply.status, "headers": headers}
        )
        await self.send(
            {"type": "http.response.body", "body": reply.body, "more_body": True}
        )
        if receive is not None:
            await _linger(receive)
        await self.send({"type": "http.response.body", "body": b""})


def _has(headers: list[tuple[bytes, bytes]], name: bytes) -> bool:
    return any(present.lower() == name for present, _ in headers)


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _content_length(scope: Scope, headers: dict[bytes, bytes]) -> int:
    given = headers.get(b"content-length")
    if b"transfer-encoding" in headers or (
        given is None and scope.get("http_version") == "2"
    ):
        raise LengthRequired
    if given is None or not given.isdigit():
        return 0
    return int(given) if len(given) < LONGEST_LENGTH else sys.maxsize


def _lane(scope: Scope) -> Lane:
    given = parse_qs(scope["query_string"].decode("latin-1")).get("lane", [""])[0]
    return next((lane for lane in LANES if lane == given), "interactive")


async def _linger(receive: Receive) -> None:
    """Reads a refused body for a while.

    A connection closed with unread bytes is reset, and the answer lost before its client reads it.
    """
    read = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while read < LINGER_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                read += len(message.get("body", b""))
    except TimeoutError:
        return  # it had its time
