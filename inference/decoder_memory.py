"""What a worker and its decoder share: images in, pixels out, and how far the decoder is.

Both map one file without a name. Its parts, in order::

    STATE      a few whole numbers: which rows are to be done, and the image under way
    rows       eight numbers an image: where it lies, and what became of it
    pixels     uint8 [images, height, width, 3]
    pictures   the image files, each followed by room for its thumbnail

Every number is written at once (uint64, aligned), and `AT` last, so that whoever reads them while they
are written is at most a step behind. `inference.decoder` is the worker's side, `inference.decoder_process`
the other; that something is to be read they tell each other over a socket.
"""

import fcntl
import mmap
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Final, NamedTuple, get_args

import msgspec

from inference.images import Code

# The worker writes rows [FIRST, END) and rings; the decoder does the rest.
FIRST, END, BEGUN, DONE, PIXELS, AT, PID = range(7)
STATE: Final = 8  # numbers
OFFSET, LENGTH, THUMBNAIL_PX, CODE, MICROS, THUMBNAIL, WIDTH, HEIGHT = range(8)
ROW: Final = 8  # numbers
NUMBER: Final = 8  # bytes
CODES: Final[tuple[str, ...]] = ("", *get_args(Code))
ORDINARY_BYTES: Final = 256 << 10  # of a picture; larger ones share what is there
THUMBNAIL_PX_AT_MOST: Final = 512
KEPT_BYTES: Final = 8 << 20  # of pictures; what a larger batch took is given back


class Layout(msgspec.Struct, frozen=True):
    """How large the parts are.

    Attributes:
        images: rows, the most images of a batch.
        pixel_bytes: of one image's pixels.
        picture_bytes: for the image files of a batch and their thumbnails.
    """

    images: int
    pixel_bytes: int
    picture_bytes: int

    @classmethod
    def of(cls, images: int, pixel_bytes: int, largest: int) -> "Layout":
        """Room for a batch of ordinary pictures, and for one of `largest` bytes."""
        room = largest + thumbnail_room(THUMBNAIL_PX_AT_MOST)
        return cls(images, pixel_bytes, max(room, images * ORDINARY_BYTES))

    @property
    def numbers(self) -> int:
        return STATE + ROW * self.images

    @property
    def pixels_at(self) -> int:
        return _page(self.numbers * NUMBER)

    @property
    def pictures_at(self) -> int:
        return _page(self.pixels_at + self.images * self.pixel_bytes)

    @property
    def size(self) -> int:
        return _page(self.pictures_at + self.picture_bytes)


class Place(NamedTuple):
    """Where an image file lies in the map, in bytes; behind it there is room for its thumbnail."""

    offset: int
    length: int
    room: int


class Memory:
    """The file, mapped."""

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self.layout = layout
        self.map = mmap.mmap(descriptor, layout.size)
        self.view = memoryview(self.map)
        self.state = self.view[: layout.numbers * NUMBER].cast("Q")
        self._grown = False
        # What was put where, as this side knows it: the other may write what it likes into the rows.
        self.places = [Place(0, 0, 0)] * layout.images

    def row(self, index: int) -> int:
        """Where an image's numbers begin."""
        return STATE + ROW * index

    def pixels(self, index: int) -> slice:
        """Where an image's pixels lie in the map."""
        start = self.layout.pixels_at + index * self.layout.pixel_bytes
        return slice(start, start + self.layout.pixel_bytes)

    def put(self, first: int, images: Sequence[tuple[bytes | memoryview, int]]) -> int:
        """Puts in images and makes out their rows, as many as fit; how many.

        Args:
            first: the row of the first.
            images: image files, each with the longest side of the thumbnail wanted.
        """
        start, end = self.layout.pictures_at, self.layout.size
        for count, (data, thumbnail_px) in enumerate(images):
            length = len(data)
            room = thumbnail_room(thumbnail_px)
            if start + length + room > end:
                return count
            self.map[start : start + length] = data
            self.places[first + count] = Place(start, length, room)
            row = self.row(first + count)
            self.state[row + OFFSET] = start
            self.state[row + LENGTH] = length
            self.state[row + THUMBNAIL_PX] = thumbnail_px
            start += length + room
            self._grown |= start > self.layout.pictures_at + KEPT_BYTES
        return len(images)

    def trim(self) -> None:
        """Gives back what only a batch of uncommonly large pictures needed."""
        if self._grown and hasattr(mmap, "MADV_REMOVE"):
            kept = _page(self.layout.pictures_at + KEPT_BYTES)
            self.map.madvise(mmap.MADV_REMOVE, kept)
            self._grown = False

    def tell(self, begun: int, pixels: int = 0) -> None:
        """Where the decoder is: whether an image has begun, and its pixels once they are known."""
        state = self.state
        state[PIXELS] = pixels
        state[BEGUN] = begun
        state[AT] = time.monotonic_ns()


def thumbnail_room(longest_px: int) -> int:
    """Bytes that no JPEG of such sides exceeds: those of its pixels, blocks filled up, and its tables."""
    side = longest_px + 16
    return 3 * side * side + 1024 if longest_px else 0


def shared_file(size: int) -> int:
    """A file without a name, in memory where the system has such; nobody can change its size."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return descriptor
    descriptor = os.memfd_create(
        "pictor-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    )
    os.ftruncate(descriptor, size)
    # Else a decoder that was taken over could cut it short, which would end the worker.
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _page(size: int) -> int:
    """Rounded up to whole pages."""
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
