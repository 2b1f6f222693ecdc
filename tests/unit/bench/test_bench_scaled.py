"""Large pictures are large, distinct, and the same picture either way they are decoded."""

import io

from PIL import Image

from bench import scaled
from inference.images import decode
from inference.models.preprocessing import Preprocessing

SMALL = Preprocessing(height=224, width=224)


def test_reduced_and_full_decoding_show_the_same_picture() -> None:
    one, other = scaled.photographs(2)
    with Image.open(io.BytesIO(one)) as image:
        assert (image.format, image.size) == ("JPEG", scaled.SIZE_PX)
    reduced = decode(one, SMALL, 12_000_000, 0).pixels
    full = scaled.in_full(one, SMALL)
    assert 0 < scaled.apart(reduced, full) <= scaled.ALIKE
    assert scaled.apart(reduced, scaled.in_full(other, SMALL)) > 3 * scaled.ALIKE
