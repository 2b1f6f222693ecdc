"""Every connection to Redis is made here.

A `Keeper` holds the one link of its owner and opens it again when it was lost. Nothing is ever
repeated on its own: whether a lost command took effect is for its sender to find out.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from common.errors import StartError
from common.link import Argument, Command, Link, LinkLost, ReplyError

REPLY_TIMEOUT_S: Final = 2.0
RECONNECT_S: Final = 0.1


async def check(url: str, patience_s: float) -> None:
    """Makes sure that Redis answers, trying for a while.

    Raises:
        StartError: it does not, or the address is no address; one line without the password.
    """
    try:
        shown = redacted(url)
        parse_url(url)
    except ValueError:  # its text may hold the password
        raise StartError(
            "PICTOR_REDIS_URL is no address; write redis://[user:password@]host[:port][/db], "
            "rediss:// for TLS, or unix:///path"
        ) from None
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            link = await Link.open(url)
            try:
                async with asyncio.timeout(REPLY_TIMEOUT_S):
                    await link.call("PING")
                return
            finally:
                link.close()
        except (LinkLost, ReplyError, TimeoutError) as error:
            if time.monotonic() >= give_up_at:
                reason = str(error) or "it does not answer"
                raise StartError(f"Redis at {shown} cannot be used: {reason}") from None
        await asyncio.sleep(RECONNECT_S)


def redacted(url: str) -> str:
    """An address without its credentials and parameters, for messages and logs."""
    parts = urlsplit(url)
    place = parts.hostname or parts.path
    return f"{parts.scheme}://{place}{f':{parts.port}' if parts.port else ''}"


def memory_share(info: bytes) -> float:
    """The used share of maxmemory from ``INFO memory``; 0 where there is no bound."""
    values = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    most = int(values.get(b"maxmemory", b"0"))
    return int(values.get(b"used_memory", b"0")) / most if most else 0.0


class Keeper:
    """Keeps one link open: a lost or a silent one is replaced at its next use."""

    def __init__(
        self, url: str, *, name: str = "", make: Callable[[], Link] = Link
    ) -> None:
        self._url = url
        self._name = name
        self._make = make
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None
        self._failed_at = -RECONNECT_S

    async def link(self) -> Link:
        """The open link, opened now if need be; all who wait share one attempt.

        Raises:
            LinkLost: it cannot be opened, or could not a moment ago; also where the server refuses it,
                which may pass (too many clients), and what waits to be written must not be lost by it.
        """
        if self._link is not None and not self._link.lost.done():
            return self._link
        if self._opening is None:
            if time.monotonic() - self._failed_at < RECONNECT_S:
                raise LinkLost("Redis did not answer a moment ago")
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Link:
        try:
            self._link = await Link.open(self._url, name=self._name, make=self._make)
            return self._link
        except LinkLost:
            self._failed_at = time.monotonic()
            raise
        except ReplyError as error:
            self._failed_at = time.monotonic()
            raise LinkLost(f"Redis refuses the connection: {error}") from error
        finally:
            self._opening = None

    async def call(self, *command: Argument) -> Any:
        """Sends one command and waits for its reply; raises as `calls` does."""
        return (await self.calls((command,)))[0]

    async def calls(self, commands: Iterable[Command]) -> list[Any]:
        """Sends commands in one write and waits for all replies, at most REPLY_TIMEOUT_S.

        Raises:
            LinkLost: no connection, refused ones included, or no reply in time.
            ReplyError: the server refused one of them.
        """
        replies = await self.replies(commands)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
        return replies

    async def replies(self, commands: Iterable[Command]) -> list[Any]:
        """As `calls`, but a refusal stands in its command's place."""
        link = self._link
        if link is None or link.lost.done():
            link = await self.link()
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await link.send(commands)
        except TimeoutError:
            if time.monotonic() - link.heard_at >= REPLY_TIMEOUT_S:
                self.drop()  # half-open, or its server hangs; not only slow
            raise LinkLost("Redis does not answer") from None

    def drop(self) -> None:
        """Closes the link; what waits on it raises LinkLost."""
        if self._link is not None:
            self._link.close()

    async def close(self) -> None:
        """Closes the link for good."""
        if self._opening is not None:
            self._opening.cancel()
        self.drop()
