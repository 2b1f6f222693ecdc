"""The entries of zip and tar archives: which are pictures, which are refused and why, and their bytes.

Nothing is ever unpacked to a disk: an entry is read into memory, under a bound, and its name is only
a name. What an archive says of its entries is not believed: sizes are counted while reading.
"""

import contextlib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol, Self

from client.collection import pictures
from client.collection.records import Found, within
from client.errors import Unreadable

ENDINGS: Final = (
    ".zip",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
)
MOST_ENTRIES: Final = 1_000_000
MOST_RATIO: Final = 200  # of real pictures, which are compressed already, it is about 1
SMALL: Final = 1_000_000  # bytes; below this a high ratio does no harm
MOST_NAME: Final = (
    1_000_000  # bytes of what a tar says about an entry, such as a long name
)
READ_ANYWAY: Final = 100_000_000  # bytes, however small a tar is
_ENCRYPTED: Final = 0x1  # zip's general purpose bit 0 (APPNOTE.TXT, 4.4.4)

LINK: Final = "It is a link; add the file that it names itself."
OUTSIDE: Final = "Its name leads out of the archive; rename it there."
NESTED: Final = "It is an archive within an archive; unpack the outer one first."
ENCRYPTED: Final = "It is encrypted; unpack the archive with its password first."
BOMB: Final = "It claims to grow more than 200 times; no picture does."
TWICE: Final = "The archive holds another entry of the same name; rename one."
DEVICE: Final = "It is no file, but a device or a pipe."
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


def is_archive(path: Path) -> bool:
    """By its name: what is inside is looked at when it is opened."""
    return path.name.lower().endswith(ENDINGS)


def find(path: Path) -> Iterator[Found]:
    """The pictures of an archive, each as a file; the refused ones with their reason.

    An archive that cannot be read as a whole is one file that is refused.
    """
    raw = str(path).encode("utf-8", "surrogateescape")
    try:
        mtime_ns = path.stat().st_mtime_ns
        with contextlib.closing(opened(path)) as archive:
            for name, size, refused in _once(archive.entries()):
                why = refused or _name_refused(name) or pictures.other_by_name(name)
                if why or pictures.by_name(name):
                    yield Found(within(raw, name), size, mtime_ns, why)
    except (OSError, Unreadable, *BROKEN) as error:
        yield Found(raw, 0, 0, f"The archive cannot be read: {error}")


def _once(entries: Iterator[tuple[str, int, str]]) -> Iterator[tuple[str, int, str]]:
    """The entries, of bounded number; a second one of the same name cannot be told from the first."""
    seen: set[str] = set()
    for name, size, refused in entries:
        if len(seen) >= MOST_ENTRIES:
            raise Unusable(MANY)
        if name in seen:
            name, refused = f"{name} (again, {len(seen)})", TWICE  # noqa: PLW2901
        seen.add(name)
        yield name, size, refused


def _name_refused(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":"):
        return OUTSIDE
    return NESTED if name.lower().endswith(ENDINGS) else ""


def opened(path: Path) -> Archive:
    """Opens an archive by what it holds; raises as `zipfile` and `tarfile` do."""
    if zipfile.is_zipfile(path):
        return _Zip(path)
    return _Tar(path)


BROKEN: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, KeyError, MemoryError),
    *(zlib.error, lzma.LZMAError, struct.error, OverflowError, IndexError),
)


class _Zip:
    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)

    def entries(self) -> Iterator[tuple[str, int, str]]:
        for entry in self._zip.infolist():
            if not entry.is_dir():
                yield entry.filename, entry.file_size, self._refused(entry)

    @staticmethod
    def _refused(entry: zipfile.ZipInfo) -> str:
        if entry.flag_bits & _ENCRYPTED:
            return ENCRYPTED
        if stat.S_ISLNK(entry.external_attr >> 16):
            return LINK
        packed = max(entry.compress_size, 1)
        if entry.file_size > SMALL and entry.file_size / packed > MOST_RATIO:
            return BOMB
        return ""

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)

    def failed(self) -> None:
        """Each entry is read by itself."""

    def close(self) -> None:
        self._zip.close()


class _Entry(tarfile.TarInfo):
    """An entry's head; where one cannot be read, those behind it are not known."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As `tarfile.TarInfo.frombuf`; what that takes for the end, or reads whatever it costs, is an error."""
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it is cut off")
        try:
            made = super().frombuf(buf, encoding, errors)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"it is damaged ({error})") from error
        if made.type in _ABOUT and made.size > MOST_NAME:
            raise tarfile.ReadError("an entry's name is too long")
        return made


# Kinds of heads whose bytes are read into memory to be understood.
_ABOUT: Final = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class _Tar:
    """Read forward: a compressed one can only be read from its beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._most = max(READ_ANYWAY, MOST_RATIO * path.stat().st_size)
        self._begin()

    def _begin(self) -> None:
        self._tar = tarfile.open(self._path, "r|*", tarinfo=_Entry)  # noqa: SIM115
        self._ahead = self._forwards()

    def _forwards(self) -> Iterator[tarfile.TarInfo]:
        while (entry := self._tar.next()) is not None:
            self._tar.members.clear()  # type: ignore[attr-defined] # or all would be kept
            if self._tar.offset > self._most:  # where the next one would begin
                raise Unusable(BOMB)
            yield entry

    def entries(self) -> Iterator[tuple[str, int, str]]:
        for entry in self._ahead:
            if not entry.isdir():
                yield entry.name, entry.size, self._refused(entry)

    @staticmethod
    def _refused(entry: tarfile.TarInfo) -> str:
        if entry.issym() or entry.islnk():
            return LINK
        return "" if entry.isfile() else DEVICE

    def open(self, name: str) -> IO[bytes]:
        found = self._forward(name)
        if found is None:  # it may lie behind
            self._tar.close()
            self._begin()
            found = self._forward(name)
        if found is None:
            raise KeyError(name)
        return found

    def _forward(self, name: str) -> IO[bytes] | None:
        for entry in self._ahead:
            if entry.name == name and entry.isfile():
                return self._tar.extractfile(entry)
        return None

    def failed(self) -> None:
        self._ahead = iter(())  # the next one is looked for from the beginning

    def close(self) -> None:
        self._tar.close()
