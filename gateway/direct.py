"""The two calls that programs upload by, answered without Quart: the path that has to be short.

Plain ASGI between `gateway.limits` and the Quart app, which answers everything else. Contexts, routing,
sessions, request and response objects cost more than all that these two calls need. Quart knows them
for its documentation and for what it says to other methods.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway import failures
from gateway.body import Body, Receive
from gateway.classify import Upload
from gateway.exchange import Exchange, Scope, Send
from gateway.problems import Reply
from gateway.service import Service

App = Callable[[Scope, Body, Send], Awaitable[None]]
Handler = Callable[[Upload], Awaitable[Reply]]


class ClientLeft(Exception):
    """The client has closed its connection."""


class Direct:
    """ASGI middleware: its handlers by path, for POST."""

    def __init__(
        self, app: App, service: Service, handlers: Mapping[str, Handler]
    ) -> None:
        self._app = app
        self._service = service
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Body, send: Send) -> None:
        """Handles one connection event; raises what its body does (`gateway.body`)."""
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self._handlers.get(scope["path"])
        if handler is None:
            await self._app(scope, receive, send)
            return
        exchange: Exchange = scope["state"]["exchange"]
        upload = Upload(self._service, exchange, scope, await receive.whole())
        if upload.left:
            return
        try:
            reply = await until_left(handler(upload), receive)
        except ClientLeft:
            return
        except Exception as error:  # noqa: BLE001
            # A bug as well is answered, and logged.
            reply = failures.answer(error, scope["path"], "POST", exchange.request_id)
        await answer(reply, send)


async def until_left(work: Awaitable[Reply], receive: Receive) -> Reply:
    """Awaits an answer, and gives it up when its client leaves; raises ClientLeft then."""
    left = False
    here = asyncio.current_task()

    async def watch() -> None:
        nonlocal left
        await receive()  # after the body, nothing comes but the end
        left = True
        if here is not None:
            here.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if left and here is not None and not here.uncancel():
            raise ClientLeft from None
        raise
    finally:
        watching.cancel()


async def answer(reply: Reply, send: Send) -> None:
    """Sends a whole answer."""
    headers: list[tuple[bytes, bytes]] = [
        (name.lower().encode(), value.encode()) for name, value in reply.headers.items()
    ]
    headers.append((b"content-length", b"%d" % len(reply.body)))
    start: dict[str, Any] = {"type": "http.response.start", "status": reply.status}
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
