"""Bytes to pixels: the right colours the right way up, and a refusal for everything else."""

import functools
import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.images import Refused, decode, warm_up
from inference.models.preprocessing import Preprocessing
from tests.support.pictures import encoded, huge_png, photograph

WHOLE = Preprocessing(height=16, width=16, crop=1.0)
MOST = 1_000_000  # pixels
RED, GREEN, BLUE, WHITE = (220, 40, 40), (40, 200, 60), (30, 60, 210), (255, 255, 255)
Pixels = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"

# What damaged files make Pillow say; the decoder process shows it to nobody.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def pixels(
    data: bytes, preprocessing: Preprocessing = WHOLE, most: int = MOST
) -> Pixels:
    """uint8 [height, width, 3]."""
    raw, thumbnail, *_ = decode(data, preprocessing, most, thumbnail_px=0)
    assert thumbnail == b""
    shape = (preprocessing.height, preprocessing.width, 3)
    return np.frombuffer(raw, np.uint8).reshape(shape)


def assert_colour(found: Pixels, colour: tuple[int, ...], within: float = 4) -> None:
    assert np.abs(found.reshape(-1, 3).mean(0) - colour).max() <= within


def plain(
    mode: str, colour: object = RED, size: tuple[int, int] = (40, 40)
) -> Image.Image:
    return Image.new("RGB", size, colour).convert(mode)  # type: ignore[arg-type]


GREY = (90, 90, 90)  # of RED, by ITU-R 601
HALF = (RED[0], RED[1], RED[2], 128)
OVER_WHITE = tuple((c + 255) / 2 for c in RED)


def sixteen_bit() -> Image.Image:
    return Image.fromarray(np.full((40, 40), 90 * 257, np.uint16))


def with_palette(alpha: bool) -> Image.Image:
    image = plain("P")
    if alpha:
        image.info["transparency"] = bytes([128] * 256)
    return image


def of_one_index() -> Image.Image:
    image = Image.new("P", (40, 40), 0)
    image.putpalette(RED)
    return image


def frames() -> dict[str, object]:
    """The rest of an animation whose first frame is red."""
    return {
        "save_all": True,
        "append_images": [plain("RGB", BLUE), plain("RGB", GREEN)],
    }


def transparent_by_colour(colour: tuple[int, int, int]) -> bytes:
    """A PNG in RGB in which one colour, its only one, counts as transparent."""
    return encoded(plain("RGB", colour), "PNG", transparency=colour)


PICTURES = {
    "jpeg rgb": (encoded(plain("RGB"), "JPEG"), RED),
    "jpeg progressive": (encoded(plain("RGB"), "JPEG", progressive=True), RED),
    "jpeg grey": (encoded(plain("L"), "JPEG"), GREY),
    "jpeg cmyk": (encoded(plain("CMYK"), "JPEG"), RED),
    "jpeg ycbcr": (encoded(plain("YCbCr"), "JPEG"), RED),
    "jpeg of several": (encoded(plain("RGB"), "MPO", **frames()), RED),
    "png bits": (encoded(Image.new("1", (40, 40), 1), "PNG"), WHITE),
    "png grey": (encoded(plain("L"), "PNG"), GREY),
    "png grey and alpha": (encoded(Image.new("LA", (40, 40), (90, 128)), "PNG"), (172.5,) * 3),
    "png palette": (encoded(with_palette(alpha=False), "PNG"), RED),
    "png palette and alpha": (
        encoded(with_palette(alpha=True), "PNG", transparency=bytes([128] * 256)),
        OVER_WHITE,
    ),
    "png rgb": (encoded(plain("RGB"), "PNG"), RED),
    "png rgb with a transparent colour": (transparent_by_colour(RED), WHITE),
    "png rgba": (encoded(Image.new("RGBA", (40, 40), HALF), "PNG"), OVER_WHITE),
    "png nothing to see": (encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"), WHITE),
    "png 16 bits": (encoded(sixteen_bit(), "PNG"), GREY),
    "png animated": (encoded(plain("RGB"), "PNG", **frames()), RED),
    "gif": (encoded(plain("P"), "GIF"), RED),
    "gif animated": (encoded(plain("RGB"), "GIF", **frames()), RED),
    "gif transparent": (encoded(of_one_index(), "GIF", transparency=0), WHITE),
    "webp": (encoded(plain("RGB"), "WEBP"), RED),
    "webp rgba": (encoded(Image.new("RGBA", (40, 40), HALF), "WEBP", lossless=True), OVER_WHITE),
    "webp animated": (encoded(plain("RGB"), "WEBP", **frames()), RED),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_has_its_colours(name: str) -> None:
    """Transparency is laid over white; of an animation, the first frame counts."""
    data, colour = PICTURES[name]
    assert_colour(pixels(data), colour)


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_has_a_thumbnail(name: str) -> None:
    data, colour = PICTURES[name]
    thumbnail = decode(data, WHOLE, MOST, 20).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (20, 20))
        assert_colour(np.asarray(image), colour)


def test_the_brightest_of_16_bits_is_white() -> None:
    white = Image.fromarray(np.full((40, 40), 65535, np.uint16))
    assert_colour(pixels(encoded(white, "PNG")), WHITE, within=0)


TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners(width: int = 80, height: int = 80) -> Image.Image:
    """A picture whose quarters are red, green, blue and white."""
    image = Image.new("RGB", (width, height), WHITE)
    w, h = width // 2, height // 2
    for colour, place in ((RED, (0, 0)), (GREEN, (w, 0)), (BLUE, (0, h))):
        image.paste(colour, (*place, place[0] + w, place[1] + h))
    return image


def lying(orientation: int, upright: Image.Image) -> bytes:
    """A JPEG of a picture as a camera held otherwise stores it."""
    turn = TURNED[orientation]
    image = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("height", [16, 32])
def test_a_picture_is_turned_upright(orientation: int, height: int) -> None:
    """Also where the network's input is no square."""
    preprocessing = Preprocessing(height=height, width=16, crop=1.0)
    found = pixels(lying(orientation, corners(80, 80 * height // 16)), preprocessing)
    quarter = (slice(1, height // 2 - 1), slice(1, 7))
    for rows, columns, colour in ((1, 1, RED), (1, -1, GREEN), (-1, 1, BLUE)):
        assert_colour(found[::rows, ::columns][quarter], colour, within=15)


@pytest.mark.parametrize("orientation", TURNED)
def test_the_size_is_that_of_the_upright_picture(orientation: int) -> None:
    found = decode(lying(orientation, corners(80, 40)), WHOLE, MOST, 0)
    assert found.width == 2 * found.height


@pytest.mark.parametrize("orientation", TURNED)
def test_a_thumbnail_is_upright_and_keeps_its_shape(orientation: int) -> None:
    data = lying(orientation, corners(80, 40))
    thumbnail = decode(data, WHOLE, MOST, 20).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert image.size == (20, 10)
        assert not image.getexif()
        assert_colour(np.asarray(image)[1:4, 1:8], RED, within=25)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0" + b"\xff" * 40,
        b"Exif\0\0II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, 3, 1) + b"\x63\0\0\0",
        # Orientation 6, and a tag whose value cannot be written again.
        b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
        + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
        + struct.pack("<HHI4s", 0x0100, 2, 4, b"abc\0") + b"\0\0\0\0",
    ],
    ids=["rubbish", "orientation 99", "a width of letters"],
)  # fmt: skip
def test_a_whole_picture_with_damaged_exif_is_decoded(exif: bytes) -> None:
    assert_colour(pixels(encoded(plain("RGB"), "JPEG", exif=exif)), RED)


@functools.cache
def samples() -> tuple[bytes, ...]:
    """A small file of each format, with what a damaged file is damaged in."""
    noise = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    )
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    return (
        encoded(noise, "JPEG", exif=exif),
        encoded(noise, "JPEG", progressive=True),
        encoded(noise, "PNG", exif=exif),
        encoded(noise.convert("P"), "PNG", transparency=3),
        encoded(noise, "GIF"),
        encoded(noise, "WEBP", exif=exif),
        encoded(noise.convert("RGBA"), "WEBP", lossless=True),
    )


def outcome(data: bytes) -> str:
    """Empty for a picture that was decoded, else the code of the refusal."""
    try:
        decode(data, WHOLE, MOST, thumbnail_px=8)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("sample", range(7))
def test_what_is_cut_off_is_damaged(sample: int) -> None:
    """Wherever that is: its first bytes say that it was a picture."""
    data = samples()[sample]
    assert outcome(data) == ""
    cuts = range(16, len(data) * 19 // 20, 5)
    assert {cut: outcome(data[:cut]) for cut in cuts} == dict.fromkeys(
        cuts, "broken-image"
    )


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_is_refused_or_overlooked_never_a_crash(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(samples())))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(len(damaged) // 2, len(damaged)))
    assert outcome(bytes(damaged[:cut])) in {
        *("", "broken-image", "not-an-image", "too-many-pixels", "undecodable")
    }


@given(st.binary() | st.sampled_from([b"hello", b"\xff\xd8\xff", b"GIF89a", b"RIFF"]))
def test_what_is_no_image_is_told_so(data: bytes) -> None:
    assert outcome(data) in {"not-an-image", "broken-image"}


def test_text_is_no_image() -> None:
    assert outcome(b"a,b,c\n1,2,3\n") == "not-an-image"


@pytest.mark.parametrize("file_format", ["BMP", "TIFF", "ICO", "PPM"])
def test_no_other_format_is_opened(file_format: str) -> None:
    assert outcome(encoded(plain("RGB"), file_format)) == "not-an-image"


def test_too_many_pixels_are_refused_unread() -> None:
    """400 million, which would take seconds to decode."""
    data = huge_png(20_000)
    started = time.perf_counter()
    with pytest.raises(Refused, match="too-many-pixels"):
        pixels(data, most=64_000_000)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(("most", "code"), [(1600, ""), (1599, "too-many-pixels")])
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        *(("JPEG", {}), ("PNG", {}), ("GIF", {}), ("WEBP", {})),
        *(("WEBP", {"lossless": True}), ("WEBP", frames())),
    ],
    ids=["jpeg", "png", "gif", "webp", "webp lossless", "webp animated"],
)
def test_the_limit_is_exact(
    file_format: str, options: dict[str, object], most: int, code: str
) -> None:
    data = encoded(plain("RGB"), file_format, **options)
    if code:
        with pytest.raises(Refused, match=code):
            pixels(data, most=most)
    else:
        assert_colour(pixels(data, most=most), RED)


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    """A PNG's comment of 100 MB in 100 KB."""
    picture = encoded(plain("RGB"), "PNG")
    chunk = b"zTXtComment\0\0" + zlib.compress(bytes(100_000_000), 9)
    size, crc = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
    assert outcome(picture[:33] + size + chunk + crc + picture[33:]) == "broken-image"


@pytest.mark.parametrize(("size", "longest"), [((300, 100), 30), ((20, 10), 320)])
def test_a_thumbnail_is_at_most_as_large_as_wanted(
    size: tuple[int, int], longest: int
) -> None:
    """A small picture is not enlarged."""
    data = encoded(plain("RGB", size=size), "PNG")
    thumbnail = decode(data, WHOLE, MOST, longest).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert max(image.size) == min(longest, max(size))
        assert image.width / image.height == size[0] / size[1]


def test_a_large_jpeg_decoded_at_a_smaller_scale_looks_the_same() -> None:
    """As close to the whole one scaled down as rounding allows."""
    with Image.open(io.BytesIO(photograph("coffee.png"))) as image:
        large = image.convert("RGB").resize((2400, 1600), Image.Resampling.LANCZOS)
    lite0 = Preprocessing(height=224, width=224, crop=224 / 256)
    small = pixels(encoded(large, "JPEG", quality=92), lite0, most=10_000_000)
    whole = pixels(encoded(large, "PNG", compress_level=1), lite0, most=10_000_000)
    assert np.abs(small.astype(int) - whole.astype(int)).mean() < 3


def test_only_the_centred_box_is_looked_at() -> None:
    image = Image.new("RGB", (100, 60), BLUE)
    image.paste(RED, (35, 15, 65, 45))
    half = Preprocessing(height=16, width=16, crop=0.5)
    assert_colour(pixels(encoded(image, "PNG"), half), RED, within=6)


def test_a_line_of_one_pixel_is_a_picture() -> None:
    for size in ((1, 1), (1, 500), (500, 1)):
        assert_colour(pixels(encoded(plain("RGB", size=size), "PNG")), RED)


def test_a_warm_up_needs_nothing() -> None:
    warm_up(WHOLE)


@pytest.mark.parametrize("length", [5, 70_000], ids=["short", "too long for a JPEG"])
def test_a_comment_stays_out_of_the_thumbnail(length: int) -> None:
    """It is not for whoever sees the page, and no reason to refuse the picture."""
    data = encoded(plain("RGB"), "GIF", comment=b"c" * length)
    with Image.open(io.BytesIO(data)) as image:
        assert len(image.info["comment"]) == length
    thumbnail = decode(data, WHOLE, MOST, 20).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert "comment" not in image.info
