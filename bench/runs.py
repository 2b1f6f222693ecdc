"""Windows of `bench.scale`: a load is put on what runs, warms it up, and then counts for some seconds."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bench.asking import Asking
from bench.feed import Feed
from bench.growth import Point, Window
from bench.meter import Meter, batches
from bench.stage import Stage, spread
from common import __main__ as start
from common.connections import Keeper
from inference.models import catalogue

WARM_UP_S: Final = 0.5


class Runs:
    """Puts loads on a stage, and keeps what each point saw.

    Attributes:
        points: in the order of their first windows.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.points: list[Point] = []

    def point(
        self, at: Stage, sweep: str, size: int, engine: tuple[float, float]
    ) -> Point:
        """The point of that name, which each round adds to; of the workers there are now."""
        for one in self.points:
            if (one.sweep, one.size) == (sweep, size):
                return one
        self.points.append(Point(sweep, size, len(at.workers), engine))
        return self.points[-1]

    async def asked(self, at: Stage, point: Point, size: int, clients: int) -> None:
        """A window with clients over HTTP."""
        await start.answers_yes(at.settings)
        asking = Asking(at.url, size, clients, _labels(at))
        asking.start()

        async def done() -> tuple[int, int]:
            return asking.done, asking.done

        window = await self._window(at, done)
        point.spread = spread(at.gateways(), at.settings.port)
        await asking.stop()
        point.windows.append(_with_errors(window, asking.errors))

    async def fed(
        self,
        at: Stage,
        point: Point,
        size: int,
        level: int,
        *,
        then: Point | None = None,
        clients: int = 0,
    ) -> None:
        """A window with so many entries kept in the bulk lane.

        Args:
            at: what runs.
            point: gets the window.
            size: bytes of an image.
            level: entries.
            then: gets another window, in which clients ask over HTTP as well.
            clients: so many.
        """
        labels = _labels(at)
        link = Keeper(at.settings.redis_url, name="feed")
        feed = Feed(link, at.settings, "bulk", size, len(labels))
        await feed.fill(level)
        feed.hold(level)
        await at.settled()

        async def ended() -> tuple[int, int]:
            return await feed.ended(), 0

        try:
            window = await self._window(at, ended)
            await feed.compare()
            point.windows.append(_with_errors(window, feed.wrong))
            if then is not None:
                await self._both(at, then, feed, Asking(at.url, size, clients, labels))
        finally:
            await feed.let_go()
            await link.close()

    async def _both(self, at: Stage, point: Point, feed: Feed, asking: Asking) -> None:
        wrong = feed.wrong
        asking.start()

        async def ended() -> tuple[int, int]:
            return asking.done + await feed.ended(), asking.done

        window = await self._window(at, ended)
        await asking.stop()
        await feed.compare()
        point.windows.append(_with_errors(window, asking.errors + feed.wrong - wrong))

    async def _window(
        self, at: Stage, count: Callable[[], Awaitable[tuple[int, int]]]
    ) -> Window:
        await asyncio.sleep(WARM_UP_S)
        meter = Meter(
            {
                "gateway": at.gateways(),
                "Redis": [at.server.pid],
                "workers": at.workers,
            }
        )
        ran = batches(at.metrics)
        started, (ended, asked) = time.perf_counter(), await count()
        await asyncio.sleep(self._seconds)
        ended_then, asked_then = await count()
        seconds = time.perf_counter() - started
        spent, busiest, others = meter.since()
        ran_then = batches(at.metrics)
        return Window(
            seconds,
            ended_then - ended,
            asked_then - asked,
            spent,
            busiest,
            others,
            batches=ran_then[0] - ran[0],
            images=ran_then[1] - ran[1],
        )


def _with_errors(window: Window, errors: int) -> Window:
    return dataclasses.replace(window, errors=errors)


def _labels(at: Stage) -> list[str]:
    spec = catalogue.resolve(at.settings.model, at.settings.data_path)
    return [label.label for label in spec.labels]
