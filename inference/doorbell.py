"""A socket over which two processes ring each other: a byte says that the other may look.

What there is to see lies in memory that both map (`inference.decoder_memory`). The reader is added to
the event loop once, so that an exchange costs one write, one wake-up and one read.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

RING: Final = b"\0"


class Doorbell:
    """This end of it, which belongs to the running event loop."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self._heard)
        self._answer: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Tells the other side.

        Raises:
            OSError: it has gone.
        """
        self._connection.send(RING)

    async def answer(self, patience_s: Callable[[], float]) -> None:
        """Returns when the other side rings.

        Args:
            patience_s: seconds that may pass until it is asked again; from 0 down, patience has ended.

        Raises:
            EOFError: the other side has gone.
            TimeoutError: patience has ended.
        """
        answer = self._answer = self._loop.create_future()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if (left_s := patience_s()) > 0:
                timer = self._loop.call_later(left_s, look)
            elif not answer.done():
                answer.set_exception(TimeoutError())

        timer = self._loop.call_later(patience_s(), look)
        try:
            await answer
        except asyncio.CancelledError:
            self.close()  # what rings later would count as the next one's answer
            raise
        finally:
            timer.cancel()
            self._answer = None

    def _heard(self) -> None:
        try:
            rung = self._connection.recv(1)
        except BlockingIOError:
            return
        except OSError:
            rung = b""
        if not rung:
            self.close()
        if self._answer is not None and not self._answer.done():
            if rung:
                self._answer.set_result(None)
            else:
                self._answer.set_exception(EOFError())

    def close(self) -> None:
        """Hangs up, which the other side hears."""
        with contextlib.suppress(OSError, ValueError):
            self._loop.remove_reader(self._connection)
        self._connection.close()
