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

BATCH: Final = 8  # images; the rate is flat from 4 on (docs/performance.md)


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A picture to classify; `number` comes back with its end."""

    number: int
    data: bytes


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What became of it: predictions, or why not; milliseconds; and how it looks."""

    number: int
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


async def read(stream: asyncio.StreamReader) -> bytes | None:
    """The next message; None at the end."""
    try:
        length = int.from_bytes(await stream.readexactly(4), "little")
        return await stream.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def framed(message: Any) -> bytes:
    """A message as it travels."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(4, "little") + data


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
        tasks: asyncio.Queue[Task | None] = asyncio.Queue()
        reading = asyncio.create_task(_feed(incoming, tasks))
        more = True
        while more:
            batch, more = await _batch(tasks)
            if batch:
                await self._answer(await self._decode(batch), outgoing)
        await reading

    async def _decode(
        self, batch: list[Task]
    ) -> tuple[list[Task], list[Result], NDArray[np.uint8], float]:
        """Those that can be run, the ends of the others, pixels uint8 [N, H, W, 3], ms an image."""
        started = time.perf_counter()
        results, pixels = await self._parts.decoder.decode(
            [(one.data, 0) for one in batch]
        )
        ms = (time.perf_counter() - started) * 1000 / len(batch)
        pairs = list(zip(batch, results, strict=True))
        good = [task for task, result in pairs if not result.code]
        bad = [Result(task.number, code=one.code) for task, one in pairs if one.code]
        return good, bad, pixels, ms

    async def _answer(
        self,
        decoded: tuple[list[Task], list[Result], NDArray[np.uint8], float],
        outgoing: asyncio.StreamWriter,
    ) -> None:
        tasks, results, pixels, decode_ms = decoded
        if tasks:
            loop = asyncio.get_running_loop()
            results += await loop.run_in_executor(
                self._engine, self._infer, tasks, pixels, decode_ms
            )
        for result in results:
            outgoing.write(framed(result))
        await outgoing.drain()

    def _infer(
        self, tasks: list[Task], pixels: NDArray[np.uint8], decode_ms: float
    ) -> list[Result]:
        started = time.perf_counter()
        rows = self._parts.engine.run(pixels)
        ms = (time.perf_counter() - started) * 1000 / len(tasks) + decode_ms
        return [
            Result(
                task.number,
                self._predictions(row),
                "",
                round(ms, 2),
                number(phash.of_pixels(image)),
            )
            for task, row, image in zip(tasks, rows, pixels, strict=True)
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
    incoming: asyncio.StreamReader, tasks: "asyncio.Queue[Task | None]"
) -> None:
    decoder = msgspec.msgpack.Decoder(Task)
    while (message := await read(incoming)) is not None:
        tasks.put_nowait(decoder.decode(message))  # the parent bounds how many
    tasks.put_nowait(None)


async def _batch(tasks: "asyncio.Queue[Task | None]") -> tuple[list[Task], bool]:
    """What is there, at least one and at most BATCH; and whether more may come."""
    batch: list[Task] = []
    while len(batch) < BATCH and (not batch or not tasks.empty()):
        task = await tasks.get()
        if task is None:
            return batch, False
        batch.append(task)
    return batch, True


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
    except ConnectionError:  # the parent was killed: nobody is left to tell
        sys.exit(1)


if __name__ == "__main__":
    main()
