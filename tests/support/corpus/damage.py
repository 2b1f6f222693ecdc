"""Good files cut off at each of their parts, and with bits turned over at places drawn by lot."""

import random
from collections.abc import Iterator

from PIL import Image

from tests.support.corpus import parts
from tests.support.corpus.parts import picture, saved

FLIPPED_EACH = 10  # files of each kind


def good() -> dict[str, bytes]:
    """A file of each kind, all of which can be read."""
    frames = [picture().rotate(angle) for angle in (90, 180)]
    animation: dict[str, object] = {"save_all": True, "append_images": frames}
    pale = picture("RGBA")
    pale.putalpha(Image.linear_gradient("L").resize(pale.size))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    return {
        "jpeg": saved(picture(), "JPEG", exif=exif, comment=b"a comment"),
        "progressive": saved(picture(), "JPEG", progressive=True, quality=95),
        "restarts": saved(picture(), "JPEG", restart_marker_blocks=2),
        "grey-jpeg": saved(picture("L"), "JPEG"),
        "png-rgb": saved(picture(), "PNG"),
        "png-rgba": saved(pale, "PNG"),
        "png-grey": saved(picture("L"), "PNG"),
        "png-grey-alpha": saved(picture("LA"), "PNG"),
        "png-palette": saved(picture("P"), "PNG", transparency=3),
        "png-bits": saved(picture("1"), "PNG"),
        "png-16": saved(picture("L").convert("I;16"), "PNG"),
        "png-interlaced": interlaced(),
        "apng": saved(picture(), "PNG", **animation),
        "gif": saved(picture("P"), "GIF"),
        "gif-animated": saved(picture("P"), "GIF", duration=50, **animation),
        "webp": saved(picture(), "WEBP", exif=exif),
        "webp-lossless": saved(picture(), "WEBP", lossless=True),
        "webp-alpha": saved(pale, "WEBP"),
        "webp-animated": saved(picture(), "WEBP", **animation),
    }


def files(seed: int) -> Iterator[tuple[str, bytes]]:
    """What is left of good files."""
    drawn = random.Random(seed)
    for kind, data in good().items():
        for place in sorted(_cuts(kind, data)):
            yield f"{kind} cut at {place}", data[:place]
        for number in range(FLIPPED_EACH):
            flipped = bytearray(data)
            for _ in range(1 << number % 5):
                at = drawn.randrange(2, len(flipped) * 8)
                flipped[at // 8] ^= 1 << at % 8
            yield f"{kind} flipped {number}", bytes(flipped)
        yield f"{kind} reversed", data[:16] + data[:15:-1]
        yield f"{kind} zeroed behind its head", data[:64] + bytes(len(data) - 64)
        yield f"{kind} twice", data + data


def _cuts(kind: str, data: bytes) -> set[int]:
    """Where each part begins and, a few bytes on, is in its midst."""
    if data.startswith(b"\xff\xd8"):
        places = {at for _, at in parts.segments(data)}
    elif data.startswith(parts.PNG_SIGNATURE):
        places = {at for _, at, _ in parts.chunks(data)}
    elif data.startswith(b"GIF"):
        places = set(parts.gif_blocks(data))
    else:
        places = {at for _, at in parts.riff_chunks(data)}
    assert len(places) > 1 or kind.startswith("webp"), kind
    midst = {at + add for at in places for add in (1, 3, 9)}
    return {at for at in places | midst | {len(data) - 1} if 3 < at < len(data)}


def interlaced() -> bytes:
    """A PNG whose rows come in seven passes (RFC 2083, section 2.6), all of them white."""
    import zlib

    side, passes = 16, ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))
    rows = b"".join(
        (b"\0" + b"\xff" * (3 * (side // across))) * (side // down)
        for across, down in passes
    )
    return parts.png(
        parts.header(side, side, interlace=1), parts.chunk(b"IDAT", zlib.compress(rows))
    )
