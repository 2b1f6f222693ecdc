"""A perceptual hash: pictures that look alike differ in a few of its bits.

It says which of the 64 lowest frequencies of a picture in 32 × 32 grey values are above their median
(the DCT hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, 3.2.1).
Copies in another size or compression differ in a few bits. It is a hint for people and never gives a
picture another one's answer.
"""

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE: Final = 32
LOW: Final = 8
FLAT: Final = (
    8  # a standard deviation of grey values; a picture with less has nothing to tell it by
)
BYTES: Final = LOW * LOW // 8


def of_pixels(pixels: "NDArray[np.uint8]") -> bytes:
    """The hash of a picture as a network gets it, 8 bytes; nothing where it has none.

    Args:
        pixels: uint8 [H, W, 3] RGB; with less than SIDE × SIDE there is no hash. Green stands for brightness,
            of which it is the most (ITU-R BT.601).
    """
    import numpy as np

    if min(pixels.shape[:2]) < SIDE:
        return b""

    height, width = (side // SIDE * SIDE for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    rows = pixels[top : top + height].reshape(SIDE, height // SIDE, -1)
    # All three colours, since neighbours in memory are summed ten times as fast as every third.
    green = rows.sum(1, dtype=np.uint32)[:, 1::3][:, left : left + width]
    cells = green.reshape(SIDE, SIDE, width // SIDE).sum(2, dtype=np.float32)
    return of_grey(cells * (SIDE * SIDE / (height * width)))


def of_grey(values: "NDArray[np.float32]") -> bytes:
    """The hash of SIDE × SIDE brightnesses, 0 to 255."""
    import numpy as np

    if values.std() < FLAT:
        return b""
    basis = _basis()
    low = (basis @ values @ basis.T).ravel()
    median = np.sort(low[1:])[len(low) // 2 - 1]  # the first is the mean brightness
    return np.packbits(low > median).tobytes()


@functools.cache
def _basis() -> "NDArray[np.float32]":
    """The first LOW rows of the discrete cosine transform (DCT-II) of length SIDE, but for the scale."""
    import numpy as np

    at = np.arange(SIDE) + 0.5
    return np.cos(np.pi / SIDE * np.outer(np.arange(LOW), at)).astype(np.float32)
