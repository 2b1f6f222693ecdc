"""Pictures to calibrate with: made here, no two alike, of the size and weight of usual photographs.

What they show matters to no decoder and no network: both take as long for any picture of their size.
"""

import io
from typing import Final

import numpy as np
from PIL import Image

WIDTH, HEIGHT = (
    469,
    404,
)  # pixels; the median of ImageNet's photographs, as is the weight
QUALITY: Final = 92
# Noise of each scale, by its cells along a side, and how far it reaches from grey, of 128: as in
# photographs, less the finer it is. The finest is what makes about 100 KB.
SCALES: Final = ((3, 60), (9, 40), (27, 25), (81, 15), (243, 45))


def specimen(number: int) -> bytes:
    """A JPEG of about 100 KB; the same for the same number."""
    random = np.random.default_rng(number)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    for cells, reach in SCALES:
        noise = random.integers(0, 256, (cells, cells, 3), np.uint8)
        scaled = Image.fromarray(noise).resize(
            (WIDTH, HEIGHT), Image.Resampling.BICUBIC
        )
        pixels += reach * (np.asarray(scaled, np.float32) / 127.5 - 1)
    out = io.BytesIO()
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
