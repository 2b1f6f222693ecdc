"""The explainer is there while somebody asks, and only then: a real server, real processes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from common import keys
from common.connections import Keeper
from common.supervisor import Child
from inference import explaining as explaining_module
from inference.explaining import Explaining

STREAM, THERE = keys.explanations("m"), keys.explainer("m")
READY = "from common.process import Reporter; Reporter().ready(); "
# It waits to be ended, and is told nothing of the stream.
WAITING = READY + "import signal; signal.pause()"
FAILING = "import sys; sys.exit(1)"


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.01)


class Watch:
    """A stream, and who looks at it."""

    def __init__(self, url: str, code: str) -> None:
        self.redis, self._link = Keeper(url), Keeper(url)
        self.ended: list[int] = []
        child = Child(
            "explainer",
            (sys.executable, "-c", code),
            ended=lambda end: self.ended.append(end.pid),
        )
        self.explaining = Explaining(self._link, "m", child)

    @property
    def pid(self) -> int | None:
        supervisor = self.explaining._supervisor
        return None if supervisor is None else supervisor.pids().get("explainer")

    async def runs(self) -> bool:
        return self.pid is not None

    def gone(self, times: int) -> Callable[[], Awaitable[bool]]:
        async def gone() -> bool:
            return len(self.ended) >= times

        return gone

    async def told(self) -> bool:
        return bool(await self.redis.call("EXISTS", THERE))

    async def ask(self) -> bytes:
        entry_id: bytes = await self.redis.call("XADD", STREAM, "*", "h", "x")
        return entry_id

    async def close(self) -> None:
        await self.explaining.stop()
        await self.redis.close()
        await self._link.close()


@pytest.fixture
async def watches(
    flushed_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str], Watch]]:
    monkeypatch.setattr(explaining_module, "LOOK_S", 0.02)
    monkeypatch.setattr(explaining_module, "IDLE_S", 0.3)
    made: list[Watch] = []

    def make(code: str = WAITING) -> Watch:
        made.append(Watch(flushed_redis_url, code))
        made[-1].explaining.start()
        return made[-1]

    yield make
    for watch in made:
        await watch.close()


async def test_it_starts_when_somebody_asks_and_ends_when_nobody_does(
    watches: Callable[..., Watch],
) -> None:
    watch = watches()
    await until(watch.told)
    assert watch.pid is None
    for times in (1, 2):
        entry_id = await watch.ask()
        await until(watch.runs)
        await watch.redis.call("XDEL", STREAM, entry_id)
        await until(watch.gone(times))
    assert len(set(watch.ended)) == 2


async def test_one_that_dies_is_started_again(watches: Callable[..., Watch]) -> None:
    watch = watches()
    await watch.ask()
    await until(watch.runs)
    first = watch.pid
    supervisor = watch.explaining._supervisor
    assert supervisor is not None
    supervisor.signal_to({"explainer"}, 9)

    async def another() -> bool:
        supervisor.signal_to({"explainer"}, 9) if watch.pid == first else None
        return watch.pid not in (None, first)

    await until(another)


async def test_one_that_cannot_start_is_tried_again_later(
    watches: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gateways are told all the while that somebody looks."""
    monkeypatch.setattr(explaining_module, "AGAIN_S", 0.05)
    watch = watches(FAILING)
    await watch.ask()
    tries: list[float] = []

    async def tried() -> bool:
        at = watch.explaining._not_before
        if at not in tries:
            tries.append(at)
        return len(tries) > 2

    await until(tried)
    assert await watch.told()


async def test_after_a_renewal_the_next_who_asks_has_a_fresh_one(
    watches: Callable[..., Watch],
) -> None:
    watch = watches()
    await watch.ask()
    await until(watch.runs)
    first = watch.pid
    await watch.explaining.end()

    async def fresh() -> bool:
        return watch.pid not in (None, first)

    await until(fresh)


async def test_a_stop_leaves_no_process(watches: Callable[..., Watch]) -> None:
    watch = watches()
    await watch.ask()
    await until(watch.runs)
    pid = watch.pid
    await watch.explaining.stop()
    assert watch.ended in ([pid], [])
    assert watch.pid is None
