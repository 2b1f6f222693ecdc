"""Preprocessing: a box in whole pixels, and a struct that refuses nonsense."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.models.preprocessing import Preprocessing

sides = st.integers(1, 20_000)


def test_the_box_is_the_centred_square_rounded_down() -> None:
    """486 * 224 / 256 is 425.25; the odd pixel goes to the right and below."""
    lite0 = Preprocessing(height=224, width=224, crop=224 / 256)
    assert lite0.box(height=486, width=729) == (152, 30, 577, 455)


@pytest.mark.parametrize("size", [224, 240, 260])
def test_a_product_that_is_whole_is_not_rounded_down(size: int) -> None:
    """240 / 272 * 272 may come out a hair below 240."""
    preprocessing = Preprocessing(height=size, width=size, crop=size / (size + 32))
    assert preprocessing.box(size + 32, size + 32) == (16, 16, size + 16, size + 16)


def test_a_wide_input_takes_a_wide_box() -> None:
    """Nothing is squeezed: the box has the shape of the input."""
    wide = Preprocessing(height=100, width=200, crop=1.0)
    assert wide.box(height=300, width=400) == (0, 50, 400, 250)


@given(sides, sides, st.floats(0.01, 1.0))
def test_the_box_is_always_inside_and_never_empty(
    height: int, width: int, crop: float
) -> None:
    """Also for a line of one pixel's height."""
    preprocessing = Preprocessing(height=224, width=160, crop=crop)
    left, upper, right, lower = preprocessing.box(height, width)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"height": 0, "width": 224}',
        b'{"height": 224}',
        b'{"height": 224, "width": 100000}',
        b'{"height": 224, "width": 224, "crop": 0}',
        b'{"height": 224, "width": 224, "crop": 1.1}',
        b'{"height": 224, "width": 224, "interpolation": "nearest"}',
        b'{"height": 224, "width": 224, "heigth": 224}',
    ],
)
def test_nonsense_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=Preprocessing)


def test_it_crosses_to_the_decoder_unchanged() -> None:
    """It travels as JSON; fractions keep every digit."""
    sent = Preprocessing(height=240, width=240, crop=240 / 272)
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Preprocessing) == sent


def test_importing_it_brings_no_numpy() -> None:
    """The decoder lives under a limit on its address space."""
    code = (
        "import sys, inference.models.preprocessing;"
        "print({'numpy', 'keras', 'tensorflow'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@given(sides, sides, st.floats(0.01, 1.0))
def test_what_is_kept_is_the_box_in_fractions(
    height: int, width: int, crop: float
) -> None:
    preprocessing = Preprocessing(height=224, width=160, crop=crop)
    left, upper, right, lower = preprocessing.box(height, width)
    x, y, across, down = preprocessing.kept(height, width)
    scaled = (x * width, y * height, (x + across) * width, (y + down) * height)
    assert scaled == pytest.approx((left, upper, right, lower), abs=1e-6)
    assert all(0 <= side <= 1 for side in (x, y, across, down))


def test_what_is_kept_of_a_wide_picture_is_its_middle() -> None:
    kept = Preprocessing(height=224, width=224, crop=0.5).kept(height=100, width=200)
    assert kept == (0.375, 0.25, 0.25, 0.5)
