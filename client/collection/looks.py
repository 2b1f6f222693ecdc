"""Pictures that look alike: a perceptual hash of each (`common.phash`), and which of them are near each other."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from common import phash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DISTANCE: Final = 4  # bits of 64 that near ones differ in at most
BANDS: Final = DISTANCE + 1  # of two hashes that near, one band at least is equal
AT_ONCE: Final = 256  # rows of a table of comparisons; bounds its memory


def number(hashed: bytes) -> int | None:
    """A perceptual hash as the ledger keeps it: a signed integer of 64 bits; None where there is none."""
    if len(hashed) != phash.BYTES:
        return None
    return int.from_bytes(hashed, "big", signed=True)


def near(hashes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Pairs that look alike: each picture, with the first before it that is near; in order.

    Hashes that differ in at most DISTANCE bits are equal in at least one of BANDS parts (pigeonhole),
    so only those equal in a part are compared.

    Args:
        hashes: a number and a hash each; equal hashes are near too.

    Yields:
        The earlier number, the later number, and how many bits they differ in.
    """
    import numpy as np

    values = np.array([one[1] for one in hashes], np.int64).view(np.uint64)
    first = np.full(len(values), len(values))
    edges = np.linspace(0, 64, BANDS + 1).astype(np.uint64)
    for low, high in itertools.pairwise(edges):
        part = (values >> low) & ((np.uint64(1) << (high - low)) - np.uint64(1))
        order = np.argsort(part, kind="stable")
        ends = np.flatnonzero(np.diff(part[order])) + 1
        for alike in np.split(order, ends):
            _take_first(values, alike, first)
    for later in np.flatnonzero(first < len(values)):
        earlier = int(first[later])
        bits = int(values[earlier] ^ values[later]).bit_count()
        yield hashes[earlier][0], hashes[int(later)][0], bits


def _take_first(
    values: "NDArray[np.uint64]", alike: "NDArray[np.intp]", first: "NDArray[np.intp]"
) -> None:
    """Notes in `first`, for each of these, the first of them that it is near to, if that comes before."""
    import numpy as np

    for at in range(1, len(alike), AT_ONCE):
        later = alike[at : at + AT_ONCE]
        before = alike[: at + len(later)]
        apart = np.bitwise_count(values[later, None] ^ values[None, before])
        close = (apart <= DISTANCE) & (before[None, :] < later[:, None])
        found = np.where(close.any(axis=1), before[close.argmax(axis=1)], len(values))
        first[later] = np.minimum(first[later], found)
