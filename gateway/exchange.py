"""One request and its answer: what every answer carries, and how one is refused.

Below the app, so that what is refused before any route is reached looks like everything else.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from common.errors import LengthRequired, RequestError
from common.settings import MEGABYTE
from gateway import metrics, problems
from gateway.access import BATCH, EXPORTS, NOBODY, Caller
from gateway.body import Message, Receive
from gateway.headers import SECURITY
from gateway.origins import HeaderList
from gateway.traffic import Traffic

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

ROUTES: Final = frozenset(
    {
        *("/", "/predict", "/v1/classify", BATCH, "/feedback", "/v1/feedback"),
        *("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
        *("/v1/models", "/v1/labels", *EXPORTS),
        *("/dashboard", "/v1/live"),
    }
)
UPLOADS: Final = frozenset({"/", "/predict", "/v1/classify"})  # of one picture each
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
        headers: what the answer carries beside.
        caller: who asks.
    """

    request_id: str
    started: float
    timing: str = ""
    headers: HeaderList = ()
    caller: Caller = NOBODY


class Sender:
    """Adds to an answer what every answer carries, and counts it."""

    def __init__(
        self, scope: Scope, exchange: Exchange, send: Send, traffic: Traffic
    ) -> None:
        self._path: str = scope["path"]
        self._method: str = scope["method"]
        self._uploaded = self._method == "POST" and self._path in UPLOADS
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
                *exchange.headers,
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
            if message["status"] == 200 and self._uploaded:
                metrics.ANSWER.observe(seconds)
        await self._send(message)

    async def refuse(self, error: RequestError, receive: Receive | None) -> None:
        """Says no, with the request's body unread, and ends the answer once that is dealt with.

        Without `receive` the rest of the body is not waited for.
        """
        reply = problems.of_error(
            error, self._path, self._method, self._exchange.request_id
        )
        headers = [
            (name.lower().encode(), value.encode())
            for name, value in reply.headers.items()
        ]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        if isinstance(error, LengthRequired):  # RFC 9112, 6.1: it may have two lengths
            headers.append((b"connection", b"close"))
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


def request_id(headers: dict[bytes, bytes]) -> str:
    """The client's, where it is one, or one of ours."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


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
