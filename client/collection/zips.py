"""Zip archives of any number of entries: their list is read a piece at a time.

A zip ends with the list of its entries, and that with a record of where it begins (APPNOTE.TXT, 4.3.12
to 4.3.16). `zipfile` holds the whole list in memory, about 0.8 KB an entry. So it is shown the same
file with some entries of the list at a time: what they mean, and their bytes, are left to it.
"""

import contextlib
import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from client.collection.packed import BOMB, ENCRYPTED, LINK, MOST_RATIO, SMALL

PIECE_BYTES: Final = 256 * 1024  # of the list; an entry has at most 196,651
_ENCRYPTED: Final = 0x1  # general purpose bit 0 (4.4.4)
_ENTRY_BYTES: Final = (
    46  # of an entry in the list, before name, extra field and comment
)
_LENGTHS: Final = struct.Struct("<3H")  # of these
_LENGTHS_AT: Final = 28
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")
_BOTH64: Final = _END64.size + _LOCATOR64.size
_LONGEST_COMMENT: Final = 0xFFFF
_BROKEN: Final = (
    *(zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError),
    *(struct.error, OverflowError, IndexError),
)
_DAMAGED: Final = "its list of entries is damaged"


class Zip:
    """An `Archive`."""

    def __init__(self, path: Path) -> None:
        """Opens it; raises OSError, or BadZipFile where it has no list."""
        self._file = path.open("rb")
        try:
            self._before, self._start, self._end = _list_of(self._file)
        except BaseException:
            self._file.close()
            raise
        self._known: dict[int, int] | None = None

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """As `Archive.entries`."""
        for _, entry in self._listed():
            if not entry.is_dir():
                yield entry.filename, entry.file_size, _refused(entry)

    def open(self, name: str) -> IO[bytes]:
        """As `Archive.open`; of several entries of a name the first."""
        if self._known is None:
            self._known = {}
            with contextlib.suppress(*_BROKEN):  # what was listed before it is whole
                for place, entry in self._listed():
                    self._known.setdefault(hash(entry.filename), place)
        place = self._known[hash(name)]
        self._file.seek(place)
        head = self._file.read(_ENTRY_BYTES)
        listed = head + self._file.read(_length(head, 0) - _ENTRY_BYTES)
        few = self._with(listed, 1)
        (entry,) = few.infolist()
        if entry.filename != name:
            raise KeyError(name)
        return few.open(entry)

    def failed(self) -> None:
        """Each entry is read by itself."""

    def close(self) -> None:
        """As `Archive.close`."""
        self._file.close()

    def _listed(self) -> Iterator[tuple[int, zipfile.ZipInfo]]:
        """All entries, and where in the file the list has them."""
        at = self._start
        while at < self._end:
            self._file.seek(at)
            piece = self._file.read(min(PIECE_BYTES, self._end - at))
            ends = [0]
            while len(piece) - ends[-1] >= _ENTRY_BYTES:
                ends.append(ends[-1] + _length(piece, ends[-1]))
            if ends[-1] > len(piece):
                ends.pop()
            if len(ends) == 1:
                raise zipfile.BadZipFile(_DAMAGED)
            with self._with(piece[: ends[-1]], len(ends) - 1) as few:
                for begun, entry in zip(ends, few.infolist(), strict=False):
                    yield at + begun, entry
            at += ends[-1]

    def _with(self, listed: bytes, count: int) -> zipfile.ZipFile:
        """The archive as if its list had these entries alone."""
        return zipfile.ZipFile(
            _Few(self._file, self._before, self._start, listed, count)
        )


class _Few(io.RawIOBase):
    """A zip that has another list than the one it has."""

    def __init__(
        self, file: IO[bytes], before: int, start: int, listed: bytes, count: int
    ) -> None:
        """Takes where the zip begins within the file, and where its list does."""
        self._file, self._before = file, before
        self._own = start - before  # bytes of the file itself
        self._tail = listed + _ending(count, len(listed), self._own)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._at, self._own + len(self._tail))[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = b""
        if self._at < self._own:
            self._file.seek(self._before + self._at)
            data = self._file.read(min(len(buffer), self._own - self._at))
        if len(data) < len(buffer):
            begin = self._at + len(data) - self._own
            data += self._tail[begin : begin + len(buffer) - len(data)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _list_of(file: IO[bytes]) -> tuple[int, int, int]:
    """Where the zip begins within the file, where its list does, and where that ends."""
    size = file.seek(0, io.SEEK_END)
    tail_at = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("it has no list of entries")
    length, offset = _END.unpack_from(tail, at)[5:7]
    end = tail_at + at
    file.seek(max(0, end - _BOTH64))
    both = file.read(min(end, _BOTH64))
    if both[_END64.size :].startswith(b"PK\6\7") and both.startswith(b"PK\6\6"):
        length, offset = _END64.unpack_from(both)[8:10]
        end -= _BOTH64
    start = end - length
    if start - offset < 0:
        raise zipfile.BadZipFile(_DAMAGED)
    return start - offset, start, end


def _ending(count: int, length: int, offset: int) -> bytes:
    """What follows on a list, for archives of any size (4.3.14 to 4.3.16)."""
    end64 = _END64.pack(
        *(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, length, offset)
    )
    locator = _LOCATOR64.pack(b"PK\6\7", 0, offset + length, 1)
    most, many = 0xFFFFFFFF, 0xFFFF
    return end64 + locator + _END.pack(b"PK\5\6", 0, 0, many, many, most, most, 0)


def _length(listed: bytes, at: int) -> int:
    """How many bytes of a list the entry has that begins there."""
    if len(listed) - at < _ENTRY_BYTES:
        raise zipfile.BadZipFile(_DAMAGED)
    name, extra, comment = _LENGTHS.unpack_from(listed, at + _LENGTHS_AT)
    return int(_ENTRY_BYTES + name + extra + comment)


def _refused(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _ENCRYPTED:
        return ENCRYPTED
    if stat.S_ISLNK(entry.external_attr >> 16):
        return LINK
    packed = max(entry.compress_size, 1)
    if entry.file_size > SMALL and entry.file_size / packed > MOST_RATIO:
        return BOMB
    return ""
