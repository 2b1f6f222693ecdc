"""The run: what is left in the ledger is read, classified and written down, until nothing is left.

Bytes that are known already are not classified again, and equal ones that are under way are classified
once. What has ended is committed every half second: that much is done again after a crash, and no more.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from client.collection.answering import Answerer, Ended, Failed, Picture
from client.collection.ledger import Ledger
from client.collection.reading import Reader, TooLarge
from client.collection.records import Row
from client.errors import Unreadable
from common.errors import EmptyFile

COMMIT_S: Final = 0.5
AT_ONCE: Final = 64  # rows read from the ledger
READ_AT_ONCE: Final = 4  # files read from the disk, ahead of those who classify


@dataclass
class Tally:
    """What has become of the files so far, in this run.

    Attributes:
        bytes: of files that were read.
        reused: files whose bytes were known; the others that are done were classified.
    """

    done: int = 0
    failed: int = 0
    reused: int = 0
    bytes: int = 0


@dataclass
class Run:
    """One run; `stop` ends it in order, with what is under way finished."""

    ledger: Ledger
    reader: Reader
    answerer: Answerer
    tally: Tally = field(default_factory=Tally)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _same: dict[bytes, list[int]] = field(default_factory=dict)
    _committed_at: float = 0.0

    async def go(self) -> None:
        """Goes through what is left; raises as `Answerer.classify` does.

        However it ends, what has ended until then is kept.
        """
        self._committed_at = time.monotonic()
        try:
            async with aclosing(self.answerer.classify(self._pictures())) as source:
                async for ended in source:
                    self._write(ended)
                    self._commit_in_time()
        finally:
            self.ledger.commit()

    async def _pictures(self) -> AsyncIterator[Picture]:
        """Those that have to be classified; the others end on the way."""
        after = 0
        while rows := self.ledger.left(after, AT_ONCE):
            after = rows[-1].number
            for first in range(0, len(rows), READ_AT_ONCE):
                if self.stop.is_set():
                    return
                together = rows[first : first + READ_AT_ONCE]
                for read in await asyncio.to_thread(self._read, together):
                    picture = self._readable(read)
                    if picture is not None and not self._known(picture):
                        yield picture
                    self._commit_in_time()

    def _read(self, rows: Sequence[Row]) -> list[Picture | tuple[int, Failed]]:
        """Some files' bytes; in a thread, since a disk may be slow."""
        found: list[Picture | tuple[int, Failed]] = []
        for row in rows:
            try:
                data = self.reader.read(row.path)
                if not data:
                    raise EmptyFile
            except TooLarge as error:
                found.append((row.number, Failed("too-large", str(error))))
            except EmptyFile as error:
                found.append((row.number, Failed(error.code, error.detail)))
            except Unreadable as error:
                found.append((row.number, Failed("unreadable", str(error))))
            else:
                digest = hashlib.sha256(data).digest()
                found.append(Picture(row.number, digest, data))
        return found

    def _readable(self, read: Picture | tuple[int, Failed]) -> Picture | None:
        """A file's bytes, or None where it has failed, which is written down."""
        if isinstance(read, Picture):
            self.tally.bytes += len(read.data)
            return read
        self._fail(*read)
        return None

    def _known(self, picture: Picture) -> bool:
        """Whether nobody needs to classify it: its bytes are known, or on their way."""
        if (waiting := self._same.get(picture.digest)) is not None:
            waiting.append(picture.number)
            return True
        place = self.ledger.known(picture.digest, self.answerer.model_digest)
        if place is None:
            self._same[picture.digest] = []
            return False
        self._done(picture.number, place)
        self.tally.reused += 1
        return True

    def _write(self, ended: Ended) -> None:
        same = self._same.pop(ended.digest, [])
        if isinstance(ended.outcome, Failed):
            for number in (ended.number, *same):
                self._fail(number, ended.outcome)
            return
        self.ledger.begin()
        place = self.ledger.done(ended.number, ended.outcome)
        self.tally.done += 1
        for number in same:
            self._done(number, place)
            self.tally.reused += 1

    def _done(self, number: int, place: int) -> None:
        self.ledger.begin()
        self.ledger.done(number, place)
        self.tally.done += 1

    def _fail(self, number: int, failed: Failed) -> None:
        self.ledger.begin()
        self.ledger.failed(number, failed.code, failed.reason)
        self.tally.failed += 1

    def _commit_in_time(self) -> None:
        now = time.monotonic()
        if now - self._committed_at >= COMMIT_S:
            self.ledger.commit()
            self._committed_at = now
