"""What picture files are made of: JPEG segments, PNG chunks, GIF blocks, RIFF chunks."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageDraw

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(mode: str = "RGB", side: int = 48) -> Image.Image:
    """A drawing with edges, slopes and colours, the same every time."""
    image = Image.linear_gradient("L").resize((side, side))
    image = Image.merge(
        "RGB", (image, image.transpose(Image.Transpose.ROTATE_90), image)
    )
    draw = ImageDraw.Draw(image)
    draw.ellipse((4, 8, side - 9, side - 4), fill=(200, 30, 60), outline=(0, 0, 0))
    draw.line((0, 0, side, side), fill=(250, 240, 10), width=3)
    return image.convert(mode)


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    """An image as a file."""
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment with a true length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def after_soi(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with further segments right after its first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment, up to each scan's data, and of markers within that."""
    at = 2
    while at + 4 <= len(jpeg):
        if jpeg[at] != 0xFF or jpeg[at + 1] in {0x00, 0xFF}:
            at += 1
            continue
        marker = jpeg[at + 1]
        yield marker, at
        if 0xD0 <= marker <= 0xD9:  # restarts and the end have no length
            at += 2
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")


def chunk(kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """A PNG chunk; its checksum is true unless another is given."""
    check = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and length in all of each chunk of a PNG."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(png):
        length = 12 + int.from_bytes(png[at : at + 4], "big")
        yield png[at + 4 : at + 8], at, length
        at += length


def header(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    compression: int = 0,
    filtering: int = 0,
    interlace: int = 0,
) -> bytes:
    """A PNG's IHDR chunk."""
    return chunk(
        b"IHDR",
        struct.pack(
            ">IIBBBBB", width, height, depth, colour, compression, filtering, interlace
        ),
    )


def png(*inside: bytes) -> bytes:
    """A PNG of these chunks and an end."""
    return PNG_SIGNATURE + b"".join(inside) + chunk(b"IEND", b"")


def riff(*inside: bytes, size: int | None = None) -> bytes:
    """A WebP of these chunks; its length is true unless another is given."""
    body = b"WEBP" + b"".join(inside)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def riff_chunk(kind: bytes, body: bytes, *, size: int | None = None) -> bytes:
    """A chunk of a WebP."""
    length = struct.pack("<I", len(body) if size is None else size)
    return kind + length + body + b"\0" * (len(body) % 2)


def vp8x(width: int, height: int, flags: int = 0) -> bytes:
    """A WebP's extended header, with the canvas' size."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)


def riff_chunks(webp: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and place of each chunk of a WebP."""
    at = 12
    while at + 8 <= len(webp):
        yield webp[at : at + 4], at
        length = int.from_bytes(webp[at + 4 : at + 8], "little")
        at += 8 + length + length % 2


def gif_blocks(gif: bytes) -> Iterator[int]:
    """The place of each block of a GIF, and of each sub-block within."""
    at = 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 0x80 else 0)
    while at < len(gif) and gif[at] != 0x3B:
        yield at
        if gif[at] == 0x21:
            at += 2
        else:
            packed = gif[at + 9]
            at += 11 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
        while gif[at]:
            yield at
            at += 1 + gif[at]
        at += 1
