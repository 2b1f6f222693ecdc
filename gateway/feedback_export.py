"""Reports and kept pictures to take away: JSON Lines, and a zip that is made while it is sent.

Memory holds one piece at a time, however many there are; the disk holds nothing more.
"""

import asyncio
import io
import os
import re
import time
import zipfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import IO, Final

import msgspec

from common.connections import Keeper
from gateway import feedback
from gateway.feedback import Entry
from gateway.kept import Kept

PIECE_BYTES: Final = 256 * 1024
UNLABELLED: Final = "_unlabelled"  # nobody said what is in it
LONGEST_FOLDER: Final = 100  # characters
_ODD: Final = re.compile(r"[^\w' -]+")
_RESERVED: Final = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)  # Windows


class Line(msgspec.Struct, frozen=True):
    """A report in an export; ``when`` is ISO 8601, UTC. Nothing in it lets anybody take it back."""

    when: str
    request_id: str
    verdict: str
    answered: str
    label: str
    text: str
    score: float | None
    model_digest: str
    digest: str
    kept: bool


async def lines(link: Keeper, kept: Kept) -> AsyncGenerator[bytes, None]:
    """All reports, the oldest first, one a line, in pieces.

    Raises as `Keeper.calls` and `Kept.files` do.
    """
    marks, files = await kept.marks(), await kept.files()
    async for entries in feedback.walk(link):
        yield _written(entries, marks, files)


async def archive(link: Keeper, kept: Kept) -> AsyncGenerator[bytes, None]:
    """A zip: ``reports.jsonl``, and each kept picture as ``<category>/<digest>.<extension>``.

    Of several reports about one picture the newest says what is in it. A picture that goes while this
    is made is left out. Raises as `Keeper.calls` and `Kept.files` do.
    """
    marks, files = await kept.marks(), await kept.files()
    made = _Archive()
    folders: dict[str, str] = {}
    made.begin("reports.jsonl", time.time(), zipfile.ZIP_DEFLATED)
    async for entries in feedback.walk(link):
        text = _written(entries, marks, files)
        yield await asyncio.to_thread(made.write, text)
        for entry in entries:
            digest = entry.report.digest.hex()
            if entry.id in marks and digest in files:
                folders[digest] = folder(entry)
    yield made.end()
    for digest, name in folders.items():
        path = files[digest]
        async with aclosing(_picture(made, f"{name}/{path.name}", path)) as pieces:
            async for piece in pieces:
                yield piece
    yield made.close()


async def _picture(
    made: "_Archive", name: str, path: Path
) -> AsyncGenerator[bytes, None]:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError:  # taken back, or too old by now
        return
    with file:
        # Of the open file: its name may be gone by now.
        made.begin(name, os.fstat(file.fileno()).st_mtime, zipfile.ZIP_STORED)
        while data := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield await asyncio.to_thread(made.write, data)
        yield made.end()


def folder(entry: Entry) -> str:
    """The folder of a report's picture: its category, as a name that is safe everywhere."""
    report = entry.report
    category = report.answered if report.verdict == "right" else report.label
    name = _ODD.sub("_", category).strip(" '")[:LONGEST_FOLDER].strip()
    return f"{name}_" if _RESERVED.fullmatch(name) else name or UNLABELLED


def _written(
    entries: Iterable[Entry], marks: set[str], files: dict[str, Path]
) -> bytes:
    return b"".join(
        msgspec.json.encode(_line(entry, marks, files)) + b"\n" for entry in entries
    )


def _line(entry: Entry, marks: set[str], files: dict[str, Path]) -> Line:
    report = entry.report
    digest = report.digest.hex()
    return Line(
        entry.when,
        report.request_id,
        report.verdict,
        report.answered,
        report.label,
        report.text,
        report.score,
        report.model_digest,
        digest,
        entry.id in marks and digest in files,
    )


class _Archive:
    """A zip that is handed on as it grows: each call returns what has come since the last."""

    def __init__(self) -> None:
        self._out = _Pipe()
        self._zip = zipfile.ZipFile(self._out, "w")
        self._entry: IO[bytes] | None = None

    def begin(self, name: str, written_at: float, method: int) -> None:
        # The format knows no time before 1980.
        when = max(time.gmtime(written_at)[:6], (1980, 1, 1, 0, 0, 0))
        info = zipfile.ZipInfo(name, when)
        info.compress_type = method
        info.external_attr = 0o644 << 16
        self._entry = self._zip.open(info, "w")

    def write(self, data: bytes) -> bytes:
        assert self._entry is not None
        self._entry.write(data)
        return self._out.taken()

    def end(self) -> bytes:
        assert self._entry is not None
        self._entry.close()
        return self._out.taken()

    def close(self) -> bytes:
        self._zip.close()
        return self._out.taken()


class _Pipe(io.RawIOBase):
    """What is written waits until it is taken; nobody can go back in it."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        written = bytes(data)  # type: ignore[call-overload]
        self._waiting.append(written)
        return len(written)

    def taken(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data
