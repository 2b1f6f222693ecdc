"""Pictures that look alike though their bytes differ, in groups; a hint, never an answer."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

import msgspec

from client.collection import queries
from client.collection.looks import near
from client.collection.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Alike(msgspec.Struct, frozen=True):
    """A group: how many pictures it has, equal ones counted once, and the first of them."""

    pictures: int
    shown: list[Row]


class Groups(msgspec.Struct, frozen=True):
    """How many groups there are, how many pictures are in them, and the largest ones."""

    count: int
    pictures: int
    largest: list[Alike]


def groups(db: sqlite3.Connection, most: int, shown: int) -> Groups:
    """Groups of pictures that look alike, each with the first one that it is near to.

    Args:
        db: of the ledger.
        most: groups that are told of, the largest.
        shown: pictures of each of them.
    """
    import numpy as np

    numbers, hashes = queries.hashes(db)
    _, at, distinct = np.unique(hashes, return_index=True, return_inverse=True)
    place = np.empty_like(at)
    place[np.argsort(at)] = np.arange(len(at))  # distinct hashes as they were found
    root = np.arange(len(at))
    for earlier, later, _ in near(_Numbered(hashes[np.sort(at)])):
        root[later] = root[earlier]
    group = root[place[distinct]]
    sizes = np.bincount(group, minlength=len(at))
    many = np.flatnonzero(sizes > 1)
    largest = many[np.argsort(-sizes[many], kind="stable")][:most]
    return Groups(
        len(many),
        int(sizes[many].sum()),
        [
            Alike(
                int(sizes[one]),
                queries.rows_of(db, numbers[group == one][:shown].tolist()),
            )
            for one in largest
        ],
    )


class _Numbered(Sequence[tuple[int, int]]):
    """Hashes with their places, as `near` takes them, without an object for each."""

    def __init__(self, hashes: "NDArray[np.int64]") -> None:
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self._hashes)

    @overload
    def __getitem__(self, at: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[int, int]]: ...
    def __getitem__(
        self, at: int | slice
    ) -> tuple[int, int] | Sequence[tuple[int, int]]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        return at, int(self._hashes[at])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return enumerate(self._hashes.tolist())
