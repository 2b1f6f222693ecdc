"""What the parts of a collection hand to each other, and what its ledger holds."""

import os
from typing import Final, Literal

import msgspec

from client.answers import Prediction

Status = Literal["left", "done", "failed"]
STATUSES: Final[tuple[Status, ...]] = ("left", "done", "failed")
WITHIN: Final = b"\0"  # between an archive's path and an entry's name; no path has it


class Found(msgspec.Struct, frozen=True):
    """A file of the collection, as it was found.

    Attributes:
        path: absolute, as the file system spells it; of an entry of an archive its path, a zero
            byte, and the entry's name.
        size: bytes; of an entry what the archive says, which may be a lie.
        mtime_ns: of the file, or of the archive.
        refused: why it will not be read (an entry that points outside its archive, say); empty:
            it will.
    """

    path: bytes
    size: int
    mtime_ns: int
    refused: str = ""

    @property
    def shown(self) -> str:
        """The path for people and files: bytes that are no text are written as escapes."""
        return shown(self.path)


class Content(msgspec.Struct, frozen=True):
    """What was found out about the bytes of one or more files.

    Attributes:
        digest: SHA-256, 32 bytes.
        size: bytes.
        predictions: the most probable first.
        model: its name.
        model_digest: of its weights and preprocessing.
        ms: decode and inference, milliseconds.
        looks: a perceptual hash (`common.phash`), 64 bits as a signed integer; None where it has none.
    """

    digest: bytes
    size: int
    predictions: tuple[Prediction, ...]
    model: str
    model_digest: str
    ms: float
    looks: int | None = None


class Row(msgspec.Struct, frozen=True):
    """A file and how it ended; `content` and `duplicate_of` only where it is done.

    Attributes:
        number: its place in the ledger, from 1.
        code: why it failed, as a stable slug; empty otherwise.
        reason: the same in words, with what to do.
        duplicate_of: the path of the first file with the same bytes; None for that one itself.
    """

    number: int
    path: bytes
    status: Status
    size: int
    mtime_ns: int
    code: str = ""
    reason: str = ""
    content: Content | None = None
    duplicate_of: bytes | None = None

    @property
    def shown(self) -> str:
        """As `Found.shown`."""
        return shown(self.path)


def within(archive: bytes, name: str) -> bytes:
    """The path of an archive's entry."""
    return archive + WITHIN + name.encode("utf-8", "surrogateescape")


def apart(path: bytes) -> tuple[bytes, str]:
    """A file's own path, and the entry's name where it is an archive; empty where it is none."""
    archive, _, name = path.partition(WITHIN)
    return archive, name.decode("utf-8", "surrogateescape")


def shown(path: bytes) -> str:
    """A path for people and files: ``<archive>::<entry>``; bytes that are no text are escaped."""
    text = os.fsdecode(path.replace(WITHIN, b"::"))
    return text.encode("utf-8", "backslashreplace").decode()
