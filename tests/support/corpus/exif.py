"""EXIF (a TIFF within a picture) that loops, lies about its counts, or turns in no known way."""

import struct
import zlib
from collections.abc import Iterator

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

ROWS = zlib.compress(b"\0" * 4096)


def files() -> Iterator[tuple[str, bytes]]:
    """Each in a JPEG, a PNG and a WebP."""
    good = saved(picture(), "JPEG")
    for name, tiff in _directories():
        yield f"jpeg, EXIF {name}", after_soi(good, segment(0xE1, b"Exif\0\0" + tiff))
        with_chunk = png(header(16, 16), chunk(b"eXIf", tiff), chunk(b"IDAT", ROWS))
        yield f"png, EXIF {name}", with_chunk
        image = riff_chunk(b"VP8 ", saved(picture(), "WEBP")[20:])
        yield (
            f"webp, EXIF {name}",
            riff(vp8x(48, 48, flags=8), image, riff_chunk(b"EXIF", tiff)),
        )


def _directories() -> Iterator[tuple[str, bytes]]:
    def tiff(
        *fields: tuple[int, int, int, int], next_at: int = 0, first: int = 8
    ) -> bytes:
        packed = b"".join(struct.pack("<HHII", *field) for field in fields)
        count = struct.pack("<H", len(fields))
        return (
            b"II*\0"
            + struct.pack("<I", first)
            + count
            + packed
            + struct.pack("<I", next_at)
        )

    for value in (0, 3, 6, 9, 65535):
        yield f"orientation {value}", tiff((0x0112, 3, 1, value))
    for kind in (0, 2, 5, 7, 12, 99):
        yield f"orientation of type {kind}", tiff((0x0112, kind, 1, 6))
    for count in (0, 2, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"orientation {count} times", tiff((0x0112, 3, count, 8))
    yield "next is itself", tiff((0x0112, 3, 1, 6), next_at=8)
    yield "pointer to itself", tiff(
        (0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0x0112, 3, 1, 6)
    )
    yield "starts beyond its end", tiff(first=0xFFFFFFF0)
    yield "starts at itself", tiff(first=0)
    yield "65,535 fields", b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0" * 30
    yield "is empty", b""
    yield "big TIFF", b"II+\0\x08\0\0\0" + b"\xff" * 40
    yield "no order", b"XX*\0\x08\0\0\0"
