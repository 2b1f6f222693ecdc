"""A file's bytes, under a bound, wherever it lies."""

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from client.collection import archives
from client.collection.records import apart
from client.errors import Unreadable

LARGEST: Final = 20_000_000  # bytes; what a Pictor takes unless it is told otherwise


class TooLarge(Unreadable):
    """More bytes than are taken."""


class Reader:
    """Reads files in the order that they were found in; one archive stays open. A context manager."""

    def __init__(self, largest: int = LARGEST) -> None:
        """Takes the most bytes that a file may have."""
        self._largest = largest
        self._name = b""
        self._archive: archives.Archive | None = None

    def read(self, path: bytes) -> bytes:
        """The bytes of a file, or of an archive's entry (`client.collection.records.Found`).

        Raises:
            TooLarge: there are more than may be.
            Unreadable: it is gone, forbidden or damaged; the message says which.
        """
        archive, name = apart(path)
        try:
            if not name:
                with open(archive, "rb") as file:  # noqa: PTH123 - bytes are no Path
                    return self._bounded(file)
            with self._opened(archive).open(name) as file:
                return self._bounded(file)
        except OSError as error:
            raise Unreadable(
                f"It cannot be read: {error.strerror or error}."
            ) from error
        except archives.BROKEN as error:
            if self._archive is not None:
                self._archive.failed()
            raise Unreadable(f"The archive is damaged here: {_told(error)}.") from error

    def _bounded(self, file: IO[bytes]) -> bytes:
        """All bytes; where there are too many, no more are held than show it."""
        data = file.read(self._largest + 1)
        if len(data) > self._largest:
            raise TooLarge(
                f"It has more than {self._largest / 1e6:g} MB; save it smaller."
            )
        return data

    def _opened(self, name: bytes) -> archives.Archive:
        if self._archive is None or name != self._name:
            self._close()
            self._archive = archives.opened(Path(os.fsdecode(name)))
            self._name = name
        return self._archive

    def _close(self) -> None:
        if self._archive is not None:
            with contextlib.suppress(OSError):  # it was only read
                self._archive.close()
        self._archive = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()


def _told(error: Exception) -> str:
    """Some of these say nothing."""
    return str(error).rstrip(".") or type(error).__name__
