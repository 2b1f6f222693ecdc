"""A request's body as it arrives: its bytes are counted, and they have to keep coming.

Memory is bounded by what has been received, not by what was announced: a client that announces much
and sends nothing takes no room from others. One that falls behind the least pace is cut off.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from common.errors import Busy, TooSlow
from gateway.traffic import Traffic

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LEAST_BYTES_PER_S: Final = 16 * 1024
SPARE_S: Final = 5.0  # ahead of that pace, for the first byte and for pauses
LONGEST_S: Final = 120.0  # however large: what has been received is held all the while


class Body:
    """The receiving side of one request; in place of the server's ``receive``.

    Attributes:
        received: bytes so far; they count in `traffic` until `release`.
    """

    def __init__(self, receive: Receive, traffic: Traffic) -> None:
        self._receive = receive
        self._traffic = traffic
        self._started = time.monotonic()
        self._complete = False
        self.received = 0

    async def __call__(self) -> Message:
        """The next message.

        Raises:
            TooSlow: the body does not come at the least pace, or takes longer than LONGEST_S.
            Busy: this process holds as many bytes as it may.
        """
        if self._complete:  # what comes now is the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout(self._left_s()):
                return self._counted(await self._receive())
        except TimeoutError:
            raise TooSlow from None

    async def whole(self) -> bytes | None:
        """All of it, or None where its client leaves before; raises as a call does."""
        chunks: list[bytes] = []
        while not self._complete:
            try:
                # One timer for all that comes in its time; what has come by then buys more.
                async with asyncio.timeout(self._left_s()):
                    while not self._complete:
                        message = self._counted(await self._receive())
                        if message["type"] != "http.request":
                            return None
                        if chunk := message.get("body"):
                            chunks.append(chunk)
            except TimeoutError:
                if self._left_s() <= 0:
                    raise TooSlow from None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _left_s(self) -> float:
        """Seconds until what has come so far is too little."""
        allowed_s = SPARE_S + self.received / LEAST_BYTES_PER_S
        return self._started + min(allowed_s, LONGEST_S) - time.monotonic()

    def _counted(self, message: Message) -> Message:
        if message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
            self._count(len(message.get("body", b"")))
        return message

    def _count(self, size: int) -> None:
        self.received += size
        self._traffic.received += size
        if self._traffic.received > self._traffic.most_bytes:
            raise Busy(retry_after_s=1)

    async def rest(self) -> Message:
        """The next message of a body that was refused: counted as nobody's, since nobody keeps it."""
        if self._complete:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await self._receive()

    def release(self) -> None:
        """The request has been answered; its bytes are held no more."""
        self._traffic.received -= self.received
        self.received = 0
