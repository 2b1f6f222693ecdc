"""Many at a time, and no more than that: tasks over an iterable of any length, with back-pressure."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


async def outcomes(
    work: Callable[[Given], Awaitable[Made]],
    given: Iterable[Given] | AsyncIterable[Given],
    most: int,
) -> AsyncGenerator[Made, None]:
    """What `work` makes of each, as it ends; at most so many are under way or not yet taken.

    Whatever `work`, or the iterable, raises ends all the rest and is raised here. Who stops iterating
    early should close the iterator (`contextlib.aclosing`), so that what is under way ends at once.
    """
    if most < 1:
        raise ValueError("at least one at a time")
    source = _each(given)
    running: set[asyncio.Task[Made]] = set()
    taking: asyncio.Future[Given] | None = None  # the next, which may be long in coming
    ended: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
    more = True
    try:
        while True:
            if more and taking is None and len(running) < most:
                taking = asyncio.ensure_future(anext(source))
                taking.add_done_callback(ended.put_nowait)
            if taking is None and not running:
                return
            task = await ended.get()
            if task is not taking:
                running.discard(task)
                yield task.result()
                continue
            taking = None
            try:
                started = asyncio.ensure_future(work(task.result()))
            except StopAsyncIteration:
                more = False
            else:
                running.add(started)
                started.add_done_callback(ended.put_nowait)
    finally:
        left: list[asyncio.Future[Any]] = [*running]
        if taking is not None:
            left.append(taking)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await source.aclose()


async def _each(
    given: Iterable[Given] | AsyncIterable[Given],
) -> AsyncGenerator[Given, None]:
    """An iterable of either kind; one that is not async may read a disk, so others have their turn."""
    if isinstance(given, AsyncIterable):
        async for item in given:
            yield item
        return
    for item in given:
        yield item
        await asyncio.sleep(0)
