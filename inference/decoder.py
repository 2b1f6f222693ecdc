"""The worker's handle on its decoder process: a batch of images in, one uint8 array out.

The images are sent over a socket pair, the pixels come back in memory that both map. An image during
which the process dies, starves or does not end is refused, at once; the rest of its batch is decoded
by the next process. Limits and frames are in `inference.decoder_process`.
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
from inference.decoder_process import BEGUN, DONE, JOB, OK, REFUSED
from inference.models.preprocessing import Preprocessing

ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
SLOWEST_PIXELS_PER_S: Final = 20e6
LEAST_CPU_S: Final = 2.0
SPARE_WALL_S: Final = 2.0  # an image may wait for a core

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
        self._cpu_s = LEAST_CPU_S + max_pixels / SLOWEST_PIXELS_PER_S
        shape = (max_batch, preprocessing.height, preprocessing.width, 3)
        self._file = _shared_file(int(np.prod(shape)))
        self._memory = mmap.mmap(self._file, 0)
        self._slots: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8).reshape(
            shape
        )
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._begun = False  # an image is being decoded
        self.deaths = 0  # processes that an image ended

    @property
    def pid(self) -> int | None:
        """The process that decodes, if one has been started."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Starts the process; it is ready when it answers."""
        ours, theirs = socket.socketpair()
        recipe = msgspec.json.encode(self._preprocessing).decode()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "inference.decoder_process"),
                *(str(theirs.fileno()), str(self._file)),
                *(recipe, str(self._max_pixels), repr(self._cpu_s)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._file),
                env=_environment(),
            )
        ours.setblocking(False)
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

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
            except (OSError, EOFError, TimeoutError) as error:
                await self._restart()
                # Without a begun image, what died was idle; twice in a row, it is the image after all.
                if self._begun or isinstance(error, TimeoutError) or blameless:
                    self.deaths += 1
                    log.warning(
                        "an image ended its decoder", bytes=len(images[len(results)][0])
                    )
                    results.append(Decoded("undecodable", 0.0))
                    blameless = 0
                else:
                    log.warning("the decoder died between images")
                    blameless += 1
                self._begun = False
        good = [slot for slot, result in enumerate(results) if not result.code]
        return results, self._slots[good]

    async def _decode_from(
        self, first: int, images: Sequence[tuple[bytes, int]], results: list[Decoded]
    ) -> None:
        sending = asyncio.create_task(self._send(first, images))
        try:
            while len(results) < len(images):
                async with asyncio.timeout(self._cpu_s + SPARE_WALL_S):
                    state, micros, payload = await self._receive()
                self._begun = state == BEGUN
                if state == OK:
                    results.append(Decoded("", micros / 1000, payload))
                elif state == REFUSED:
                    results.append(Decoded(payload.decode(), micros / 1000))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _receive(self) -> tuple[int, int, bytes]:
        """A frame of the decoder's: its state, microseconds, and what comes with it."""
        head = await self._reader.readexactly(DONE.size)
        state, micros, length = DONE.unpack(head)
        return state, micros, await self._reader.readexactly(length)

    async def _send(self, first: int, images: Sequence[tuple[bytes, int]]) -> None:
        for slot, (data, thumbnail_px) in enumerate(images[first:], first):
            self._writer.write(JOB.pack(slot, thumbnail_px, len(data)))
            self._writer.write(data)
            await self._writer.drain()

    async def _restart(self) -> None:
        await self.close()
        await self.start()

    async def close(self) -> None:
        """Ends the process."""
        if self._process is None:
            return
        self._writer.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


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
