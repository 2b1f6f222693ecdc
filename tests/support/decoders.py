"""What the tests of the decoder share: small pictures, one that takes its time, and who lives."""

import asyncio
from pathlib import Path

import psutil
from PIL import Image

from inference.decoder import Decoder
from inference.models.preprocessing import Preprocessing
from tests.support.corpus.bombs import scans
from tests.support.pictures import encoded

RECIPE = Preprocessing(height=8, width=8, crop=1.0)
MOST = 4_000_000  # pixels
LARGEST = 101_000_000  # bytes; two such do not go together
NOISE = encoded(Image.effect_noise((64, 64), 90), "PNG")


def picture(grey: int, side: int = 16) -> bytes:
    return encoded(Image.new("L", (side, side), grey), "PNG")


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


async def codes(decoder: Decoder, *pictures: bytes) -> list[str]:
    """What became of each image; empty where it was decoded."""
    results, _ = await decoder.decode([(image, 0) for image in pictures])
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
