"""Tar archives, compressed or not, read forward (POSIX.1-2008 pax, ustar, GNU).

A head is understood by `tarfile`, what surrounds it is read here: before an entry comes what a tar says
about it, of any length, and `tarfile` takes all of that into memory, or never ends with it.
"""

import bz2
import gzip
import io
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from client.collection.packed import BOMB, DEVICE, LINK, MOST_RATIO, SPARSE, Unusable

MOST_ABOUT: Final = 1_000_000  # bytes of what is said about an entry, such as its name
READ_ANYWAY: Final = 100_000_000  # bytes, however small the archive is
BLOCK: Final = tarfile.BLOCKSIZE
_PACKED: Final[dict[bytes, Callable[[Path], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"]\0\0": lzma.open,
}
_PAX: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_NAMES: Final = (b"path", b"GNU.sparse.name")
_RECORD: Final = re.compile(rb"([0-9]{1,7}) ([^=]{1,1000})=")
_MORE_AT: Final = (482, 504)  # whether more of a sparse file's map follows: head, map


class _Entry(NamedTuple):
    """An entry, and where its bytes are."""

    name: str
    size: int
    at: int
    refused: str
    is_dir: bool


class Tar:
    """An `Archive`."""

    def __init__(self, path: Path) -> None:
        """Opens it; raises OSError."""
        self._path = path
        self._most = max(READ_ANYWAY, MOST_RATIO * path.stat().st_size)
        self._file = _opened(path)
        self._ahead = self._forwards()

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """As `Archive.entries`; raises ReadError where one cannot be read: those behind are not known."""
        for entry in self._ahead:
            if not entry.is_dir:
                yield entry.name, entry.size, entry.refused

    def open(self, name: str) -> IO[bytes]:
        """As `Archive.open`."""
        found = self._forward(name)
        if found is None:  # it may lie behind
            self._file.close()
            self._file = _opened(self._path)
            self._ahead = self._forwards()
            found = self._forward(name)
        if found is None:
            raise KeyError(name)
        self._file.seek(found.at)
        return _Part(self._file, found.size)

    def failed(self) -> None:
        """The next one is looked for from the beginning."""
        self._ahead = iter(())

    def close(self) -> None:
        """As `Archive.close`."""
        self._file.close()

    def _forward(self, name: str) -> _Entry | None:
        wanted = (one for one in self._ahead if one.name == name and not one.refused)
        return next(wanted, None)

    def _forwards(self) -> Iterator[_Entry]:
        """All entries, one after the other; only a compressed one has to be read for that."""
        at, about = 0, _About()
        while (found := self._head(at)) is not None:
            head, block = found
            at += BLOCK
            if head.type in about.KINDS:
                about.add(head.type, self._bytes(at, head.size, most=about.left))
            else:
                if head.type == tarfile.GNUTYPE_SPARSE and block[_MORE_AT[0]]:
                    at = self._after_map(at)
                if about.size is not None:
                    head.size = about.size
                yield _entry(head, about, at)
                about = _About()
            if _has_bytes(head):
                at += -(-head.size // BLOCK) * BLOCK

    def _head(self, at: int) -> tuple[tarfile.TarInfo, bytes] | None:
        """The head there, understood and as it is; None at the end."""
        if at > self._most:
            raise Unusable(BOMB)
        block = self._bytes(at, BLOCK, most=BLOCK)
        try:
            head = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return None
        except tarfile.HeaderError as error:
            why = f"it is damaged ({error})" if at else "it is neither zip nor tar"
            raise tarfile.ReadError(why) from error
        if head.size < 0:
            raise tarfile.ReadError("it is damaged (an entry of negative size)")
        return head, block

    def _after_map(self, at: int) -> int:
        """Where the bytes of a sparse file begin whose map (old GNU) goes on here."""
        more = 1
        while more:
            if at > self._most:
                raise Unusable(BOMB)
            more = self._bytes(at, BLOCK, most=BLOCK)[_MORE_AT[1]]
            at += BLOCK
        return at

    def _bytes(self, at: int, length: int, *, most: int) -> bytes:
        if length > most:
            raise tarfile.ReadError("an entry's name is too long")
        self._file.seek(at)
        data = self._file.read(length)
        if len(data) < length:
            raise tarfile.ReadError("it is cut off")
        return data


class _About:
    """What a tar says about its next entry."""

    NAME: Final = tarfile.GNUTYPE_LONGNAME
    KINDS: Final = (*_PAX, tarfile.XGLTYPE, NAME, tarfile.GNUTYPE_LONGLINK)

    def __init__(self) -> None:
        self.left = MOST_ABOUT
        self.name = ""
        self.size: int | None = None
        self.sparse = False

    def add(self, kind: bytes, data: bytes) -> None:
        """Takes it in; what is said of all entries, or about links, is not needed."""
        self.left -= len(data) + BLOCK
        if kind == self.NAME:
            self.name = _text(data.partition(b"\0")[0])
        elif kind in _PAX:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """The records of a pax head: length of the whole record, key, value, each with a line's end."""
        at = 0
        while at < len(data):
            record = _RECORD.match(data, at)
            end = at + int(record[1]) if record else 0
            if record is None or end <= record.end() or data[end - 1 : end] != b"\n":
                raise tarfile.ReadError("what it says about an entry is damaged")
            key, value = record[2], data[record.end() : end - 1]
            if key in _NAMES:
                self.name = _text(value)
            elif key == b"size":
                self.size = _number(value)
            self.sparse |= key.startswith(b"GNU.sparse.")
            at = end


class _Part(io.BytesIO):
    """An entry's bytes, read from where the archive stands."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file, self._left = file, size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left
        if size is not None and size >= 0:
            wanted = min(size, wanted)
        data = self._file.read(wanted)
        if len(data) < wanted:
            raise EOFError("it is cut off")
        self._left -= wanted
        return data


def begins(path: Path) -> bool:
    """Whether a file begins as a tar does, compressed or not; raises OSError."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
    try:
        return bool(
            block.startswith(tuple(_PACKED))
            or tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        )
    except (tarfile.TarError, ValueError):
        return False


def _opened(path: Path) -> IO[bytes]:
    """The archive without its compression, by what it begins with."""
    with path.open("rb") as file:
        begin = file.read(BLOCK)
    for magic, opens in _PACKED.items():
        if begin.startswith(magic):
            plain: IO[bytes] = opens(path)
            return plain
    return path.open("rb")


def _has_bytes(head: tarfile.TarInfo) -> bool:
    """Whether as many bytes follow as it says: also where nobody knows what it is."""
    known = head.type in tarfile.SUPPORTED_TYPES and head.type not in _About.KINDS
    return head.isreg() or not known


def _entry(head: tarfile.TarInfo, about: _About, at: int) -> _Entry:
    name = about.name or head.name
    is_dir = head.isdir() or (head.isreg() and name.endswith("/"))
    refused = "" if head.isreg() else DEVICE
    if head.issym() or head.islnk():
        refused = LINK
    elif about.sparse or head.type == tarfile.GNUTYPE_SPARSE:
        refused = SPARSE
    return _Entry(name, head.size, at, refused, is_dir)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _number(value: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,15}", value):
        raise tarfile.ReadError("an entry's size is no number")
    return int(value)
