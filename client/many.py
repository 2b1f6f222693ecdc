"""Many at a time, and no more than that: tasks over an iterable of any length, with back-pressure."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import TypeVar

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
    ended: asyncio.Queue[asyncio.Task[Made]] = asyncio.Queue()
    more = True
    try:
        while more or running:
            while more and len(running) < most:
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    more = False
                else:
                    task = asyncio.ensure_future(work(item))
                    task.add_done_callback(ended.put_nowait)
                    running.add(task)
            if running:
                task = await ended.get()
                running.discard(task)
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
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
