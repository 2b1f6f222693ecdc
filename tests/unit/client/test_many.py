import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.many import outcomes


@given(st.lists(st.integers()), st.integers(1, 9))
def test_each_ends_once(items: list[int], most: int) -> None:
    async def run() -> list[int]:
        async def work(item: int) -> int:
            await asyncio.sleep(0)
            return item

        return [one async for one in outcomes(work, items, most)]

    assert sorted(asyncio.run(run())) == sorted(items)


async def test_no_more_are_held_than_was_said_however_many_there_are() -> None:
    taken, given_back, seen = 0, 0, 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async def work(item: int) -> int:
        return item

    async with aclosing(outcomes(work, endless(), 5)) as source:
        async for _ in source:
            given_back += 1
            seen = max(seen, taken - given_back + 1)
            if given_back == 100:
                break
    assert seen <= 5
    assert taken <= 105


async def test_what_is_under_way_ends_with_who_stops() -> None:
    cancelled = asyncio.Event()

    async def work(item: int) -> int:
        if item:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
        return item

    async with aclosing(outcomes(work, [1, 0], 2)) as source:
        assert await anext(source) == 0
    assert cancelled.is_set()


async def test_an_iterable_that_fails_is_heard_of() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("the disk is gone")

    async def work(item: int) -> int:
        return item

    with pytest.raises(OSError, match="the disk is gone"):
        async for _ in outcomes(work, broken(), 3):
            pass


async def test_none_at_a_time_is_no_number() -> None:
    async def work(item: int) -> int:
        return item

    with pytest.raises(ValueError, match="at least one"):
        await anext(outcomes(work, [1], 0))


async def test_what_has_ended_does_not_wait_for_the_next_one_given() -> None:
    taken = asyncio.Event()

    async def slow() -> AsyncIterator[int]:
        yield 1
        await taken.wait()
        yield 2

    async def work(item: int) -> int:
        return item

    async with aclosing(outcomes(work, slow(), 8)) as source:
        assert await anext(source) == 1
        taken.set()
        assert [one async for one in source] == [2]


async def test_who_stops_lets_go_of_what_was_given() -> None:
    closed = asyncio.Event()

    async def given() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def work(item: int) -> int:
        return item

    async with aclosing(outcomes(work, given(), 8)) as source:
        await anext(source)
    assert closed.is_set()
