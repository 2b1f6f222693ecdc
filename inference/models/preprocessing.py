"""What the decoder is told about a network's input; importable without NumPy, TensorFlow or Keras.

The decoder turns the image upright and into RGB, cuts out a centred box and resizes that in one
pass to uint8 [height, width, 3]. What follows (scale, offset, channel order) is in the graph.
"""

from typing import Annotated, Literal

import msgspec

MAX_SIDE = 2048  # pixels; keeps a typing error in a JSON file from asking for gigabytes
ROUNDING = 1e-6  # pixels; keeps 240 / 272 * 272 from being 239

Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Preprocessing(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """How an image becomes a network's input.

    Attributes:
        height: of the network's input, pixels.
        width: likewise.
        crop: the centred box as a fraction of the largest one of the input's shape that fits; for
            a square input that is a fraction of the image's shorter side.
        interpolation: the filter of the resize.
    """

    height: Side
    width: Side
    crop: Fraction = 0.875
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The centred box to cut out of an image, for Pillow's ``resize(box=...)``.

        Whole pixels, rounded down: so the weights were evaluated by those who published them, and
        a fractional box changes one answer in a hundred.

        Args:
            height: of the image, pixels.
            width: likewise.

        Returns:
            Left, upper, right, lower in pixels; within the image and at least one pixel large.
        """
        scale = self.crop * min(height / self.height, width / self.width)
        box_height = max(1, int(self.height * scale + ROUNDING))
        box_width = max(1, int(self.width * scale + ROUNDING))
        left, upper = (width - box_width) // 2, (height - box_height) // 2
        return left, upper, left + box_width, upper + box_height

    def kept(self, height: int, width: int) -> tuple[float, float, float, float]:
        """The same box as fractions of the image: left, upper, width and height, each 0 to 1."""
        left, upper, right, lower = self.box(height, width)
        across, down = (right - left) / width, (lower - upper) / height
        return left / width, upper / height, across, down
