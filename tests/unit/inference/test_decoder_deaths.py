"""Decoders that die, hang or are given up: the image at hand pays, and no process is left behind."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys

import msgspec
import psutil
import pytest

from inference import decoder_memory, sandbox
from inference.decoder import BETWEEN_S, SPARE_S, Decoder
from inference.decoder_memory import Layout
from tests.support.corpus.bombs import scans
from tests.support.decoders import (
    LARGEST,
    MOST,
    RECIPE,
    alive,
    codes,
    in_the_midst,
    picture,
    until_gone,
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_death_in_the_middle_of_a_batch_costs_one_image(
    decoder: Decoder, number: int
) -> None:
    """And the next process decodes the rest."""
    decoding, pid = await in_the_midst(decoder)
    os.kill(pid, number)
    found = await decoding
    assert sorted(found) == ["", "", "", "undecodable"]
    assert decoder.deaths == 1
    assert decoder.pid != pid
    assert not alive(pid)


async def test_a_death_between_batches_costs_no_image(decoder: Decoder) -> None:
    """Nobody is blamed for what none of them did."""
    await codes(decoder, picture(1))
    assert decoder.pid is not None
    os.kill(decoder.pid, signal.SIGKILL)
    await until_gone(decoder.pid)
    assert await codes(decoder, picture(1), picture(2)) == ["", ""]


async def test_an_image_that_never_ends_is_given_up(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the decoder's own clocks do not end it."""
    monkeypatch.setattr(sandbox, "WALL_A_CPU", 0.5)
    decoding, pid = await in_the_midst(decoder)
    os.kill(pid, signal.SIGSTOP)
    assert sorted(await decoding) == ["", "", "", "undecodable"]
    assert not alive(pid)


async def test_a_decoder_that_hangs_between_images_costs_none(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.decoder.BETWEEN_S", 0.2)
    await codes(decoder, picture(1))
    assert decoder.pid is not None
    os.kill(decoder.pid, signal.SIGSTOP)
    assert await codes(decoder, picture(1)) == [""]
    assert decoder.deaths == 0


def test_a_worker_that_goes_with_a_ring_unheard_has_a_quiet_end() -> None:
    """As one does that is killed; what its decoder prints would be between the lines of its command."""
    memory = decoder_memory.Memory(
        file := decoder_memory.shared_file((layout := Layout.of(1, 192, 4096)).size),
        layout,
    )
    control, its_control = socket.socketpair()
    bell, its_bell = socket.socketpair()
    with control, bell:
        with its_control, its_bell:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "inference.decoder_process"),
                    *(str(its_control.fileno()), str(file)),
                    *(msgspec.json.encode(layout), msgspec.json.encode(RECIPE), "9"),
                ],
                pass_fds=(its_control.fileno(), file),
                stderr=subprocess.PIPE,
            )
            socket.send_fds(control, [b"+"], [its_bell.fileno()])
        assert select.select([bell], [], [], 20)[0]  # it has rung
        bell.close()
        asyncio.run(until_gone(memory.state[decoder_memory.PID]))
    assert process.communicate(timeout=20) == (None, b"")
    assert process.returncode == 0
    os.close(file)


async def test_the_first_process_may_die_as_well(decoder: Decoder) -> None:
    """It decodes nothing, so it is nobody's fault; its fork goes with it."""
    assert decoder.pid is not None
    first = psutil.Process(decoder.pid).parent()
    assert first is not None
    first.kill()
    await until_gone(decoder.pid)
    assert await codes(decoder, picture(1), picture(2)) == ["", ""]
    assert decoder.deaths == 0


async def test_what_was_done_before_a_death_stays_done(decoder: Decoder) -> None:
    """It is not decoded again, and keeps its thumbnail."""
    slow = scans(512, 1500)
    await codes(decoder, picture(1))
    assert decoder.pid is not None
    process = psutil.Process(decoder.pid)
    batch = [(picture(10), 4), (b"no image", 0), (slow, 0), (picture(30), 4)]
    decoding = asyncio.create_task(decoder.decode(batch))
    before = process.cpu_times().user
    async with asyncio.timeout(5):
        while process.cpu_times().user < before + 0.05:
            await asyncio.sleep(0.005)
    done = decoder._memory.row(0)
    decoder._memory.state[done + decoder_memory.MICROS] = 12_345_000
    process.kill()
    results, pixels = await decoding
    assert [result.code for result in results] == [
        *("", "not-an-image", "undecodable", "")
    ]
    assert results[0].ms == 12_345
    assert [image.mean() for image in pixels] == [10, 30]
    assert [bool(result.thumbnail) for result in results] == [True, False, False, True]
    assert decoder.deaths == 1


async def test_a_batch_given_up_is_not_taken_for_the_next_ones(
    decoder: Decoder,
) -> None:
    """Who waits for it may be cancelled at any moment."""
    decoding, _ = await in_the_midst(decoder)
    decoding.cancel()
    await asyncio.gather(decoding, return_exceptions=True)
    _, pixels = await decoder.decode([(picture(10), 0), (picture(20), 0)])
    assert [image.mean() for image in pixels] == [10, 20]
    assert decoder.deaths == 0


def test_no_image_is_late_unseen() -> None:
    """However large the one under way: the next may be small, and begin at once."""
    decoder = Decoder(RECIPE, max_batch=2, max_pixels=MOST, max_bytes=1000)
    memory = decoder._memory
    small_s = sandbox.wall_s(0) + SPARE_S
    memory.tell(begun=1, pixels=MOST)
    assert decoder._patience_s() <= small_s
    state = memory.state
    for begun, pixels, allowed_s in (
        *((0, 0, BETWEEN_S), (1, 0, small_s)),
        *((1, MOST, sandbox.wall_s(MOST) + SPARE_S),),
        # What a decoder that was taken over may write.
        *((1, 2**63, sandbox.wall_s(MOST) + SPARE_S),),
    ):
        memory.tell(begun, pixels)
        state[decoder_memory.AT] -= int((allowed_s - 0.5) * 1e9)
        assert 0.4 < decoder._patience_s() <= 0.5
        state[decoder_memory.AT] -= int(0.5e9)
        assert decoder._patience_s() <= 0


async def test_closing_ends_the_process() -> None:
    decoder = Decoder(RECIPE, max_batch=2, max_pixels=MOST, max_bytes=LARGEST)
    await decoder.close()  # which was never started
    await decoder.start()
    pid = decoder.pid
    assert pid is not None
    assert alive(pid)
    await decoder.close()
    assert not alive(pid)


HOLDER = """
import asyncio
from inference import decoder_memory, images, sandbox
from inference.decoder import Decoder
from inference.models.preprocessing import Preprocessing
async def main():
    decoder = Decoder(Preprocessing(height=8, width=8), 2, 1000, 1000)
    await decoder.start()
    await decoder.decode([(b"no image", 0)])
    print(decoder.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
async def test_it_ends_with_its_worker_however_that_ends() -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - asyncio's ends with its loop
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        pid = int(await asyncio.to_thread(worker.stdout.readline))
        assert alive(pid)
        worker.kill()
        await until_gone(pid)
