"""Bytes to pixels: what is accepted, how it becomes RGB, how it is cropped and scaled. Pillow alone.

Pure functions; they run in the decoder process (`inference.decoder_process`), under its limits.
"""

import io
import math
import struct
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec
from PIL import (  # noqa: F401
    Image,
    ImagePalette,
    MpoImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from common import formats
from inference.models.preprocessing import Preprocessing

Code = Literal["not-an-image", "broken-image", "too-many-pixels", "undecodable"]
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
THUMBNAIL_QUALITY: Final = 82
FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# Colour modes that can be scaled as they are, so that the conversion is done on few pixels.
SCALABLE: Final = frozenset({"RGB", "RGBA", "L", "LA", "CMYK", "YCbCr"})
SIXTEEN_BIT: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
# EXIF tag 0x0112: how the picture is to be turned.
ORIENTATION: Final = 0x0112

# The EXIF orientations (CIPA DC-008, tag Orientation) undone; from the fifth on, sides change places.
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPOSED: Final = 5
# What Pillow's readers raise on files that are cut off or damaged.
BROKEN: Final = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error),
    AssertionError,  # such as for a palette that is missing
)
# Sizes are checked here, before anything is decoded; Pillow only warns up to twice its own limit.
Image.MAX_IMAGE_PIXELS = None


class Refused(Exception):
    """An image that is not decoded; `code` is that of a ``common.errors.RequestError``."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


class Picture(NamedTuple):
    """An image decoded.

    Attributes:
        pixels: uint8 [height, width, 3] of the network, 0 to 255, row-major.
        thumbnail: a JPEG, or nothing.
        width: of what the pixels were cut out of, upright; JPEGs may have been decoded smaller.
        height: likewise.
    """

    pixels: bytes
    thumbnail: bytes
    width: int
    height: int


def decode(
    data: bytes | memoryview,
    preprocessing: Preprocessing,
    max_pixels: int,
    thumbnail_px: int,
    opened: Callable[[int], None] = lambda pixels: None,
) -> Picture:
    """Decodes an image once, for the network and, if wanted, for a person.

    Args:
        data: the image file.
        preprocessing: what the network wants.
        max_pixels: images with more are refused unread.
        thumbnail_px: longest side of the thumbnail, 0 for none.
        opened: is told how many pixels it has, before room is made for them.

    Raises:
        Refused: it is no image, damaged, or beyond the limits.
    """

    def check(size: int) -> None:
        if size > max_pixels:
            raise Refused("too-many-pixels")
        opened(size)

    try:
        if canvas := _webp_pixels(data):
            check(canvas)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check(image.width * image.height)
            # JPEG can be decoded at a half, a quarter or an eighth, in a fraction of the time.
            smallest = max(
                preprocessing.height / preprocessing.crop,
                preprocessing.width / preprocessing.crop,
                thumbnail_px,
            )
            image.draft(None, (math.ceil(smallest), math.ceil(smallest)))
            image.load()
            orientation = _orientation(image)
            pixels = _prepared(image, _as_stored(preprocessing, orientation))
            thumbnail = (
                _thumbnail(image, thumbnail_px, orientation) if thumbnail_px else b""
            )
            turned = _turned(pixels, orientation).tobytes()
            sides = image.size if orientation < TRANSPOSED else image.size[::-1]
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused(
            "broken-image" if formats.taken(data) else "not-an-image"
        ) from None
    except MemoryError:
        raise Refused("undecodable") from None
    except BROKEN:
        raise Refused("broken-image") from None
    return Picture(turned, thumbnail, *sides)


def warm_up(preprocessing: Preprocessing) -> None:
    """Decodes one small image of each format.

    Pillow and its plugins import modules on first use; the decoder does it before it loses the right
    to open files. (A JPEG may turn out to be an MPO, and EXIF is read by the TIFF plugin: those two
    are imported above.)
    """
    for name in FORMATS:
        sample = io.BytesIO()
        Image.new("P", (16, 16)).convert("RGB" if name == "JPEG" else "P").save(
            sample, name
        )
        decode(sample.getvalue(), preprocessing, 16 * 16, thumbnail_px=8)


def _prepared(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    source = image if _scalable(image) else to_rgb(image)
    scaled = source.resize(
        (preprocessing.width, preprocessing.height),
        FILTERS[preprocessing.interpolation],
        box=preprocessing.box(image.height, image.width),
    )
    return to_rgb(scaled)


def _thumbnail(image: Image.Image, longest_px: int, orientation: int) -> bytes:
    source = image.copy() if _scalable(image) else to_rgb(image)
    source.thumbnail((longest_px, longest_px), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    # Without the picture's own comment, which Pillow would hand on, and refuse where it is too long.
    _turned(to_rgb(source), orientation).save(
        out, "JPEG", quality=THUMBNAIL_QUALITY, comment=b""
    )
    return out.getvalue()


def _scalable(image: Image.Image) -> bool:
    """A colour that stands for transparency would not survive scaling."""
    return image.mode in SCALABLE and "transparency" not in image.info


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB from whatever it is: 16 bits scaled to 8, alpha and palettes laid over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in SIXTEEN_BIT:
        scale = 1.0 if image.mode == "F" else 1 / 256
        return (
            image.convert("I")
            .convert("F")
            .point(lambda v: v * scale)
            .convert("L")
            .convert("RGB")
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; damaged EXIF counts as upright, the picture being whole."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _as_stored(preprocessing: Preprocessing, orientation: int) -> Preprocessing:
    """What to prepare from a picture that lies on its side, so that it fits once it is turned."""
    if orientation < TRANSPOSED or preprocessing.height == preprocessing.width:
        return preprocessing
    height, width = preprocessing.width, preprocessing.height
    return msgspec.structs.replace(preprocessing, height=height, width=width)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """Turns a prepared picture upright: after scaling that costs nothing, the crop being centred."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _webp_pixels(data: bytes | memoryview) -> int:
    """The pixels of a WebP's canvas, for which Pillow makes room on opening it; 0 for other files.

    Where the sizes stand: RFC 9649, sections 2.7 (VP8X) and 3.4 (VP8L), RFC 6386, section 9.1 (VP8).
    """
    if data[8:12] != b"WEBP" or len(data) < 30:
        return 0
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    else:
        width = int.from_bytes(data[26:28], "little") & 0x3FFF
        height = int.from_bytes(data[28:30], "little") & 0x3FFF
    return width * height
