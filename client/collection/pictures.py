"""Which files are pictures: by name where there are many, by their first bytes where one was named."""

from pathlib import PurePath
from typing import Final

TAKEN: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp"})
OTHER: Final = {
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".svg": "SVG",
    ".psd": "Photoshop",
    ".ico": "icon",
    ".jp2": "JPEG 2000",
    ".jxl": "JPEG XL",
    ".cr2": "raw",
    ".cr3": "raw",
    ".nef": "raw",
    ".arw": "raw",
    ".dng": "raw",
    ".orf": "raw",
    ".raf": "raw",
    ".rw2": "raw",
}


def by_name(name: str) -> bool:
    """Whether a file is called like a picture of a format that is taken."""
    return PurePath(name).suffix.lower() in TAKEN


def other_by_name(name: str) -> str:
    """Why a file that is called like a picture of another format is not taken; empty: it is not."""
    kind = OTHER.get(PurePath(name).suffix.lower())
    return f"A {kind} picture; save it as JPEG, PNG, GIF or WebP." if kind else ""
