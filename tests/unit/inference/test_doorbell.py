"""A ring, no ring, and a line that was cut."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from inference.doorbell import RING, Doorbell

PATIENT_S = 10.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Ends = tuple[socket.socket, socket.socket]


async def test_each_hears_the_other(ends: Ends) -> None:
    bell = Doorbell(ends[0])
    for _ in range(3):
        bell.ring()
        assert ends[1].recv(1) == RING
        ends[1].send(RING)
        await bell.answer(lambda: PATIENT_S)
    bell.close()
    assert ends[1].recv(1) == b""


async def test_who_hangs_up_is_noticed(ends: Ends) -> None:
    bell = Doorbell(ends[0])
    waiting = asyncio.create_task(bell.answer(lambda: PATIENT_S))
    await asyncio.sleep(0)
    ends[1].close()
    with pytest.raises(EOFError):
        await waiting
    with pytest.raises(OSError, match="descriptor"):
        bell.ring()


async def test_a_line_cut_while_nobody_waits_is_left_alone(ends: Ends) -> None:
    """It would be readable for ever, and keep the loop turning."""
    Doorbell(ends[0])
    ends[1].close()
    async with asyncio.timeout(5):
        while ends[0].fileno() >= 0:
            await asyncio.sleep(0)


async def test_patience_is_asked_for_again_and_ends(ends: Ends) -> None:
    bell = Doorbell(ends[0])
    left = [0.0, 0.001, 0.001]
    with pytest.raises(TimeoutError):
        await bell.answer(left.pop)
    assert left == []
    bell.close()


async def test_who_gives_up_hears_no_answer_meant_for_before(ends: Ends) -> None:
    bell = Doorbell(ends[0])
    waiting = asyncio.create_task(bell.answer(lambda: PATIENT_S))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(OSError, match="descriptor"):
        bell.ring()
