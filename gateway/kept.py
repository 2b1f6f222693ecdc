"""Pictures that people gave with their reports: files by digest, for a number of days, then gone.

A file is ``<SHA-256 of its bytes>.<jpg, png, gif or webp>``. Several reports may be about one picture;
which of them had it kept stands in Redis (``keys.KEPT``), so that it goes with the last of them. Nothing
here opens a picture: its first bytes say what it is. Files are read and written in threads.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from common import formats, keys, logs, process
from common.connections import Keeper
from common.errors import CannotKeep, KeepingOff, NotAnImage, OtherPicture
from common.link import LinkLost, ReplyError
from gateway.feedback import Entry

DAY_S: Final = 86_400
SWEEP_S: Final = 3600.0
PART_S: Final = 3600.0  # a file that has been written for so long never will be
SPARE_BYTES: Final = 1_000_000_000  # of the disk that pictures leave to others
EXTENSIONS: Final = ("jpg", "png", "gif", "webp")
_KEPT: Final = re.compile(rf"([0-9a-f]{{64}})\.(?:{'|'.join(EXTENSIONS)})")
_PART: Final = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.part")

log = logs.get(__name__)


class Kept:
    """The folder of kept pictures, and what ages in it."""

    def __init__(self, link: Keeper, folder: Path, days: int) -> None:
        """With 0 days nothing is kept, and what was kept before is removed."""
        self._link = link
        self._folder = folder
        self._sweeping: asyncio.Task[None] | None = None
        self.days = days

    def start(self) -> None:
        """Removes what is too old, now and every hour."""
        self._sweeping = asyncio.create_task(self._sweep_for_ever())
        process.essential(self._sweeping)

    async def stop(self) -> None:
        """Stops that."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)

    async def keep(self, entry: Entry, image: bytes) -> datetime:
        """Keeps the picture of a report; says until when.

        The report may be taken back meanwhile: look again after that, and `let_go`.

        Raises:
            KeepingOff: the setting says so.
            NotAnImage, OtherPicture: these bytes are not what the report is about.
            CannotKeep: the disk or the folder takes no more.
            LinkLost, ReplyError: Redis did not answer.
        """
        if not self.days:
            raise KeepingOff
        extension = formats.extension(image)
        if not extension:
            raise NotAnImage
        digest = await asyncio.to_thread(_digest, image)
        if digest != entry.report.digest:
            raise OtherPicture
        now = time.time()
        await self._link.call("ZADD", keys.KEPT, int(now * 1000), _mark(entry))
        path = self._folder / f"{digest.hex()}.{extension}"
        try:
            await asyncio.to_thread(_write, path, image)
        except OSError as error:
            log.error("a picture cannot be kept", reason=str(error))
            with contextlib.suppress(CannotKeep):  # there may be no folder to look in
                await self.let_go(entry)
            raise CannotKeep from error
        until = datetime.fromtimestamp(now, UTC) + timedelta(days=self.days)
        return until.replace(microsecond=0)

    async def let_go(self, entry: Entry) -> None:
        """Removes a report's picture unless another report has it kept; raises as `keep` does."""
        if not entry.report.digest:
            return
        digest = entry.report.digest.hex()
        _, marks = await self._link.calls(
            (("ZREM", keys.KEPT, _mark(entry)), ("ZRANGE", keys.KEPT, 0, -1))
        )
        if not any(mark.endswith(f":{digest}".encode()) for mark in marks):
            try:
                await asyncio.to_thread(_remove, self._folder, digest)
            except OSError as error:
                log.error("a kept picture cannot be removed", reason=str(error))
                raise CannotKeep(
                    "The report is still there, and so is its picture; tell the operator."
                ) from error

    async def files(self) -> dict[str, Path]:
        """The pictures that are there, by digest.

        Raises:
            CannotKeep: the folder cannot be read.
        """
        try:
            return await asyncio.to_thread(_files, self._folder)
        except OSError as error:
            log.error("the folder of kept pictures cannot be read", reason=str(error))
            raise CannotKeep("It cannot be read either; tell the operator.") from error

    async def marks(self) -> set[str]:
        """The ids of the entries whose picture is kept, or was; raises as `Keeper.calls` does."""
        marks = await self._link.call("ZRANGE", keys.KEPT, 0, -1)
        return {mark.decode().partition(":")[0] for mark in marks}

    async def _sweep_for_ever(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Removes what is older than it may be, and what no report has any more."""
        before = time.time() - self.days * DAY_S if self.days else float("inf")
        try:
            removed = await asyncio.to_thread(_remove_old, self._folder, before)
            if removed:
                log.info("kept pictures removed", pictures=removed)
        except OSError as error:
            log.error("kept pictures cannot be looked through", reason=str(error))
        latest = f"({int(before * 1000)}" if self.days else "+inf"
        try:
            await self._link.call("ZREMRANGEBYSCORE", keys.KEPT, "-inf", latest)
            await self._forget()
        except (LinkLost, ReplyError) as error:  # in an hour, then
            log.warning("marks of kept pictures stay for now", reason=str(error))
        except OSError as error:
            log.error("a kept picture cannot be removed", reason=str(error))

    async def _forget(self) -> None:
        """Lets go of pictures whose reports have made way for newer ones: nobody can any more."""
        oldest, found = await self._link.calls(
            (
                ("XRANGE", keys.FEEDBACK, "-", "+", "COUNT", 1),
                ("ZRANGE", keys.KEPT, 0, -1),
            )
        )
        if not oldest:  # the first report may come in between
            return
        first = _place(oldest[0][0])
        marks = [mark.partition(b":") for mark in found]
        gone = [mark for mark in marks if _place(mark[0]) < first]
        held = {mark[2] for mark in marks if _place(mark[0]) >= first}
        for digest in {mark[2] for mark in gone} - held:
            await asyncio.to_thread(_remove, self._folder, digest.decode())
        if gone:
            await self._link.call("ZREM", keys.KEPT, *map(b"".join, gone))


def _mark(entry: Entry) -> str:
    return f"{entry.id}:{entry.report.digest.hex()}"


def _place(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


def _digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()


def _write(path: Path, image: bytes) -> None:
    """All of it under its name, or nothing; only this user may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < SPARE_BYTES + len(image):
        raise OSError(f"less than {SPARE_BYTES // 1_000_000} MB of the disk are free")
    part = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part")
    try:
        part.touch(mode=0o600, exist_ok=False)
        with part.open("wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the reason why is on its way already
            part.unlink(missing_ok=True)
        raise


def _remove(folder: Path, digest: str) -> None:
    for extension in EXTENSIONS:
        (folder / f"{digest}.{extension}").unlink(missing_ok=True)


def _files(folder: Path) -> dict[str, Path]:
    found = ((_KEPT.fullmatch(path.name), path) for path in _listed(folder))
    return {match[1]: path for match, path in found if match}


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:  # nothing was kept yet
        return []


def _remove_old(folder: Path, before: float) -> int:
    """Removes our files, and no others, last written before then; says how many."""
    removed = 0
    for path in _listed(folder):
        kept = _KEPT.fullmatch(path.name)
        if kept is None and _PART.fullmatch(path.name) is None:
            continue
        limit = before if kept else time.time() - PART_S
        with contextlib.suppress(FileNotFoundError):  # another gateway was faster
            if path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
    return removed
