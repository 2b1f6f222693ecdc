"""Pictures in order, but in colours that few files have."""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.support.corpus import parts
from tests.support.corpus.parts import (
    after_soi,
    chunk,
    header,
    picture,
    png,
    saved,
    segment,
)


def files() -> Iterator[tuple[str, bytes]]:
    """Files that a decoder may read or refuse, but not choke on."""
    yield from _jpegs()
    yield from _modes()
    yield from _depths()
    for width, height in ((1, 1), (1, 4000), (4000, 1), (3, 2)):
        image = Image.new("RGB", (width, height), (10, 200, 90))
        for kind in ("JPEG", "PNG", "GIF", "WEBP"):
            yield f"{kind} of {width} x {height}", saved(image, kind)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    for mode in ("L", "CMYK", "RGB", "YCbCr"):
        for progressive in (False, True):
            name = f"{mode} jpeg{' progressive' * progressive}"
            yield name, saved(picture(mode), "JPEG", progressive=progressive)
    for transform in (0, 1, 2, 3, 255):
        adobe = segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))
        for mode in ("RGB", "CMYK", "L"):
            bare = _without(saved(picture(mode), "JPEG"), 0xEE)
            yield f"{mode} jpeg, transform {transform}", after_soi(bare, adobe)
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        yield f"jpeg {sampling}", saved(picture(), "JPEG", subsampling=sampling)
    for precision in (2, 12, 16):
        jpeg = saved(picture(), "JPEG")
        at = next(at for marker, at in parts.segments(jpeg) if marker == 0xC0)
        yield (
            f"jpeg of {precision} bits",
            jpeg[: at + 4] + bytes((precision,)) + jpeg[at + 5 :],
        )
    for marker in (0xC3, 0xC5, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xF7):
        jpeg = saved(picture(), "JPEG")
        at = next(at for found, at in parts.segments(jpeg) if found == 0xC0)
        yield f"jpeg with SOF {marker:x}", jpeg[: at + 1] + bytes((marker,)) + jpeg[
            at + 2 :
        ]


def _modes() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"png {mode}", saved(_in_mode(mode), "PNG")
    for shade in (b"", b"\0", b"\0\1", b"\x80" * 300):
        yield (
            f"png palette, transparency of {len(shade)}",
            saved(picture("P"), "PNG", transparency=shade),
        )
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"gif {mode}", saved(picture(mode), "GIF")
    for mode in ("L", "RGB", "RGBA", "P", "LA"):
        yield f"webp {mode}", saved(picture(mode), "WEBP", lossless=mode == "P")


def _depths() -> Iterator[tuple[str, bytes]]:
    """A PNG in each depth for each colour type, those that may not be included."""
    for colour, channels in ((0, 1), (2, 3), (3, 1), (4, 2), (6, 4), (1, 1), (7, 4)):
        for depth in (1, 2, 4, 8, 16):
            row = b"\0" + b"\x5a" * ((16 * channels * depth + 7) // 8)
            palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
            yield (
                f"png of colour type {colour}, {depth} bits",
                png(
                    header(16, 16, depth, colour),
                    palette,
                    chunk(b"IDAT", zlib.compress(row * 16)),
                ),
            )


def _in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return picture("L").convert("I").point(lambda v: v * 257).convert(mode)
    return picture(mode)


def _without(jpeg: bytes, marker: int) -> bytes:
    """A JPEG without its segments of one kind."""
    for found, at in parts.segments(jpeg):
        if found == marker:
            length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
            return jpeg[:at] + jpeg[at + 2 + length :]
    return jpeg
