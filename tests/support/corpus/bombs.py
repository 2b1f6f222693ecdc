"""Small files that ask for much: memory, time, pixels, parts."""

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
    riff,
    riff_chunk,
    saved,
    segment,
    vp8x,
)

MEGABYTE = 1 << 20


def files() -> Iterator[tuple[str, bytes]]:
    """Bombs of each format."""
    yield from _pngs()
    yield from _jpegs()
    yield from _gifs()
    yield from _webps()


def zeros(megabytes: int) -> bytes:
    """So many megabytes of nothing, packed, without ever having been in memory."""
    packer = zlib.compressobj(9)
    piece = bytes(MEGABYTE)
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


def _pngs() -> Iterator[tuple[str, bytes]]:
    data = chunk(b"IDAT", zlib.compress(bytes(784)))
    bomb = zeros(200)
    yield "png, 200 MB of data for 16 x 16", png(header(16, 16), chunk(b"IDAT", bomb))
    for side in (8000, 8001, 30_000, 65_535):
        yield f"png of {side} squared", png(
            header(side, side, 1, 0), chunk(b"IDAT", zeros(8))
        )
    yield "png, 8000 squared of 16 bits", png(
        header(8000, 8000, 16, 6), chunk(b"IDAT", bomb)
    )
    for kind, before in (
        (b"zTXt", b"n\0\0"),
        (b"iCCP", b"n\0\0"),
        (b"iTXt", b"n\0\1\0\0\0"),
    ):
        text = chunk(kind, before + bomb)
        yield f"png, {kind.decode()} of 200 MB", png(header(16, 16), text, data)
        many = chunk(kind, before + zeros(1)) * 300
        yield f"png, 300 times {kind.decode()} of 1 MB", png(header(16, 16), many, data)
    yield "png, 100,000 empty data chunks", png(
        header(16, 16), chunk(b"IDAT", b"") * 100_000, data
    )
    yield "png, 100,000 texts", png(
        header(16, 16), chunk(b"tEXt", b"a\0b") * 100_000, data
    )
    yield "png, text of 10 MB", png(
        header(16, 16), chunk(b"tEXt", b"a\0" + b"b" * 10_000_000), data
    )
    yield "apng of 10,000 frames", png(
        header(16, 16),
        chunk(b"acTL", struct.pack(">II", 10_000, 0)),
        data,
        chunk(b"fcTL", bytes(26)) * 10_000,
    )


def _jpegs() -> Iterator[tuple[str, bytes]]:
    good = saved(picture(), "JPEG")
    frame = next(at for marker, at in parts.segments(good) if marker == 0xC0)
    for side in (7990, 8100, 65_500):
        size = struct.pack(">HH", side, side)
        yield f"jpeg of {side} squared", good[: frame + 5] + size + good[frame + 9 :]
    for side in (512, 4000):
        for count in (50, 5000):
            yield f"jpeg of {side} squared, {count} scans", scans(side, count)
    yield "jpeg, 100,000 comments", after_soi(good, segment(0xFE, b"") * 100_000)
    yield "jpeg, 200 profiles", after_soi(
        good, segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000)) * 200
    )
    yield "jpeg, 300 times EXIF", after_soi(
        good, segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 60_000) * 300
    )
    yield "jpeg, 10,000 tables", after_soi(
        good, segment(0xDB, b"\0" + b"\1" * 64) * 10_000
    )
    large = saved(Image.new("RGB", (7990, 7990)), "JPEG", progressive=True)
    yield "jpeg, 64 megapixels, progressive", large


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG that refines all its blocks, again and again."""
    good = saved(Image.new("L", (side, side)), "JPEG", progressive=True)
    starts = [at for marker, at in parts.segments(good) if marker == 0xDA]
    last = good[starts[-1] : -2]
    return good[:-2] + last * count + b"\xff\xd9"


def _gifs() -> Iterator[tuple[str, bytes]]:
    good = saved(picture("P"), "GIF")
    at = good.index(b",\0\0\0\0")
    frame = good[at:-1]
    yield "gif of 3,000 frames", good[:-1] + frame * 3000 + b";"
    yield "gif, 100,000 comments", good[:at] + b"!\xfe\1a\0" * 100_000 + good[at:]
    for side in (7990, 65_535):
        size = struct.pack("<HH", side, side)
        for disposal in (0, 2, 3):
            control = b"!\xf9\4" + bytes((disposal << 2, 0, 0, 0, 0))
            wide = good[:6] + size + good[10:at] + control
            yield f"gif, screen of {side}, disposal {disposal}", wide + good[at:]
            large = frame[:5] + size + frame[9:]
            yield f"gif, all of {side}, disposal {disposal}", wide + large + b";"


def _webps() -> Iterator[tuple[str, bytes]]:
    frame = saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    animation = riff_chunk(b"ANIM", bytes(6))
    one = riff_chunk(b"ANMF", bytes(12) + b"\x64\0\0\0" + frame)
    for side in (7990, 8100, 16_384):
        yield f"webp, canvas of {side}", riff(vp8x(side, side, flags=2), animation, one)
    yield "webp of 5,000 frames", riff(vp8x(8, 8, flags=2), animation, one * 5000)
    wide = struct.pack("<I", 16_382 | 16_382 << 14)
    yield "webp, lossless of 16,383", riff(
        riff_chunk(b"VP8L", b"\x2f" + wide + b"\x10" * 40)
    )
    still = saved(picture(), "WEBP")[12:]
    yield "webp, 100,000 chunks", riff(
        vp8x(48, 48), still, riff_chunk(b"junk", b"") * 100_000
    )
