"""Files as a person would have them: small photographs, each with bytes of its own, and odd ones."""

import base64
import functools
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import FilePayload

from tests.support.pictures import distinct, encoded, huge_png, photograph

NAMES = (
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "astronaut.png",
    "camera.png",
    "coins.png",
    "horse.png",
    "hubble_deep_field.jpg",
)
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n"


def file(name: str, kind: str, data: bytes) -> FilePayload:
    """A file for Playwright."""
    return {"name": name, "mimeType": kind, "buffer": data}


@functools.cache
def _small(name: str, side: int) -> bytes:
    with Image.open(io.BytesIO(photograph(name))) as image:
        image.thumbnail((side, side))
        return encoded(image.convert("RGB"), "JPEG", quality=85)


def photo(name: str, called: str = "", side: int = 480) -> FilePayload:
    """A photograph as a JPEG that nobody has sent before."""
    title = called or Path(name).with_suffix(".jpg").name
    return file(title, "image/jpeg", distinct(_small(name, side)))


def photos(count: int, side: int = 480) -> list[FilePayload]:
    """As many, named by their number: 000-coffee.jpg, 001-chelsea.jpg, ..."""
    chosen = [NAMES[number % len(NAMES)] for number in range(count)]
    return [
        photo(name, f"{number:03}-{Path(name).stem}.jpg", side)
        for number, name in enumerate(chosen)
    ]


def broken(name: str = "broken.jpg") -> FilePayload:
    """A JPEG that is cut off in the middle."""
    whole = photo("chelsea.png")["buffer"]
    return file(name, "image/jpeg", whole[: len(whole) // 2])


def huge(name: str = "huge.png") -> FilePayload:
    """A valid PNG of 81 megapixels, in a few kilobytes."""
    return file(name, "image/png", huge_png(9000))


def saved(folder: Path, files: list[FilePayload]) -> Path:
    """The same files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in files:
        (folder / one["name"]).write_bytes(one["buffer"])
    return folder


def png(name: str) -> str:
    """A photograph as a PNG, in base64."""
    with Image.open(io.BytesIO(_small(name, 480))) as image:
        return base64.b64encode(encoded(image, "PNG")).decode()
