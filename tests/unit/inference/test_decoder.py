"""The decoder process: in order, each image for itself, whatever its size."""

import os
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from inference import decoder_memory, images
from inference.decoder import Decoder
from tests.support.decoders import LARGEST, MOST, NOISE, RECIPE, codes, picture
from tests.support.pictures import encoded


async def test_good_and_bad_images_keep_their_order(decoder: Decoder) -> None:
    batch = [
        (picture(10), 0),
        (b"no image", 0),
        (picture(20), 4),
        (NOISE[: len(NOISE) // 2], 0),
        (picture(0, side=2001), 0),
        (picture(40), 0),
    ]
    results, pixels = await decoder.decode(batch)
    assert [result.code for result in results] == [
        *("", "not-an-image", "", "broken-image", "too-many-pixels", "")
    ]
    assert pixels.shape == (3, 8, 8, 3)
    assert [image.mean() for image in pixels] == [10, 20, 40]
    assert [result.thumbnail[:2] for result in results] == [
        *(b"", b"", b"\xff\xd8", b"", b"", b"")
    ]
    assert all(result.ms >= 0 for result in results)
    assert [(one.width, one.height) for one in results if not one.code] == [
        (16, 16)
    ] * 3
    assert decoder.deaths == 0


async def test_pixels_are_a_copy_that_the_next_batch_leaves_alone(
    decoder: Decoder,
) -> None:
    _, first = await decoder.decode([(picture(10), 0)])
    await decoder.decode([(picture(20), 0)])
    assert first.mean() == 10


async def test_a_batch_without_pictures_has_no_pixels(decoder: Decoder) -> None:
    results, pixels = await decoder.decode([])
    assert (results, pixels.shape) == ([], (0, 8, 8, 3))
    _, pixels = await decoder.decode([(b"no image", 0)])
    assert pixels.shape == (0, 8, 8, 3)


async def test_an_image_larger_than_a_sockets_buffer_passes(decoder: Decoder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500), np.uint8)
    image = encoded(Image.fromarray(noise), "PNG")
    assert len(image) > 2_000_000
    assert await codes(decoder, image, image, picture(1)) == ["", "", ""]


async def test_large_uploads_need_no_room_of_a_small_pictures(decoder: Decoder) -> None:
    """What is behind the end of a picture is no reason to refuse it, nor that it does not fit with others."""
    padding = bytes(100_000_000)
    batch = [picture(1) + padding, picture(2), picture(3) + padding, picture(4)]
    results, pixels = await decoder.decode([(image, 0) for image in batch])
    assert [result.code for result in results] == [""] * 4
    assert [image.mean() for image in pixels] == [1, 2, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a file on disk")
async def test_the_memory_of_large_uploads_is_given_back(decoder: Decoder) -> None:
    assert await codes(decoder, picture(1) + bytes(100_000_000)) == [""]
    assert os.fstat(decoder._file).st_blocks * 512 < 2 * decoder_memory.KEPT_BYTES


async def test_what_is_larger_than_allowed_is_told_so(decoder: Decoder) -> None:
    """The gateway refuses it before; one with other settings may not have."""
    padded = picture(1) + bytes(LARGEST + 2_000_000)
    assert await codes(decoder, picture(2), padded, picture(3)) == ["", "too-large", ""]


async def test_thumbnails_come_whole_and_leave_their_neighbours_alone(
    decoder: Decoder,
) -> None:
    """Also those that are larger than the picture's file."""
    grain = encoded(Image.effect_noise((400, 300), 90), "JPEG", quality=5)
    batch = [(grain, 320), (NOISE, 1), (grain, 0), (picture(7, 200), 200), (grain, 400)]
    results, _ = await decoder.decode(batch)
    expected = [images.decode(data, RECIPE, MOST, px).thumbnail for data, px in batch]
    assert len(expected[4]) > len(grain)
    assert [result.thumbnail for result in results] == expected


def canvas_bomb(side: int) -> bytes:
    """An animated WebP of a few bytes whose canvas is side × side pixels."""
    frame = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    size = struct.pack("<I", side - 1)[:3]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    body = (
        chunk(b"VP8X", b"\x02\0\0\0" + size + size)
        + chunk(b"ANIM", b"\0\0\0\0\0\0")
        + chunk(b"ANMF", b"\0" * 12 + b"\x64\0\0\0" + frame)
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


async def test_a_canvas_beyond_the_limit_is_refused_as_such(decoder: Decoder) -> None:
    """268 million pixels in 100 bytes; Pillow makes room for them on opening."""
    found = await codes(decoder, canvas_bomb(2001), canvas_bomb(16384), picture(1))
    assert found[0] == "too-many-pixels"
    assert found[1] in {"too-many-pixels", "undecodable"}
    assert found[2] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are Linux's")
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}], ids=["jpeg", "progressive"]
)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
async def test_the_largest_picture_allowed_fits(
    decoder: Decoder, mode: str, options: dict[str, bool]
) -> None:
    image = Image.new(mode, (2000, 2000))
    assert await codes(decoder, encoded(image, "JPEG", **options)) == [""]


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP"])
async def test_the_largest_picture_allowed_fits_in_every_format(
    decoder: Decoder, file_format: str
) -> None:
    image = Image.new("RGBA", (2000, 2000), (1, 2, 3, 128))
    results, _ = await decoder.decode([(encoded(image, file_format), 320)])
    assert results[0].code == ""
