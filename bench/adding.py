"""XADD of images as the gateway sends them: how many a second, how long each, what it costs."""

import asyncio
import hashlib
import itertools
import os
import time
from dataclasses import dataclass, field
from typing import Final

from bench.server import info, percentile
from common import keys, wire
from common.connections import Keeper

IMAGE_BYTES: Final = 110_000  # the usual photograph of ImageNet
STREAM: Final = keys.requests("bench", "interactive")
KINDS: Final = 16  # different images; noise, as compressed files are

_images: Final = [os.urandom(IMAGE_BYTES) for _ in range(KINDS)]
_digests: Final = [hashlib.sha256(image).digest() for image in _images]


@dataclass
class Added:
    """What a round of adding saw.

    Attributes:
        seconds: it took.
        latencies_ms: of each XADD, from writing it to its reply.
        moments: when each was answered, by ``time.perf_counter``, in the order of the latencies.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """XADDs a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of them took at most."""
        return percentile(self.latencies_ms, share)


def command(number: int) -> tuple[str | bytes, ...]:
    """The XADD of an image; the numbers of a run differ."""
    kind = number % KINDS
    digest = _digests[kind]
    header = wire.Request(wire.VERSION, wire.new_id(digest), digest, 10_000)
    return ("XADD", STREAM, "*", "h", wire.encode(header), "img", _images[kind])


async def add(
    link: Keeper, count: int, in_flight: int, *, remove: bool = False
) -> Added:
    """Adds images, so many at a time; with `remove` each is deleted as a worker does, not timed."""
    seen = Added()
    numbers = iter(range(count))

    async def writer() -> None:
        for number in numbers:
            what = command(number)
            sent = time.perf_counter()
            entry_id = await link.call(*what)
            now = time.perf_counter()
            seen.latencies_ms.append((now - sent) * 1000)
            seen.moments.append(now)
            if remove:
                await link.call("XDEL", STREAM, entry_id)

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(in_flight)))
    seen.seconds = time.perf_counter() - started
    return seen


async def add_until_lost(
    link: Keeper, in_flight: int, acknowledged: list[bytes]
) -> None:
    """Adds without end, noting the ids that Redis answered; returns when the connection is lost."""
    numbers = itertools.count()

    async def writer() -> None:
        while True:
            acknowledged.append(await link.call(*command(next(numbers))))

    await asyncio.gather(*(writer() for _ in range(in_flight)), return_exceptions=True)


@dataclass(frozen=True)
class Cost:
    """What a queued image costs.

    Attributes:
        memory: bytes of Redis' memory for each byte of the image.
        disk: bytes of the append-only file for each byte of the image.
    """

    memory: float
    disk: float


async def cost(link: Keeper, count: int = 200) -> Cost:
    """Adds images to an empty server and takes them off again."""

    async def state() -> tuple[int, int]:
        memory = await info(link, "memory")
        persistence = await info(link, "persistence")
        return int(memory["used_memory"]), int(persistence.get("aof_current_size", 0))

    memory, disk = await state()
    await add(link, count, 8)
    more_memory, more_disk = await state()
    await link.call("DEL", STREAM)
    size = count * IMAGE_BYTES
    return Cost((more_memory - memory) / size, (more_disk - disk) / size)
