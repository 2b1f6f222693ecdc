"""The entries of zip and tar archives: which are pictures, which are refused and why, and their bytes.

Nothing is ever unpacked to a disk: an entry is read into memory, under a bound, and its name is only
a name. What an archive says of its entries is not believed: sizes are counted while reading.
"""

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from client.collection import pictures, tars
from client.collection.packed import MANY, NESTED, OUTSIDE, TWICE, Archive, Unusable
from client.collection.records import Found, within
from client.collection.zips import Zip
from client.errors import Unreadable

__all__ = ["Archive", "find", "is_archive", "opened"]
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
    seen: set[int] = set()  # hashes, or a million long names would be kept
    for name, size, refused in entries:
        if len(seen) >= MOST_ENTRIES:
            raise Unusable(MANY)
        if hash(name) in seen:
            name, refused = f"{name} (again, {len(seen)})", TWICE  # noqa: PLW2901
        seen.add(hash(name))
        yield name, size, refused


def _name_refused(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":"):
        return OUTSIDE
    return NESTED if name.lower().endswith(ENDINGS) else ""


def opened(path: Path) -> Archive:
    """Opens an archive by what it holds; raises as `zipfile` and `tarfile` do."""
    if not tars.begins(path) and zipfile.is_zipfile(path):
        return Zip(path)
    return tars.Tar(path)  # also one that ends with a zip


BROKEN: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, KeyError, MemoryError),
    *(zlib.error, lzma.LZMAError, struct.error, OverflowError, IndexError),
)
