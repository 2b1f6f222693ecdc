"""Decoders that were taken over, and write what they like: nobody waits for them for ever, or reads another's."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from inference import decoder_memory, sandbox
from inference.decoder import BETWEEN_S, SPARE_S, Decoder
from tests.support.decoders import MOST, RECIPE, alive, in_the_midst, picture


@pytest.mark.parametrize("begun", [0, 1])
@pytest.mark.parametrize("clock", [lambda: 2**64 - 1, time.monotonic_ns])
async def test_a_decoder_that_says_it_is_never_late_is_given_up(
    decoder: Decoder,
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[[], int],
    begun: int,
) -> None:
    """One that was taken over, and writes what it likes: a worker does not wait for it for ever."""
    monkeypatch.setattr("inference.decoder.BETWEEN_S", 0.2)
    monkeypatch.setattr(sandbox, "WALL_A_CPU", 0.1)
    decoding, pid = await in_the_midst(decoder)
    os.kill(pid, signal.SIGSTOP)
    taken_over = psutil.Process(pid)
    while taken_over.status() != psutil.STATUS_STOPPED:
        await asyncio.sleep(0.005)
    state = decoder._memory.state

    async def pretend() -> None:
        while alive(pid):
            state[decoder_memory.BEGUN] = begun
            state[decoder_memory.AT] = clock()
            await asyncio.sleep(0.01)

    pretending = asyncio.create_task(pretend())
    async with asyncio.timeout(15):
        # It stands still, so that what an image may take need not be what it takes.
        with monkeypatch.context() as patched:
            patched.setattr(sandbox, "SPARE_WALL_S", 0.05)
            patched.setattr("inference.decoder.SPARE_S", 0.05)
            await pretending
        found = await decoding
    assert len(found) == 4
    assert found.count("undecodable") == begun


def test_what_is_done_is_no_later_for_what_was_before() -> None:
    """The longest time is an image's, not the batch's."""
    decoder = Decoder(RECIPE, max_batch=3, max_pixels=MOST, max_bytes=1000)
    memory = decoder._memory
    longest_s = BETWEEN_S + sandbox.wall_s(0) + sandbox.wall_s(MOST) + 2 * SPARE_S
    decoder._end = 2
    decoder._done_at -= longest_s
    memory.tell(begun=1)
    assert decoder._patience_s() <= 0
    for done, is_late in ((1, False), (0, True), (2**64 - 1, False), (3, True)):
        memory.state[decoder_memory.DONE] = done
        assert (decoder._patience_s() <= 0) == is_late
        decoder._done_at = time.monotonic() - longest_s


async def test_a_thumbnail_is_what_lies_behind_its_own_picture(
    decoder: Decoder,
) -> None:
    """Wherever a decoder that was taken over says that the picture lies, and however long it says it is."""
    results, _ = await decoder.decode([(picture(10), 8), (picture(20), 0)])
    memory = decoder._memory
    row, other = memory.row(0), memory.row(1)
    memory.state[row + decoder_memory.OFFSET] = 0
    memory.state[row + decoder_memory.LENGTH] = 100
    assert decoder._result(0).thumbnail == results[0].thumbnail != b""
    room = decoder_memory.thumbnail_room(8)
    memory.state[row + decoder_memory.THUMBNAIL] = room
    assert len(decoder._result(0).thumbnail) == room
    memory.state[row + decoder_memory.THUMBNAIL] = room + 1
    memory.state[other + decoder_memory.THUMBNAIL] = 1
    assert decoder._result(0).thumbnail == decoder._result(1).thumbnail == b""


async def test_rubbish_in_the_memory_is_a_picture_undecoded() -> None:
    """A decoder that was taken over can write there what it likes."""
    decoder = Decoder(RECIPE, max_batch=2, max_pixels=MOST, max_bytes=1000)
    row = decoder._memory.row(1)
    for number in range(decoder_memory.ROW):
        decoder._memory.state[row + number] = 2**64 - 1
    found = decoder._result(1)
    assert (found.code, found.thumbnail) == ("undecodable", b"")
