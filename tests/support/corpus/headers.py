"""Files whose headers say what cannot be: sizes, counts, offsets, checksums, tables."""

import struct
import zlib
from collections.abc import Iterator

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

SIDES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
ROWS = zlib.compress(b"\0" * 4096)


def files() -> Iterator[tuple[str, bytes]]:
    """All that lie about themselves."""
    yield from _pngs()
    yield from _png_chunks()
    yield from _jpegs()
    yield from _gifs()
    yield from _webps()


def _pngs() -> Iterator[tuple[str, bytes]]:
    data = chunk(b"IDAT", ROWS)
    for width in SIDES:
        for height in (0, 16, 0xFFFFFFFF):
            yield f"png of {width} x {height}", png(header(width, height), data)
    for name, value in (("compression", 7), ("filtering", 9), ("interlace", 2)):
        yield f"png with {name} {value}", png(header(16, 16, **{name: value}), data)
    for depth, colour in ((0, 2), (3, 0), (255, 255), (16, 3)):
        yield f"png of {depth} bits, type {colour}", png(
            header(16, 16, depth, colour), data
        )
    for crc in (0, 0xFFFFFFFF):
        false = chunk(b"IDAT", ROWS, crc=crc)
        yield f"png with checksum {crc}", png(header(16, 16), false)
    for length in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        for kind in (b"IDAT", b"tEXt", b"iCCP", b"IEND", b"\0\0\0\0"):
            yield (
                f"png, {kind!r} of {length} bytes",
                png(header(16, 16), struct.pack(">I", length) + kind + ROWS),
            )
    yield "png without data", png(header(16, 16))
    yield "png without header", png(data)
    yield "png with two headers", png(header(16, 16), header(9999, 9999), data)
    yield "png, empty header", png(chunk(b"IHDR", b""), data)
    yield "png, palette late", png(header(16, 16, 8, 3), data, chunk(b"PLTE", bytes(9)))
    yield "png without palette", png(header(16, 16, 8, 3), data)
    yield "png, palette of one byte", png(
        header(16, 16, 8, 3), chunk(b"PLTE", b"a"), data
    )
    yield "png, data no zlib", png(header(16, 16), chunk(b"IDAT", b"rubbish" * 50))
    yield "png, filter 9", png(
        header(16, 16), chunk(b"IDAT", zlib.compress(b"\t" * 784))
    )


def _png_chunks() -> Iterator[tuple[str, bytes]]:
    data = chunk(b"IDAT", ROWS)
    for body in (b"", b"name", b"name\0\0rubbish", b"n\0\7" + ROWS, b"\0" * 90):
        for kind in (
            b"iCCP",
            b"zTXt",
            b"iTXt",
            b"tEXt",
            b"eXIf",
            b"pHYs",
            b"gAMA",
            b"cHRM",
        ):
            yield (
                f"png, {kind.decode()} {body[:8]!r}",
                png(header(16, 16), chunk(kind, body), data),
            )
    for frames, number in ((0, 0), (0xFFFFFFFF, 0), (2, 0xFFFFFFFF)):
        control = struct.pack(">IIIIIHHBB", number, 16, 16, 0, 0, 1, 1, 0, 0)
        wild = struct.pack(">IIIIIHHBB", 1, 9999, 9999, 9999, 9999, 0, 0, 9, 9)
        yield (
            f"apng of {frames} frames, number {number}",
            png(
                header(16, 16),
                chunk(b"acTL", struct.pack(">II", frames, 0)),
                *(chunk(b"fcTL", control), data, chunk(b"fcTL", wild)),
                chunk(b"fdAT", b"\0\0\0\2" + ROWS),
            ),
        )


def _jpegs() -> Iterator[tuple[str, bytes]]:
    good = saved(picture(), "JPEG")
    frame = next(at for marker, at in parts.segments(good) if marker == 0xC0)
    for width in (0, 1, 0xFFFF):
        for height in (0, 1, 0xFFFF):
            size = struct.pack(">HH", height, width)
            yield f"jpeg of {width} x {height}", good[: frame + 5] + size + good[
                frame + 9 :
            ]
    for count in (0, 2, 5, 255):
        yield f"jpeg of {count} components", good[: frame + 9] + bytes((count,)) + good[
            frame + 10 :
        ]
    for sampling in (0x00, 0xFF, 0x14, 0x71):
        yield f"jpeg sampled {sampling:x}", good[: frame + 11] + bytes(
            (sampling,)
        ) + good[frame + 12 :]
    for marker in (
        0xC4,
        0xDB,
        0xDA,
        0xDD,
        0xE0,
        0xE1,
        0xE2,
        0xED,
        0xEE,
        0xCC,
        0xDE,
        0xDF,
    ):
        for body in (b"", b"\0", b"\xff" * 64, b"\0" * 64, bytes(range(256)) * 3):
            yield (
                f"jpeg, rubbish in {marker:x}, {len(body)} of {body[:1].hex()}",
                after_soi(good, segment(marker, body)),
            )
    for length in (0, 1, 0xFFFF):
        wrong = b"\xff\xe5" + struct.pack(">H", length)
        yield f"jpeg, a segment of {length} bytes", after_soi(good, wrong)
    yield "jpeg, only markers", b"\xff\xd8\xff" + b"\xff\xd0" * 5000
    yield "jpeg, only fill bytes", b"\xff\xd8" + b"\xff" * 100_000
    yield "jpeg, two frames", after_soi(good, good[frame : frame + 19])
    for number in (0, 1, 99):
        profile = b"ICC_PROFILE\0" + bytes((number, 200)) + b"rubbish" * 99
        yield f"jpeg, profile part {number} of 200", after_soi(
            good, segment(0xE2, profile)
        )
    for offset in (0, 4, 0xFFFFFFFF):
        yield f"mpo at {offset}", after_soi(good, segment(0xE2, _mpo(offset)))
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\xff\0" + b"\xff" * 40
    yield "jpeg, Photoshop rubbish", after_soi(good, segment(0xED, photoshop))


def _mpo(offset: int) -> bytes:
    """Multi-Picture Format's index (CIPA DC-007) of two pictures, with wild offsets."""
    entries = struct.pack("<IIIHH", 0x030000, 99, offset, 0, 0) * 2
    fields = (
        struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
        + struct.pack("<HHII", 0xB001, 4, 1, 2)
        + struct.pack("<HHII", 0xB002, 7, len(entries), 50)
    )
    return b"MPF\0II*\0\x08\0\0\0\3\0" + fields + struct.pack("<I", 0) + entries


def _gifs() -> Iterator[tuple[str, bytes]]:
    good = saved(picture("P"), "GIF")
    descriptor = good.index(b",\0\0\0\0")
    for side in (0, 1, 0xFFFF):
        size = struct.pack("<HH", side, side)
        yield f"gif, screen of {side}", good[:6] + size + good[10:]
        yield f"gif, frame of {side}", good[: descriptor + 5] + size + good[
            descriptor + 9 :
        ]
        yield f"gif, frame at {side}", good[: descriptor + 1] + size + good[
            descriptor + 5 :
        ]
    for bits in (0, 1, 12, 255):
        place = descriptor + 10 + (768 if good[descriptor + 9] & 0x80 else 0)
        yield f"gif, codes of {bits} bits", good[:place] + bytes((bits,)) + good[
            place + 1 :
        ]
    yield "gif without palette", good[:10] + bytes((good[10] & 0x7F,)) + good[
        11:13
    ] + good[781:]
    for label in (0xF9, 0xFE, 0xFF, 0x01, 0x00):
        for body in (b"\0", b"\xff" + b"\xff" * 255 + b"\0", b"\1\xff\0"):
            extension = b"!" + bytes((label,)) + body
            yield (
                f"gif, extension {label:x} of {len(body)}",
                good[:descriptor] + extension + good[descriptor:],
            )
    yield "gif, colour 255 of transparency", (
        good[:descriptor] + b"!\xf9\4\xff\0\0\xff\0" + good[descriptor:]
    )


def _webps() -> Iterator[tuple[str, bytes]]:
    still = saved(picture(), "WEBP")[12:]
    for size in (0, 4, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"webp of {size} bytes", riff(still, size=size)
    for kind in (
        b"VP8 ",
        b"VP8L",
        b"VP8X",
        b"ALPH",
        b"ANIM",
        b"ANMF",
        b"ICCP",
        b"XMP ",
    ):
        yield f"webp, {kind.decode()} empty", riff(riff_chunk(kind, b""), still)
        wrong = riff_chunk(kind, b"\xff" * 20, size=0xFFFFFFFF)
        yield f"webp, {kind.decode()} of 4 GB", riff(wrong, still)
        yield f"webp, {kind.decode()} rubbish", riff(riff_chunk(kind, b"\x2f" * 40))
    for flags in (0x02, 0x10, 0x20, 0x3E, 0xFF):
        yield f"webp with flags {flags:x}", riff(vp8x(48, 48, flags), still)
    yield "webp, canvas smaller than its picture", riff(vp8x(1, 1), still)
    yield "webp, no picture", riff(vp8x(48, 48))
