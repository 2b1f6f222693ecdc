"""What zip and tar archives have in common: how one is read, what is refused, and under which bounds."""

from collections.abc import Iterator
from typing import IO, Final, Protocol

from client.errors import Unreadable

MOST_RATIO: Final = 200  # of real pictures, which are compressed already, it is about 1
SMALL: Final = 1_000_000  # bytes; below this a high ratio does no harm

LINK: Final = "It is a link; add the file that it names itself."
OUTSIDE: Final = "Its name leads out of the archive; rename it there."
NESTED: Final = "It is an archive within an archive; unpack the outer one first."
ENCRYPTED: Final = "It is encrypted; unpack the archive with its password first."
BOMB: Final = "It claims to grow more than 200 times; no picture does."
TWICE: Final = "The archive holds another entry of the same name; rename one."
DEVICE: Final = "It is no file, but a device or a pipe."
SPARSE: Final = "It is packed as a file with holes; pack it without --sparse."
MANY: Final = "The archive has more than 1,000,000 entries; split it."


class Unusable(Unreadable):
    """The archive as a whole cannot be read."""


class Archive(Protocol):
    """An open archive, read forward."""

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """Name, size in bytes as claimed, and why it is refused or nothing; folders are left out."""

    def open(self, name: str) -> IO[bytes]:
        """An entry's bytes; raises KeyError where it has none of this name."""

    def failed(self) -> None:
        """An entry could not be read: the others may still be."""

    def close(self) -> None:
        """Closes it."""
