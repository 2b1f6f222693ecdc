"""The memory that worker and decoder share: who lies where, and that nobody can take it away."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from inference import decoder_memory as at
from inference.decoder_memory import Layout, Memory, shared_file, thumbnail_room
from tests.support.pictures import encoded

LAYOUT = Layout.of(images=3, pixel_bytes=5000, largest=1000)


@pytest.fixture
def memory() -> Memory:
    return Memory(shared_file(LAYOUT.size), LAYOUT)


def test_no_part_lies_in_another(memory: Memory) -> None:
    everything = [slice(0, LAYOUT.numbers * at.NUMBER)]
    everything += [memory.pixels(index) for index in range(3)]
    assert memory.put(0, [(b"one", 20), (b"", 0), (b"three", 30)]) == 3
    for index in range(3):
        row = memory.row(index)
        start = memory.state[row + at.OFFSET]
        length = memory.state[row + at.LENGTH]
        room = thumbnail_room(memory.state[row + at.THUMBNAIL_PX])
        everything.append(slice(start, start + length + room))
    ends = [0]
    for part in everything:
        assert part.start >= ends[-1]
        ends.append(part.stop)
    assert ends[-1] <= LAYOUT.size == len(memory.map)
    assert memory.map[everything[4]].startswith(b"one")
    assert memory.map[everything[6]].startswith(b"three")


def test_as_many_images_go_in_as_have_room(memory: Memory) -> None:
    """The largest allowed has room with its thumbnail; ordinary ones all together."""
    largest = bytes(LAYOUT.picture_bytes - thumbnail_room(at.THUMBNAIL_PX_AT_MOST))
    assert memory.put(0, [(largest, at.THUMBNAIL_PX_AT_MOST)]) == 1
    assert memory.put(0, [(largest, at.THUMBNAIL_PX_AT_MOST), (bytes(10_000), 0)]) == 1
    assert memory.put(0, [(largest + bytes(10_000), at.THUMBNAIL_PX_AT_MOST)]) == 0
    assert memory.put(0, [(bytes(at.ORDINARY_BYTES), 0)] * 3) == 3


@pytest.mark.parametrize("side", [1, 7, 8, 17, 64, 320, at.THUMBNAIL_PX_AT_MOST])
def test_the_thumbnail_of_noise_has_room(side: int) -> None:
    """At the best quality, and colours at full size, which none is saved with."""
    noise = np.random.default_rng(0).choice([0, 255], (side, side, 3)).astype(np.uint8)
    jpeg = encoded(Image.fromarray(noise), "JPEG", quality=90, subsampling=0)
    assert len(jpeg) < thumbnail_room(side)


@pytest.mark.skipif(sys.platform != "linux", reason="sealing is Linux's")
def test_its_size_is_for_good(memory: Memory) -> None:
    """Cut short by one side, it would end the other with SIGBUS."""
    descriptor = shared_file(LAYOUT.size)
    for size in (0, 2 * LAYOUT.size):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
    os.close(descriptor)
