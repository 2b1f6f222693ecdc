"""Pictures made new to a cache are still the same pictures."""

import io
from pathlib import Path

import pytest
from PIL import Image

from bench import pictures


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("name", ["coffee.png", "rocket.jpg"])
def test_a_number_changes_the_file_and_not_the_picture(name: str) -> None:
    (picture,) = (one for one in pictures.photographs() if one.name == name)
    one, other = (pictures.numbered(picture.data, n) for n in (1, 2**64 - 1))
    assert len({picture.data, one, other}) == 3
    assert len(one) == len(other)
    assert pixels(one) == pixels(other) == pixels(picture.data)


def test_other_formats_are_not_numbered() -> None:
    with pytest.raises(ValueError, match="JPEG and PNG"):
        pictures.numbered(b"GIF89a", 1)


def test_a_folder_is_read_in_order_and_an_empty_one_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no JPEG"):
        pictures.load(tmp_path)
    for name in ("b.JPEG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    assert [one.name for one in pictures.load(tmp_path)] == ["a.png", "b.JPEG"]


def test_samples_are_different_pictures_of_usual_size() -> None:
    made = pictures.load(None)
    assert len({one.data for one in made}) == len(made) == 5 * len(pictures.PHOTOGRAPHS)
    for one in made:
        with Image.open(io.BytesIO(one.data)) as image:
            assert image.size == pictures.SAMPLE_PX
            assert one.media_type == "image/jpeg"
