"""The worker's handle on its decoder process: a batch of images in, one uint8 array out.

The images are sent over a socket pair, the pixels come back in memory that both map. An image during
which the process dies, starves or does not end is refused, at once; the rest of its batch is decoded
by the next process, which is a fork of one that waits for that and decodes nothing itself. Frames are
in `inference.decoder_process`, limits in `inference.sandbox`.
"""

import asyncio
import mmap
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from common import logs
from common.parent import PARENT_VARIABLE
from inference import sandbox
from inference.decoder_process import BEGUN, FRAME, JOB, OK, OPENED, READY, REFUSED
from inference.models.preprocessing import Preprocessing

ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
START_S: Final = (
    10.0  # to load Pillow, on a machine that starts much else at the same time
)
SPARE_S: Final = 0.5  # for its limits to end it before this side does
CLOSE_S: Final = 2.0
BETWEEN_S: Final = 5.0  # from one image's end until the next one's bytes have crossed

log = logs.get(__name__)


@dataclass(frozen=True)
class Decoded:
    """What became of one image.

    Attributes:
        code: empty, or the code of the ``RequestError`` that it was refused with.
        ms: milliseconds it took.
        thumbnail: a JPEG, where one was wanted.
    """

    code: str
    ms: float
    thumbnail: bytes = b""


class Decoder:
    """One decoder process and the memory it shares with this one."""

    def __init__(
        self, preprocessing: Preprocessing, max_batch: int, max_pixels: int
    ) -> None:
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        shape = (max_batch, preprocessing.height, preprocessing.width, 3)
        self._file = _shared_file(int(np.prod(shape)))
        self._memory = mmap.mmap(self._file, 0)
        self._slots: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8).reshape(
            shape
        )
        self._first: asyncio.subprocess.Process | None = None
        self._control: socket.socket
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._begun = False  # an image is being decoded
        self.pid: int | None = None  # of the process that decodes
        self.deaths = 0  # processes that an image ended

    async def start(self) -> None:
        """Starts the first process and has it fork the one that decodes; returns when that is there.

        Raises:
            OSError, EOFError, TimeoutError: one of them did not come up.
        """
        self._control, theirs = socket.socketpair()
        recipe = msgspec.json.encode(self._preprocessing).decode()
        with theirs:
            self._first = await asyncio.create_subprocess_exec(
                # What Pillow warns of is an image's, and not for the log.
                *(sys.executable, "-W", "ignore", "-m", "inference.decoder_process"),
                *(str(theirs.fileno()), str(self._file)),
                *(recipe, str(self._max_pixels)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._file),
                env=_environment(),
            )
        await self._fork()

    async def _fork(self) -> None:
        """Has the decoder so far ended and a new one forked; raises as `start` does."""
        if self._writer is not None:
            self._writer.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        state, self.pid, _ = await self._receive(START_S)
        assert state == READY

    async def decode(
        self, images: Sequence[tuple[bytes, int]]
    ) -> tuple[list[Decoded], NDArray[np.uint8]]:
        """Decodes a batch.

        Args:
            images: image files, each with the longest side of the thumbnail wanted (0: none).

        Returns:
            What became of each, in order; and the pixels of those that were decoded, in order,
            uint8 [N, height, width, 3], 0 to 255.
        """
        results: list[Decoded] = []
        blameless = 0
        while len(results) < len(images):
            try:
                await self._decode_from(len(results), images, results)
            except (OSError, EOFError, TimeoutError):
                begun, self._begun = self._begun, False
                await self._again()
                # Without a begun image, what died was idle; twice in a row, it is the image after all.
                if begun or blameless:
                    self.deaths += 1
                    log.warning(
                        "an image ended its decoder", bytes=len(images[len(results)][0])
                    )
                    results.append(Decoded("undecodable", 0.0))
                    blameless = 0
                else:
                    log.warning("the decoder died between images")
                    blameless += 1
        good = [slot for slot, result in enumerate(results) if not result.code]
        return results, self._slots[good]

    async def _decode_from(
        self, first: int, images: Sequence[tuple[bytes, int]], results: list[Decoded]
    ) -> None:
        sending = asyncio.create_task(self._send(first, images))
        allowed_s = BETWEEN_S
        try:
            while len(results) < len(images):
                state, number, payload = await self._receive(allowed_s)
                self._begun = state in {BEGUN, OPENED}
                if self._begun:
                    allowed_s = sandbox.wall_s(number) + SPARE_S
                    continue
                allowed_s = BETWEEN_S
                code = payload.decode() if state == REFUSED else ""
                thumbnail = payload if state == OK else b""
                results.append(Decoded(code, number / 1000, thumbnail))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _receive(self, within_s: float) -> tuple[int, int, bytes]:
        """A frame of the decoder's: its state, a number, and what comes with it."""
        async with asyncio.timeout(within_s):
            head = await self._reader.readexactly(FRAME.size)
            state, number, length = FRAME.unpack(head)
            return state, number, await self._reader.readexactly(length)

    async def _send(self, first: int, images: Sequence[tuple[bytes, int]]) -> None:
        assert self._writer is not None
        for slot, (data, thumbnail_px) in enumerate(images[first:], first):
            self._writer.write(JOB.pack(slot, thumbnail_px, len(data)))
            self._writer.write(data)
            await self._writer.drain()

    async def _again(self) -> None:
        """A new decoder, and where there is nobody to fork it, all anew."""
        try:
            await self._fork()
        except (OSError, EOFError, TimeoutError) as error:
            log.warning("the decoder's first process has gone", reason=repr(error))
            await self.close()
            await self.start()

    async def close(self) -> None:
        """Ends both processes."""
        if self._first is None:
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._control.close()  # it ends the decoder, then itself
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._first.wait()
        except TimeoutError:
            self._first.kill()
            await self._first.wait()


def _environment() -> dict[str, str]:
    """What the decoder needs to start; no address or password of anything."""
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return kept | {PARENT_VARIABLE: str(os.getpid())}


def _shared_file(size: int) -> int:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pictor-pixels")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
