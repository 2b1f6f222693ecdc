"""The worker's handle on its decoder process: a batch of images in, one uint8 array out.

Images and pixels lie in memory that both map (`inference.decoder_memory`); a byte each way says that a
batch is there, and that it is done (`inference.doorbell`). An image during which the process dies,
starves or does not end is refused, at once; the rest of its batch is decoded by the next process, which
is a fork of one that waits for that and decodes nothing itself (`inference.decoder_process`). Limits are
in `inference.sandbox`.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from common import logs
from common.parent import PARENT_VARIABLE
from inference import decoder_memory as at
from inference import sandbox
from inference.decoder_memory import Layout, Memory
from inference.doorbell import Doorbell
from inference.models.preprocessing import Preprocessing

ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
START_S: Final = (
    10.0  # to load Pillow, on a machine that starts much else at the same time
)
SPARE_S: Final = 0.5  # for its limits to end it before this side does
CLOSE_S: Final = 2.0
BETWEEN_S: Final = 5.0  # from one image's end until the next one has begun

log = logs.get(__name__)


@dataclass(frozen=True)
class Decoded:
    """What became of one image.

    Attributes:
        code: empty, or the code of the ``RequestError`` that it was refused with.
        ms: milliseconds it took.
        thumbnail: a JPEG, where one was wanted.
        width: of the picture, upright, as it was decoded (`inference.images.Picture`).
        height: likewise.
    """

    code: str
    ms: float
    thumbnail: bytes = b""
    width: int = 1
    height: int = 1


class Decoder:
    """One decoder process and the memory it shares with this one."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        max_batch: int,
        max_pixels: int,
        max_bytes: int,
    ) -> None:
        """Makes the memory; `start` starts the process.

        Args:
            preprocessing: what the network wants.
            max_batch: the most images that `decode` is given at once.
            max_pixels: images with more are refused.
            max_bytes: image files with more are refused.
        """
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        shape = (max_batch, preprocessing.height, preprocessing.width, 3)
        layout = Layout.of(max_batch, int(np.prod(shape[1:])), max_bytes)
        self._file = at.shared_file(layout.size)
        self._memory = Memory(self._file, layout)
        self._slots: NDArray[np.uint8] = np.frombuffer(
            self._memory.map, np.uint8, int(np.prod(shape)), layout.pixels_at
        ).reshape(shape)
        self._first: asyncio.subprocess.Process | None = None
        self._control: socket.socket
        self._bell: Doorbell | None = None
        self.pid: int | None = None  # of the process that decodes
        self.deaths = 0  # processes that an image ended
        # Rows of the round that are done, its end, and when the last was seen to be, by `time.monotonic`.
        self._done, self._end, self._done_at = 0, 0, time.monotonic()

    async def start(self) -> None:
        """Starts the first process and has it fork the one that decodes; returns when that is there.

        Raises:
            OSError, EOFError, TimeoutError: one of them did not come up.
        """
        self._control, theirs = socket.socketpair()
        recipe = msgspec.json.encode(self._preprocessing).decode()
        layout = msgspec.json.encode(self._memory.layout).decode()
        with theirs:
            self._first = await asyncio.create_subprocess_exec(
                # What Pillow warns of is an image's, and not for the log.
                *(sys.executable, "-W", "ignore", "-m", "inference.decoder_process"),
                *(str(theirs.fileno()), str(self._file)),
                *(layout, recipe, str(self._max_pixels)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._file),
                env=_environment(),
            )
        await self._fork()

    async def _fork(self) -> None:
        """Has the decoder so far ended and a new one forked; raises as `start` does."""
        if self._bell is not None:
            self._bell.close()
        ours, theirs = socket.socketpair()
        self._bell = Doorbell(ours)
        with theirs:
            socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        until = time.monotonic() + START_S
        await self._bell.answer(lambda: until - time.monotonic())
        self.pid = self._memory.state[at.PID]

    async def decode(
        self, images: Sequence[tuple[bytes | memoryview, int]]
    ) -> tuple[list[Decoded], NDArray[np.uint8]]:
        """Decodes a batch.

        Args:
            images: image files, each with the longest side of the thumbnail wanted (0: none).

        Returns:
            What became of each, in order; and the pixels of those that were decoded, in order,
            uint8 [N, height, width, 3], 0 to 255.
        """
        results: list[Decoded] = []
        while (first := len(results)) < len(images):
            if there := self._memory.put(first, images[first:]):
                await self._round(first + there, results)
            else:
                results.append(Decoded("too-large", 0.0))
        self._memory.trim()
        good = [slot for slot, result in enumerate(results) if not result.code]
        # A copy: 6 us an image, and the next batch may come while this one is with the engine.
        return results, self._slots[good]

    async def _round(self, end: int, results: list[Decoded]) -> None:
        """Decodes the images that are in the memory, up to the row `end`."""
        blameless = -1
        while (first := len(results)) < end:
            try:
                await self._run(first, end)
                done, begun = end, False
            except (OSError, EOFError, TimeoutError):
                # As it is now, whatever a process that is late still does until it is ended.
                state = self._memory.state
                done, begun = min(max(first, state[at.DONE]), end), state[at.BEGUN] > 0
                await self._again()
                # Without a begun image, what died was idle; twice in a row, it is the image after all.
                if not begun:
                    log.warning("the decoder died between images")
                    begun, blameless = done == blameless, done
            results += [self._result(index) for index in range(first, done)]
            if begun and done < end:
                self.deaths += 1
                length = self._memory.places[done].length
                log.warning("an image ended its decoder", bytes=length)
                results.append(Decoded("undecodable", 0.0))

    async def _run(self, first: int, end: int) -> None:
        """Has rows [first, end) decoded; raises as a doorbell does."""
        assert self._bell is not None
        state = self._memory.state
        state[at.FIRST], state[at.END], state[at.DONE] = first, end, first
        self._memory.tell(begun=0)
        self._done, self._end, self._done_at = first, end, time.monotonic()
        self._bell.ring()
        await self._bell.answer(self._patience_s)

    def _patience_s(self) -> float:
        """Seconds to wait until the decoder must be looked at again; none when it is late.

        Looked at often enough that no image begins and is late in between. What a decoder that was taken
        over writes can put that off, but not beyond the longest that an image may take.
        """
        state, now = self._memory.state, time.monotonic()
        if self._done < (done := min(state[at.DONE], self._end)):
            self._done, self._done_at = done, now
        header_s = sandbox.wall_s(0) + SPARE_S
        largest_s = sandbox.wall_s(self._max_pixels) + SPARE_S
        allowed_s = BETWEEN_S
        if state[at.BEGUN]:
            pixels = min(state[at.PIXELS], self._max_pixels)
            allowed_s = sandbox.wall_s(pixels) + SPARE_S
        left_s = allowed_s - (time.monotonic_ns() - state[at.AT]) / 1e9
        longest_s = BETWEEN_S + header_s + largest_s
        left_s = min(left_s, self._done_at + longest_s - now)
        return min(left_s, BETWEEN_S, header_s)

    def _result(self, index: int) -> Decoded:
        """What became of an image that is done, from its row."""
        memory = self._memory
        row = memory.state[memory.row(index) :][: at.ROW]
        code = at.CODES[min(row[at.CODE], len(at.CODES) - 1)]
        place, length = memory.places[index], row[at.THUMBNAIL]
        start = place.offset + place.length
        thumbnail = memory.map[start : start + length] if length <= place.room else b""
        sides = (max(1, row[at.WIDTH]), max(1, row[at.HEIGHT]))
        return Decoded(code, row[at.MICROS] / 1000, thumbnail, *sides)

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
        if self._bell is not None:
            self._bell.close()
            self._bell = None
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
