import io
import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from client.collection.looks import DISTANCE, looks, near, number
from common import phash
from tests.support.pictures import encoded, photograph

NAMES = (
    "coffee.png",
    "chelsea.png",
    "astronaut.png",
    "rocket.jpg",
    "motorcycle_left.png",
)


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


@pytest.mark.parametrize("name", NAMES)
def test_what_a_network_sees_looks_like_the_file(name: str) -> None:
    picture = photograph(name)
    with Image.open(io.BytesIO(picture)) as image:
        side = round(0.875 * min(image.size))
        left, upper = (image.width - side) / 2, (image.height - side) / 2
        box = (left, upper, left + side, upper + side)
        pixels = np.asarray(image.convert("RGB").resize((224, 224), box=box))
    assert apart(looks(picture), number(phash.of_pixels(pixels))) <= 8


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


def test_what_has_no_features_or_cannot_be_opened_has_no_looks() -> None:
    assert looks(encoded(Image.new("RGB", (99, 99), "red"), "PNG")) is None
    assert looks(b"no picture") is None
    assert looks(photograph("coffee.png")[:5000]) is None


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
