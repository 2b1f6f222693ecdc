"""Photographs as telephones take them, 12 megapixels: through the decoder, and decoded in full.

A JPEG can be decoded at a half, a quarter or an eighth; what that saves is measured against Pillow's plain
way, written here on its own: open, decode all, crop and scale in one pass. Both run in this process.
"""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from bench import pictures, reference
from bench.figures import Found, ratio
from bench.interleave import Side, in_turns
from bench.setup import Seen, Setup, noted
from inference.images import FILTERS, decode
from inference.models.preprocessing import Preprocessing

COUNT: Final = 10
SIZE_PX: Final = (4000, 3000)
QUALITY: Final = 90
DECODER: Final = "12 megapixels, Pictor's decoder"
FULL: Final = "12 megapixels, full scale"
# Of 255, mean: another picture is 50 away, another way to scale the same one less than this.
ALIKE: Final = 8.0


def photographs(count: int = COUNT) -> list[bytes]:
    """Different JPEGs of SIZE_PX: photographs whole, then their upper left parts."""
    made = []
    for number in range(count):
        whole, photograph = divmod(number, len(pictures.PHOTOGRAPHS))
        with Image.open(io.BytesIO(_files()[photograph])) as image:
            share = 1 - 0.2 * whole
            box = (0, 0, share * image.width, share * image.height)
            large = image.convert("RGB").resize(SIZE_PX, box=box)
        out = io.BytesIO()
        large.save(out, "JPEG", quality=QUALITY)
        made.append(out.getvalue())
    return made


def _files() -> list[bytes]:
    return [one.data for one in pictures.photographs()]


def in_full(data: bytes, preprocessing: Preprocessing) -> bytes:
    """Pixels uint8 [height, width, 3], 0 to 255, row-major, from every pixel of the file."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        scaled = image.resize(
            (preprocessing.width, preprocessing.height),
            FILTERS[preprocessing.interpolation],
            box=preprocessing.box(image.height, image.width),
        )
    return scaled.convert("RGB").tobytes()


def apart(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures' pixels, of 255."""
    first, second = (np.frombuffer(raw, np.uint8).astype(int) for raw in (one, other))
    return float(np.abs(first - second).mean())


@dataclass
class DecodeRound:
    """What a round saw.

    Attributes:
        ms: for all pictures together, processor time of this process.
    """

    ms: float

    def facts(self) -> dict[str, Any]:
        """For a file."""
        return {"ms": round(self.ms, 2)}

    def __str__(self) -> str:
        return f"{self.ms:.0f} ms"


async def large(setup: Setup) -> Found:
    """Ten such pictures, both ways in turns."""
    found = Found()
    spec = reference.prepared(setup.settings)
    files = photographs()

    def by_decoder(data: bytes) -> bytes:
        return decode(data, spec.preprocessing, setup.settings.max_pixels, 0).pixels

    def all_of_it(data: bytes) -> bytes:
        return in_full(data, spec.preprocessing)

    differences = [apart(by_decoder(one), all_of_it(one)) for one in files]
    found.wrong = sum(one > ALIKE for one in differences)
    found.notes.append(
        f"Reduced and full decoding differ by {max(differences):.1f} of 255 at most, mean of a picture."
    )
    sides = [_side(DECODER, by_decoder, files), _side(FULL, all_of_it, files)]
    noted(found, await in_turns(sides, (), setup.rounds, setup.say))
    ours, theirs = (
        [one["ms"] for one in found.rounds[name]] for name in (DECODER, FULL)
    )
    found.figures.append(ratio("large", ours, theirs))
    return found


def _side(
    name: str, work: Callable[[bytes], bytes], files: Sequence[bytes]
) -> Side[Seen]:
    async def measure(number: int) -> DecodeRound:
        started = time.process_time()
        for data in files:
            work(data)
        return DecodeRound((time.process_time() - started) * 1000)

    return Side(name, measure)
