"""Draws what `inference.calibrate` measured: images a second against batch size, a line for each shape.

With Pillow, which decodes the pictures anyway: a plotting library is 100 MB that no worker needs.
"""

import io
import itertools
import math
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from inference.layout import Point, Shape

SIZE: Final = (960, 600)
LEFT, TOP, RIGHT, BOTTOM = 90, 70, 680, 520  # of the axes, in pixels
LEGEND: Final = 700
# Okabe and Ito's, which the colour-blind can tell apart too.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GRID = "#222222", "#DDDDDD"
Place = tuple[float, float]


def png(title: str, points: Sequence[Point], used: Shape) -> bytes:
    """A PNG of SIZE.

    Args:
        title: stands above.
        points: all that was measured.
        used: the shape that workers get; its line is the thick one.
    """
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    batches = sorted({point.batch for point in points})
    top = _round_up(max(point.images_per_s for point in points))

    def place(point: Point) -> Place:
        return _across(batches.index(point.batch), len(batches)), _up(
            point.images_per_s / top
        )

    _axes(draw, batches, top)
    _text(draw, (LEFT, 30), title, 20, "lm")
    by_shape = itertools.groupby(points, key=lambda point: point.shape)
    for number, ((shape, its), colour) in enumerate(
        zip(by_shape, itertools.cycle(COLOURS), strict=False)
    ):
        line = [place(point) for point in its]
        width = 5 if shape == used else 2
        draw.line(line, colour, width, joint="curve")
        for x, y in line:
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), colour)
        y = TOP + 26 * number
        draw.line((LEGEND, y, LEGEND + 30, y), colour, width)
        _text(draw, (LEGEND + 40, y), shape.in_words(), 14, "lm")
    _text(draw, (LEGEND, BOTTOM), "thick: what workers use", 14, "ls")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _axes(draw: ImageDraw.ImageDraw, batches: Sequence[int], top: float) -> None:
    for step in range(6):
        y = _up(step / 5)
        draw.line((LEFT, y, RIGHT, y), GRID)
        _text(draw, (LEFT - 10, y), f"{top * step / 5:g}", 14, "rm")
    for at, batch in enumerate(batches):
        x = _across(at, len(batches))
        draw.line((x, BOTTOM, x, BOTTOM + 6), INK)
        _text(draw, (x, BOTTOM + 12), str(batch), 14, "ma")
    draw.line((LEFT, TOP, LEFT, BOTTOM, RIGHT, BOTTOM), INK, 2)
    _text(draw, ((LEFT + RIGHT) / 2, BOTTOM + 50), "batch size (images)", 16, "mm")
    _text(draw, (LEFT, TOP - 14), "throughput (images/s)", 16, "lm")


def _across(at: int, count: int) -> float:
    """Sizes stand at even distances, each twice the last, or nearly."""
    return LEFT + (RIGHT - LEFT) * (at + 0.5) / count


def _up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 and their tenfolds."""
    ten: float = 10 ** math.floor(math.log10(value))
    return next(
        n * ten for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if n * ten >= value
    )


def _text(
    draw: ImageDraw.ImageDraw, at: Place, text: str, size: int, anchor: str
) -> None:
    font = ImageFont.load_default(size)
    draw.text(at, text, INK, font, anchor=anchor)
