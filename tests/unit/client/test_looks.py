import io
import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from client.collection.looks import DISTANCE, near, number
from common import phash
from inference.images import decode
from inference.models.preprocessing import Preprocessing
from tests.support.pictures import encoded, photograph

NAMES = (
    "coffee.png",
    "chelsea.png",
    "astronaut.png",
    "rocket.jpg",
    "motorcycle_left.png",
)


PIXELS = Preprocessing(height=224, width=224, crop=0.875)


def looks(picture: bytes) -> int | None:
    """As a worker sees it."""
    seen = decode(picture, PIXELS, 10_000_000, 0).pixels
    pixels = np.frombuffer(seen, np.uint8).reshape(224, 224, 3)
    return number(phash.of_pixels(pixels))


def apart(one: int | None, other: int | None) -> int:
    assert one is not None
    assert other is not None
    return ((one ^ other) & (2**64 - 1)).bit_count()


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_copy_in_another_format_looks_alike(name: str) -> None:
    picture = photograph(name)
    with Image.open(io.BytesIO(picture)) as image:
        half = (image.width // 2, image.height // 2)
        small = image.convert("RGB").resize(half)
    for copy in (encoded(small, "JPEG", quality=70), encoded(small, "WEBP")):
        assert apart(looks(picture), looks(copy)) <= DISTANCE


def test_other_pictures_do_not() -> None:
    hashes = [looks(photograph(name)) for name in NAMES]
    for one, other in itertools.combinations(hashes, 2):
        assert apart(one, other) > 2 * DISTANCE


def test_what_a_network_sees_in_little_has_no_looks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 224, 3), np.uint8)
    assert phash.of_pixels(pixels) == b""
    assert number(b"") is None


def test_a_turned_photograph_is_compared_upright() -> None:
    with Image.open(io.BytesIO(photograph("chelsea.png"))) as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned clockwise
        turned = encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert apart(looks(turned), looks(photograph("chelsea.png"))) <= DISTANCE


def test_what_has_no_features_has_no_looks() -> None:
    assert looks(encoded(Image.new("RGB", (99, 99), "red"), "PNG")) is None


@pytest.mark.parametrize("shape", [(32, 32), (33, 95), (240, 224), (600, 600)])
def test_a_hash_is_of_means(shape: tuple[int, int]) -> None:
    """In cells as large as fit, of the middle."""
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    high, wide = (side // phash.SIDE for side in shape)
    top, left = ((side - side // phash.SIDE * phash.SIDE) // 2 for side in shape)
    middle = pixels[top : top + high * phash.SIDE, left : left + wide * phash.SIDE]
    cells = middle.reshape(phash.SIDE, high, phash.SIDE, wide, 3).mean((1, 3, 4))
    of_cells = phash.of_grey(cells.astype(np.float32))
    assert phash.of_pixels(pixels) == of_cells


HASHES = st.integers(-(2**63), 2**63 - 1)


@given(
    st.lists(st.tuples(HASHES, st.sets(st.integers(0, 63), max_size=6)), max_size=40)
)
def test_exactly_the_near_ones_are_found(given: list[tuple[int, set[int]]]) -> None:
    hashes = []
    for base, flips in given:
        other = base & (2**64 - 1)
        for bit in flips:
            other ^= 1 << bit
        hashes += [base, other - 2**64 if other >> 63 else other]
    numbered = list(enumerate(hashes))
    expected = []
    for later, value in numbered:
        for earlier in range(later):
            if apart(value, hashes[earlier]) <= DISTANCE:
                expected.append((earlier, later, apart(value, hashes[earlier])))
                break
    assert list(near(numbered)) == expected


def test_a_hundred_thousand_are_compared() -> None:
    source = random.Random(1)
    hashes = [(n, source.getrandbits(64) - 2**63) for n in range(100_000)]
    hashes[70_000] = (70_000, hashes[5][1] ^ 0b1011)
    assert (5, 70_000, 3) in list(near(hashes))
