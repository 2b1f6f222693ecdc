"""Small copies of pictures, as addresses that hold the picture itself.

Pillow opens them in this process: so only bytes that a sandboxed decoder has taken, known by their
digest, and within bounds.
"""

import base64
import hashlib
import io
import os
import struct
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from client.collection.reading import Reader
from client.collection.records import Row, apart
from client.errors import Unreadable

if TYPE_CHECKING:
    from PIL import Image

SIDE: Final = 160  # pixels, the longer one
QUALITY: Final = 75
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
MOST_PIXELS: Final = 24_000_000  # that are held at once
PATIENCE_S: Final = 30.0  # for all: a folder on a slow network keeps nobody waiting


def made(rows: Iterable[Row], most: int) -> dict[bytes, str]:
    """Thumbnails by the digests of their pictures; none of files that have gone or changed.

    Args:
        rows: files that are done, those that matter most first; equal ones are taken once.
        most: thumbnails.
    """
    wanted: dict[bytes, Row] = {}
    for row in rows:
        if len(wanted) == most:
            break
        if row.content is not None:
            wanted.setdefault(row.content.digest, row)
    found = {}
    until = time.monotonic() + PATIENCE_S
    with Reader() as reader:
        # As they were found: an archive is read forward.
        for digest, row in sorted(wanted.items(), key=lambda one: one[1].number):
            if time.monotonic() > until:
                break
            data = _unchanged(reader, row, digest)
            small = None if data is None else thumbnail(data)
            if small is not None:
                found[digest] = "data:image/jpeg;base64," + small
    return found


def _unchanged(reader: Reader, row: Row, digest: bytes) -> bytes | None:
    file, _ = apart(row.path)
    try:
        if Path(os.fsdecode(file)).stat().st_mtime_ns != row.mtime_ns:
            return None
        data = reader.read(row.path)
    except (OSError, Unreadable):
        return None
    return data if hashlib.sha256(data).digest() == digest else None


def thumbnail(data: bytes) -> str | None:
    """A JPEG in base64, at most SIDE pixels either way; None where it cannot be made."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # What a progressive JPEG holds while it is read does not shrink with its scale.
                if not image.info.get("progressive"):
                    image.draft("RGB", (2 * SIDE, 2 * SIDE))
                if image.width * image.height > MOST_PIXELS:
                    return None
                image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
                small = _opaque(_upright(image))
        small.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=QUALITY, optimize=True)
    except (
        OSError,
        ValueError,
        SyntaxError,
        MemoryError,
        Image.DecompressionBombError,
    ):
        return None
    return base64.b64encode(out.getvalue()).decode()


def _upright(image: "Image.Image") -> "Image.Image":
    """As EXIF says; where that is damaged, as it is, which is how it was classified."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return image


def _opaque(image: "Image.Image") -> "Image.Image":
    """In RGB; where it is transparent, white."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")
