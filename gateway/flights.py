"""What is asked for, and one stream entry under way with those who wait for it."""

import asyncio
from dataclasses import dataclass, field

from common import keys, wire
from common.errors import RequestError
from common.keys import Lane
from gateway.waiters import Waiter


@dataclass(frozen=True)
class Job:
    """What a client wants done with an image.

    Attributes:
        explain: the rank, from 1, of the category of which a map is wanted; 0: of none.
        phash: a perceptual hash is wanted.
    """

    image: bytes
    lane: Lane
    top_k: int
    thumbnail_px: int
    deadline_s: float
    owner: str = ""
    explain: int = 0
    phash: bool = False

    def stream(self, model: str) -> str:
        """Where it waits."""
        if self.explain:
            return keys.explanations(model)
        return keys.requests(model, self.lane)


@dataclass(frozen=True)
class Answer:
    """A success, and the seconds from XADD to here."""

    success: wire.Success
    total_s: float


class StillRunning(Exception):
    """The deadline has passed, but the request goes on under this id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.id = request_id


@dataclass(eq=False)
class Flight:
    """One entry under way.

    Attributes:
        waiter: what wakes it; its id is the request's.
        expires_at: monotonic time at which its entry expires.
        ended: how it ended; for all riders.
        added: Redis has its entry; until then nobody may be promised anything.
        riders: how many wait for it.
        left: the last of them has gone.
        marked: that it lives has been written down, or nearly.
        kept: it was answered 202 and goes on without riders.
    """

    waiter: Waiter
    key: tuple[object, ...]
    expires_at: float
    ended: asyncio.Future[wire.Ended] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    added: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    riders: int = 0
    left: bool = False
    marked: bool = False
    kept: bool = False

    def leave(self) -> None:
        """One rider less; without any, nobody waits here any more."""
        self.riders -= 1
        if not self.riders:
            self.left = True
            self.waiter.leave()

    @property
    def id(self) -> str:
        """The request's."""
        return self.waiter.id

    def end(self, ended: wire.Ended) -> None:
        """Tells all riders how it ended."""
        if not self.ended.done():
            self.ended.set_result(ended)

    def fail(self, error: RequestError) -> None:
        """Tells all riders why it did not."""
        if not self.ended.done():
            self.ended.set_exception(error)
            self.ended.exception()  # its riders may have left
