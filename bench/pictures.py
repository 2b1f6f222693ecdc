"""Pictures to measure with, and how to make one new to every cache without changing a pixel."""

import functools
import importlib.util
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

JPEG_START: Final = b"\xff\xd8"  # SOI
PNG_START: Final = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_END: Final = 33  # the signature, and IHDR with its length, name and checksum
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
# The photographs in scikit-image's wheel that show something.
PHOTOGRAPHS: Final = (
    *("astronaut.png", "camera.png", "chelsea.png", "coffee.png"),
    *("ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg"),
)
# Samples have the size and weight of the usual photograph of ImageNet.
SAMPLE_PX: Final = (469, 404)
SAMPLE_QUALITY: Final = 92


@dataclass(frozen=True)
class Picture:
    """An image file and its name."""

    name: str
    data: bytes

    @property
    def media_type(self) -> str:
        return "image/jpeg" if self.data.startswith(JPEG_START) else "image/png"


def numbered(data: bytes, number: int) -> bytes:
    """The same picture with a number in its metadata: other bytes and another digest.

    Args:
        data: a JPEG or PNG file.
        number: 0 to 2**64 - 1; files of one picture all have one length.

    Returns:
        The file with a comment: a COM segment for JPEG, a tEXt chunk for PNG.

    Raises:
        ValueError: it is neither.
    """
    text = b"%016x" % number
    if data.startswith(JPEG_START):
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        return JPEG_START + comment + data[len(JPEG_START) :]
    if data.startswith(PNG_START):
        body = b"tEXtComment\0" + text
        length, checksum = len(text) + 8, zlib.crc32(body)
        comment = length.to_bytes(4, "big") + body + checksum.to_bytes(4, "big")
        return data[:PNG_HEADER_END] + comment + data[PNG_HEADER_END:]
    raise ValueError("only JPEG and PNG can be numbered")


def load(folder: Path | None) -> list[Picture]:
    """The pictures of a folder in order of their names; without one, `samples`.

    Raises:
        ValueError: there are none.
    """
    if folder is None:
        return list(samples())
    found = [
        Picture(path.name, path.read_bytes())
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise ValueError(f"{folder} holds no JPEG and no PNG")
    return found


def photographs() -> list[Picture]:
    """The files as scikit-image's wheel carries them; importing it would take a second."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("scikit-image is not installed: make setup-dev")
    folder = Path(spec.origin).parent / "data"
    return [Picture(name, (folder / name).read_bytes()) for name in PHOTOGRAPHS]


@functools.cache
def samples() -> tuple[Picture, ...]:
    """Five different cut-outs of each photograph, as JPEGs of SAMPLE_PX: 30 to 140 KB each."""
    from PIL import Image

    made = []
    for photograph in photographs():
        with Image.open(io.BytesIO(photograph.data)) as image:
            whole = image.convert("RGB")
        width, height = (round(0.8 * side) for side in whole.size)
        right, low = whole.width - width, whole.height - height
        corners = ((0, 0), (right, 0), (0, low), (right, low), (right // 2, low // 2))
        for number, (x, y) in enumerate(corners):
            out = io.BytesIO()
            cut = whole.resize(SAMPLE_PX, box=(x, y, x + width, y + height))
            cut.save(out, "JPEG", quality=SAMPLE_QUALITY)
            made.append(Picture(f"{photograph.name}-{number}", out.getvalue()))
    return tuple(made)
