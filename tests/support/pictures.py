"""Photographs from scikit-image's wheel, and broken or odd pictures made from nothing."""

import io
import itertools
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

_counter = itertools.count(1)


def photograph(name: str) -> bytes:
    """A file of ``skimage/data``, found without importing it."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "data" / name).read_bytes()


def distinct(picture: bytes) -> bytes:
    """The same PNG or JPEG with other bytes: a comment that nobody has used before."""
    comment = f"distinct {next(_counter)}".encode()
    if picture.startswith(b"\xff\xd8"):
        return (
            picture[:2]
            + b"\xff\xfe"
            + struct.pack(">H", len(comment) + 2)
            + comment
            + picture[2:]
        )
    chunk = b"tEXt" + b"Comment\0" + comment
    size, crc = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
    return picture[:33] + size + chunk + crc + picture[33:]


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def huge_png(side: int) -> bytes:
    """A valid PNG of side × side pixels in a few kilobytes, never held in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )
