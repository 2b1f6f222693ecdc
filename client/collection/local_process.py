"""One process of `client.collection.local`: pictures in, predictions out, over its standard streams.

A batch is decoded (in a sandboxed child, as the workers do), then the engine runs it: with a process on
each core, to decode meanwhile would only have both take turns on it. On the way in and out are MessagePack
messages, each after its length in four bytes; the end of the input ends it.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from client.answers import Prediction
from client.collection.looks import number
from common import logs, phash
from common.errors import StartError
from common.parent import end_with_parent
from common.settings import Settings
from inference.batcher import Cost
from inference.start import Parts, open_parts, served_digest, warm_up

LENGTH: Final = 4  # bytes that a message's length takes


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What became of a picture: predictions, or why not; milliseconds; and how it looks."""

    predictions: tuple[Prediction, ...] = ()
    code: str = ""
    ms: float = 0.0
    looks: int | None = None


class Ready(msgspec.Struct, frozen=True, array_like=True):
    """The first message out: what answers."""

    model: str
    model_digest: str


class Start(msgspec.Struct, frozen=True, array_like=True):
    """The first message in."""

    settings: Settings
    threads: int
    top_k: int


_encoder: Final = msgspec.msgpack.Encoder()


async def read(stream: asyncio.StreamReader) -> bytes | None:
    """The next message; None at the end."""
    try:
        length = int.from_bytes(await stream.readexactly(LENGTH), "little")
        return await stream.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def framed(message: Any) -> bytearray:
    """A message as it travels."""
    data = bytearray(LENGTH)
    _encoder.encode_into(message, data, LENGTH)
    data[:LENGTH] = (len(data) - LENGTH).to_bytes(LENGTH, "little")
    return data


class Process:
    """Engine and decoder, and the loop between them."""

    def __init__(self, parts: Parts, top_k: int) -> None:
        self._parts, self._top_k = parts, top_k
        self._labels = parts.spec.labels
        self._engine = ThreadPoolExecutor(1)

    async def run(
        self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter
    ) -> None:
        """Works until the input ends and all that came is answered."""
        batches: asyncio.Queue[list[memoryview] | None] = asyncio.Queue()
        reading = asyncio.create_task(_feed(incoming, batches))
        while (batch := await batches.get()) is not None:
            results = await self._results(batch)
            try:
                outgoing.write(framed(results))
                await outgoing.drain()
            except ConnectionError:  # the parent was killed: nobody is left to tell
                return
        await reading

    async def _results(self, batch: list[memoryview]) -> list[Result]:
        """What becomes of each picture of a batch, in their order."""
        started = time.perf_counter()
        decoded, pixels = await self._parts.decoder.decode([(one, 0) for one in batch])
        ms = (time.perf_counter() - started) * 1000 / len(batch)
        inferred: Iterable[Result] = ()
        if len(pixels):
            loop = asyncio.get_running_loop()
            inferred = await loop.run_in_executor(self._engine, self._infer, pixels, ms)
        following = iter(inferred)
        return [
            Result(code=one.code) if one.code else next(following) for one in decoded
        ]

    def _infer(self, pixels: NDArray[np.uint8], decode_ms: float) -> list[Result]:
        started = time.perf_counter()
        rows = self._parts.engine.run(pixels)
        ms = (time.perf_counter() - started) * 1000 / len(pixels) + decode_ms
        return [
            Result(
                *(self._predictions(row), "", round(ms, 2)),
                number(phash.of_pixels(image)),
            )
            for row, image in zip(rows, pixels, strict=True)
        ]

    def _predictions(self, row: NDArray[np.float32]) -> tuple[Prediction, ...]:
        """The most probable categories of a row of probabilities, float32 [classes]."""
        best = np.argpartition(row, -self._top_k)[-self._top_k :]
        best = best[np.argsort(-row[best], kind="stable")]
        return tuple(
            Prediction(
                *(self._labels[at].wnid, self._labels[at].label),
                *(self._labels[at].description, float(row[at])),
            )
            for at in best.tolist()
        )


async def _feed(
    incoming: asyncio.StreamReader, batches: "asyncio.Queue[list[memoryview] | None]"
) -> None:
    decoder = msgspec.msgpack.Decoder(list[memoryview])
    try:
        while (message := await read(incoming)) is not None:
            batches.put_nowait(decoder.decode(message))  # the parent bounds how many
    finally:
        batches.put_nowait(None)


def _own_output() -> IO[bytes]:
    """Where messages go out; what libraries print goes to stderr, or it would lie between them."""
    out = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    return out


async def _main(out: IO[bytes]) -> None:
    loop = asyncio.get_running_loop()
    incoming = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(incoming), sys.stdin
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, out
    )
    outgoing = asyncio.StreamWriter(transport, protocol, None, loop)
    first = await read(incoming)
    if first is None:  # the parent has given up
        return
    start = msgspec.msgpack.decode(first, type=Start)
    parts = open_parts(start.settings, start.threads)
    warm_up(parts.engine, parts.spec.preprocessing, Cost(), parts.max_batch)
    await parts.decoder.start()
    digest = served_digest(parts.spec, parts.engine)
    outgoing.write(framed(Ready(parts.spec.name, digest)))
    try:
        await Process(parts, min(start.top_k, parts.engine.classes)).run(
            incoming, outgoing
        )
    finally:
        await parts.decoder.close()


def main() -> None:
    """What the parent starts."""
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to hear
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logs.set_up("local", "error")  # pictures that fail are listed at the end
    try:
        asyncio.run(_main(_own_output()))
    except StartError as error:
        sys.exit(f"pictor: {error}")


if __name__ == "__main__":
    main()
