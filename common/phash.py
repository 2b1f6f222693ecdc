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
        pixels: uint8 [H, W, 3] RGB; with less than SIDE × SIDE there is no hash. The mean of the three stands
            for brightness.
    """
    import numpy as np

    if min(pixels.shape[:2]) < SIDE:
        return b""

    height, width = (side // SIDE * SIDE for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    middle = pixels[top : top + height, left : left + width]
    rows = middle.reshape(SIDE, height // SIDE, 3 * width)
    # Neighbours in memory are summed first, in numbers as small as hold the sum: twice as fast.
    narrow = np.uint16 if height // SIDE < 256 else np.uint32
    columns = np.add.reduce(rows, 1, dtype=narrow)
    firsts = np.arange(0, 3 * width, 3 * width // SIDE)
    cells = np.add.reduceat(columns, firsts, 1, np.uint32)
    return of_grey(cells * np.float32(SIDE * SIDE / (3 * height * width)))


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
