"""The curve: a picture that shows each shape's line where its figures are."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from inference import curve
from inference.layout import Point, Shape

ONE, TWO = Shape(2, 1), Shape(1, 2)


def drawn(points: list[Point]) -> Image.Image:
    return Image.open(io.BytesIO(curve.png("a title", points, points[0].shape)))


def heights(image: Image.Image, colour: str) -> list[int]:
    """Rows within the axes that hold a colour, from the top."""
    wanted = ImageColor.getrgb(colour)
    inside = image.crop((curve.LEFT + 3, curve.TOP, curve.RIGHT, curve.BOTTOM - 3))
    width = inside.width
    data = list(inside.get_flattened_data())
    return sorted({at // width for at, pixel in enumerate(data) if pixel == wanted})


def test_each_shape_has_its_line_and_more_is_higher() -> None:
    points = [Point(ONE, n, 100) for n in (1, 2)] + [Point(TWO, n, 50) for n in (1, 2)]
    image = drawn(points)
    assert (image.format, image.size) == ("PNG", curve.SIZE)
    high, low = (heights(image, colour) for colour in curve.COLOURS[:2])
    assert high[0] <= 6  # 100 is the top of the axis
    middle = (curve.BOTTOM - curve.TOP) / 2
    assert low[0] == pytest.approx(middle, abs=8)


@given(
    st.dictionaries(
        st.builds(Shape, st.integers(1, 64), st.integers(1, 64)),
        st.lists(st.floats(0.01, 1e5), min_size=5, max_size=5),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_was_measured_can_be_drawn(
    rates: dict[Shape, list[float]],
) -> None:
    points = [
        Point(shape, 1 << at, rate)
        for shape, its in rates.items()
        for at, rate in enumerate(its)
    ]
    assert drawn(points).size == curve.SIZE
