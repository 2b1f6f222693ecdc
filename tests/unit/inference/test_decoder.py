"""The decoder process: isolated, in order, and never left behind."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from inference import sandbox
from inference.decoder import Decoder
from inference.models.preprocessing import Preprocessing
from tests.support.corpus.bombs import scans
from tests.support.pictures import encoded

RECIPE = Preprocessing(height=8, width=8, crop=1.0)
MOST = 4_000_000  # pixels
NOISE = encoded(Image.effect_noise((64, 64), 90), "PNG")


def picture(grey: int, side: int = 16) -> bytes:
    return encoded(Image.new("L", (side, side), grey), "PNG")


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(RECIPE, max_batch=8, max_pixels=MOST)
    await decoder.start()
    yield decoder
    await decoder.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may still wait to be collected."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


async def codes(decoder: Decoder, *images: bytes) -> list[str]:
    """What became of each image; empty where it was decoded."""
    results, _ = await decoder.decode([(image, 0) for image in images])
    return [result.code for result in results]


async def in_the_midst(decoder: Decoder) -> tuple[asyncio.Task[list[str]], int]:
    """A batch of four, one of which is being decoded, and the process that does it."""
    slow = scans(512, 1500)  # a good fifth of a second
    await codes(decoder, picture(1))  # it is up
    assert decoder.pid is not None
    process = psutil.Process(decoder.pid)
    decoding = asyncio.create_task(codes(decoder, slow, slow, slow, slow))
    before = process.cpu_times().user
    async with asyncio.timeout(5):
        while process.cpu_times().user < before + 0.03:
            await asyncio.sleep(0.005)
    return decoding, process.pid


async def test_good_and_bad_images_keep_their_order(decoder: Decoder) -> None:
    batch = [
        (picture(10), 0),
        (b"no image", 0),
        (picture(20), 4),
        (NOISE[: len(NOISE) // 2], 0),
        (picture(0, side=2001), 0),
        (picture(40), 0),
    ]
    results, pixels = await decoder.decode(batch)
    assert [result.code for result in results] == [
        *("", "not-an-image", "", "broken-image", "too-many-pixels", "")
    ]
    assert pixels.shape == (3, 8, 8, 3)
    assert [image.mean() for image in pixels] == [10, 20, 40]
    assert [result.thumbnail[:2] for result in results] == [
        *(b"", b"", b"\xff\xd8", b"", b"", b"")
    ]
    assert all(result.ms >= 0 for result in results)
    assert decoder.deaths == 0


async def test_pixels_are_a_copy_that_the_next_batch_leaves_alone(
    decoder: Decoder,
) -> None:
    _, first = await decoder.decode([(picture(10), 0)])
    await decoder.decode([(picture(20), 0)])
    assert first.mean() == 10


async def test_a_batch_without_pictures_has_no_pixels(decoder: Decoder) -> None:
    results, pixels = await decoder.decode([])
    assert (results, pixels.shape) == ([], (0, 8, 8, 3))
    _, pixels = await decoder.decode([(b"no image", 0)])
    assert pixels.shape == (0, 8, 8, 3)


async def test_an_image_larger_than_a_sockets_buffer_passes(decoder: Decoder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500), np.uint8)
    image = encoded(Image.fromarray(noise), "PNG")
    assert len(image) > 2_000_000
    assert await codes(decoder, image, image, picture(1)) == ["", "", ""]


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


async def test_the_first_process_may_die_as_well(decoder: Decoder) -> None:
    """It decodes nothing, so it is nobody's fault; its fork goes with it."""
    assert decoder.pid is not None
    first = psutil.Process(decoder.pid).parent()
    assert first is not None
    first.kill()
    await until_gone(decoder.pid)
    assert await codes(decoder, picture(1), picture(2)) == ["", ""]
    assert decoder.deaths == 0


async def test_large_uploads_need_no_room_of_a_small_pictures(decoder: Decoder) -> None:
    """What is behind the end of a picture is no reason to refuse it."""
    padded = picture(1) + bytes(100_000_000)
    assert await codes(decoder, padded, padded, picture(2)) == ["", "", ""]


def canvas_bomb(side: int) -> bytes:
    """An animated WebP of a few bytes whose canvas is side × side pixels."""
    frame = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    size = struct.pack("<I", side - 1)[:3]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    body = (
        chunk(b"VP8X", b"\x02\0\0\0" + size + size)
        + chunk(b"ANIM", b"\0\0\0\0\0\0")
        + chunk(b"ANMF", b"\0" * 12 + b"\x64\0\0\0" + frame)
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


async def test_a_canvas_beyond_the_limit_is_refused_as_such(decoder: Decoder) -> None:
    """268 million pixels in 100 bytes; Pillow makes room for them on opening."""
    found = await codes(decoder, canvas_bomb(2001), canvas_bomb(16384), picture(1))
    assert found[0] == "too-many-pixels"
    assert found[1] in {"too-many-pixels", "undecodable"}
    assert found[2] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are Linux's")
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}], ids=["jpeg", "progressive"]
)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
async def test_the_largest_picture_allowed_fits(
    decoder: Decoder, mode: str, options: dict[str, bool]
) -> None:
    image = Image.new(mode, (2000, 2000))
    assert await codes(decoder, encoded(image, "JPEG", **options)) == [""]


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP"])
async def test_the_largest_picture_allowed_fits_in_every_format(
    decoder: Decoder, file_format: str
) -> None:
    image = Image.new("RGBA", (2000, 2000), (1, 2, 3, 128))
    results, _ = await decoder.decode([(encoded(image, file_format), 320)])
    assert results[0].code == ""


async def test_closing_ends_the_process() -> None:
    decoder = Decoder(RECIPE, max_batch=2, max_pixels=MOST)
    await decoder.close()  # which was never started
    await decoder.start()
    pid = decoder.pid
    assert pid is not None
    assert alive(pid)
    await decoder.close()
    assert not alive(pid)


HOLDER = """
import asyncio
from inference import sandbox
from inference.decoder import Decoder
from inference.models.preprocessing import Preprocessing
async def main():
    decoder = Decoder(Preprocessing(height=8, width=8), 2, 1000)
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
