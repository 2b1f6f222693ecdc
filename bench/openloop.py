"""Requests that come when they come, as those of people do, whatever became of the ones before.

Arrivals are a Poisson process. A request's latency counts from the moment it was due, so that a client
that is held up hides nothing ("coordinated omission"). Connections are taken from a pool that grows.
"""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.clients import PATIENCE_S, Expected, Round
from bench.connection import Address, Connection, Form
from bench.pictures import numbered

SEED: Final = 4
WARM_UP_S: Final = 1.0


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are due: seconds from the start, in order.

    Args:
        rate: a second, mean.
        seconds: how long they come.
        seed: equal ones give equal times.
    """
    gaps = random.Random(seed)
    times, now = [], gaps.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += gaps.expovariate(rate)
    return times


@dataclass
class OpenRound(Round):
    """What a round of arrivals saw.

    Attributes:
        offered: requests that were due and counted.
        late_ms: by how much this client sent the latest of the punctual 99 % too late.
    """

    offered: int = 0
    late_ms: float = 0.0

    def facts(self) -> dict[str, Any]:
        """For a file; every latency, so that the whole distribution can be drawn."""
        latencies = [round(ms, 2) for ms in self.latencies_ms]
        more = {"offered": self.offered, "client_late_ms": round(self.late_ms, 2)}
        return super().facts() | more | {"latencies_ms": latencies}


class Arrivals:
    """Sends pictures that no cache has seen, each at its time."""

    def __init__(self, address: Address, given: Sequence[Expected]) -> None:
        self._address = address
        self._given = itertools.cycle(given)
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))
        self._free: list[Connection] = []

    async def round(self, rate: float, seconds: float, seed: int) -> OpenRound:
        """Arrivals for WARM_UP_S and then `seconds`, which count; returns once all are answered.

        Raises:
            OSError: requests are still unanswered PATIENCE_S later.
        """
        seen = OpenRound(seconds)
        late: list[float] = []
        before = time.process_time()
        start = time.perf_counter()
        try:
            async with (
                asyncio.timeout(WARM_UP_S + seconds + PATIENCE_S),
                asyncio.TaskGroup() as tasks,
            ):
                for due in arrivals(rate, WARM_UP_S + seconds, seed):
                    await asyncio.sleep(start + due - time.perf_counter())
                    late.append((time.perf_counter() - start - due) * 1000)
                    counts = due >= WARM_UP_S
                    seen.offered += counts
                    tasks.create_task(self._one(start + due, seen, counts=counts))
        except TimeoutError:
            raise OSError(f"no answer within {PATIENCE_S:g} s") from None
        seen.client_s = time.process_time() - before
        if late:
            seen.late_ms = sorted(late)[int(0.99 * len(late))]
        for connection in self._free:
            connection.close()
        self._free.clear()
        return seen

    async def _one(self, due: float, seen: OpenRound, *, counts: bool) -> None:
        connection = self._free.pop() if self._free else Connection(self._address)
        one = next(self._given)
        form = Form(self._address, "/predict", one.picture.media_type)
        data = numbered(one.picture.data, next(self._numbers))
        try:
            reply = await connection.send(*form.parts(data))
        except OSError:
            seen.errors += 1
            return
        now = time.perf_counter()
        self._free.append(connection)
        if reply.status != 200:
            seen.errors += 1
        elif not one.agrees(reply.body):
            seen.wrong += 1
        elif counts:
            seen.latencies_ms.append((now - due) * 1000)
