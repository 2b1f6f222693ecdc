"""The outermost layer: refuses at the headers, bounds what is under way, marks every answer.

Plain ASGI, before Quart reads anything. A body's length must be announced, so that one that will not
fit is refused before the first byte of it is read; how it then arrives is `gateway.body`'s.
"""

import sys
import time
from typing import Final, cast
from urllib.parse import parse_qs

from common.errors import Busy, LengthRequired, RequestError, TooLarge, TooSlow
from common.keys import LANES, Lane
from common.settings import Settings
from gateway import metrics
from gateway.access import BATCH, Access, is_kept_picture, path_of
from gateway.admission import Admission
from gateway.body import Body, Receive
from gateway.direct import App
from gateway.exchange import UPLOADS, Exchange, Scope, Send, Sender, request_id
from gateway.traffic import Traffic

KEEPS: Final = frozenset({"/v1/classify", BATCH})  # what outlasts its deadline
FORM_OVERHEAD_BYTES: Final = 64 * 1024  # what a form adds to its file
LARGEST_FORM_BYTES: Final = 64 * 1024  # of a request that carries no picture
MOST_PARAMETERS: Final = 50  # of a query
LONGEST_LENGTH: Final = 19  # digits; more is more than anybody has


class Limits:
    """ASGI middleware around the Quart app."""

    def __init__(
        self,
        app: App,
        settings: Settings,
        admission: Admission,
        access: Access,
        traffic: Traffic,
    ) -> None:
        self._app = app
        self._access = access
        self._admission = admission
        self._settings = settings
        self._traffic = traffic
        self._largest_upload = settings.max_upload_bytes + FORM_OVERHEAD_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event; only HTTP requests are our business."""
        if scope["type"] != "http":
            await self._app(scope, cast(Body, receive), send)  # it has no body
            return
        headers = dict(scope["headers"])
        scope["path"] = path_of(scope["path"])
        exchange = Exchange(request_id(headers), time.monotonic())
        scope.setdefault("state", {})["exchange"] = exchange
        exchange.headers = self._access.answer(scope["path"], headers)
        sender = Sender(scope, exchange, send, self._traffic)
        if await self._access.preflight(scope, headers, sender.send):
            return
        try:
            exchange.caller = await self._access.enter(scope, headers)
            self._let_in(scope, headers)
        except RequestError as error:
            await self._access.give_back(exchange.caller)
            await sender.refuse(error, receive)
            return
        await self._through(scope, Body(receive, self._traffic), sender)

    async def _through(self, scope: Scope, body: Body, sender: Sender) -> None:
        """Hands a request to the app and counts it while it is there."""
        traffic = self._traffic
        traffic.enter()
        try:
            await self._app(scope, body, sender.send)
        except RequestError as error:  # of its body, which the app does not read itself
            body.release()
            if not sender.started:
                # Who is too slow is not waited for; others may be in the middle of sending.
                slow = isinstance(error, TooSlow)
                await sender.refuse(error, None if slow else body.rest)
        finally:
            body.release()
            traffic.leave()
            metrics.IN_FLIGHT.set(traffic.received)

    def _let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raises where a request may not come in."""
        method, path = scope["method"], scope["path"]
        length = _content_length(scope, headers)
        upload = method == "POST" and (path in UPLOADS or path == BATCH)
        if upload:
            metrics.ASKED.inc()
        picture = upload or is_kept_picture(method, path)
        if length > (self._largest_upload if picture else LARGEST_FORM_BYTES):
            raise TooLarge(
                f"At most {self._settings.max_upload_mb:g} MB are taken."
                if picture
                else None
            )
        if picture:
            traffic = self._traffic
            if (
                traffic.requests >= traffic.most_requests
                or traffic.received + length > traffic.most_bytes
            ):
                raise Busy(retry_after_s=1)
        if upload:
            keeps = path in KEEPS
            usual: Lane = "bulk" if path == BATCH else "interactive"
            lane = _lane(scope, usual) if keeps else usual
            patience_s = self._settings.patience_s(lane, keep=keeps)
            self._admission.check(lane, patience_s)


def _content_length(scope: Scope, headers: dict[bytes, bytes]) -> int:
    given = headers.get(b"content-length")
    if b"transfer-encoding" in headers or (
        given is None and scope.get("http_version") == "2"
    ):
        raise LengthRequired
    if given is None or not given.isdigit():
        return 0
    return int(given) if len(given) < LONGEST_LENGTH else sys.maxsize


def _lane(scope: Scope, usual: Lane) -> Lane:
    query = scope["query_string"].decode("latin-1")
    try:
        given = parse_qs(query, max_num_fields=MOST_PARAMETERS).get("lane", [""])[0]
    except ValueError:  # the route will say what is wrong with it
        given = ""
    return next((lane for lane in LANES if lane == given), usual)
