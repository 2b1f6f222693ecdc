"""Measures layouts: processes that decode and infer pictures as workers do, but for Redis.

Each process has decoders of its own, as many as a worker would, which decode the next batch while the engine
runs on this one. `inference.sweep` says when each is tried.
"""

import asyncio
import contextlib
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from common.settings import Settings
from inference.batches import ImageDecoder
from inference.engine import Engine
from inference.layout import Shape
from inference.specimens import specimen
from inference.start import Parts, open_parts
from inference.sweep import CrewFailed

PICTURES: Final = 32
LEAST_BATCHES: Final = 2  # of a trial, however long they take
START_S: Final = 120.0  # for a process to be warm; TensorFlow may take most of it
CLOSE_S: Final = 10.0
BATCH_S: Final = 60.0  # what a trial may take longer than it should


class Crew:
    """The processes of one shape, warm, idle unless they measure."""

    def __init__(
        self, processes: Sequence[BaseProcess], pipes: Sequence[Connection]
    ) -> None:
        self._processes = processes
        self._pipes = pipes

    @classmethod
    def start(cls, settings: Settings, shape: Shape, batches: Sequence[int]) -> Self:
        """Starts all processes of a shape; returns when they are warm.

        Raises:
            CrewFailed: one did not come up.
        """
        context = multiprocessing.get_context("spawn")
        pipes, processes = [], []
        for number in range(shape.processes):
            ours, theirs = context.Pipe()
            what = (theirs, settings, shape, max(batches), number)
            process = context.Process(target=_serve, args=what, daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        crew = cls(processes, pipes)
        try:
            for pipe in pipes:
                crew._receive(pipe, START_S)
        except BaseException:
            crew.close()
            raise
        return crew

    def measure(self, batch: int, seconds: float) -> float:
        """Images a second of all processes together; raises CrewFailed."""
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # it has gone, which is seen below
                pipe.send((batch, seconds))
        return sum(self._receive(pipe, seconds + BATCH_S) for pipe in self._pipes)

    def _receive(self, pipe: Connection, within_s: float) -> float:
        try:
            if pipe.poll(within_s):
                return float(pipe.recv())
        except (EOFError, OSError) as error:
            raise CrewFailed("a process has gone") from error
        raise CrewFailed("a process does not answer")

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(CLOSE_S)
            if process.is_alive():
                process.kill()
                process.join()


def opened(settings: Settings, shape: Shape, most: int) -> Parts:
    """Engine and decoders as a worker of this shape has them, for batches of up to `most` images."""
    as_told = msgspec.structs.replace(settings, workers=shape.processes, max_batch=most)
    return open_parts(as_told, shape.threads)


def _serve(
    pipe: Connection, settings: Settings, shape: Shape, most: int, number: int
) -> None:
    """What a process does: gets warm, then measures what it is told until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pipe says when to end
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        parts = opened(settings, shape, most)
        trial = Trial(parts.engine, parts.decoder, thread, _pictures(number))
        runner.run(trial.warm_up(most))
        pipe.send(True)
        with contextlib.suppress(EOFError):
            while True:
                batch, seconds = pipe.recv()
                pipe.send(runner.run(trial.run(batch, seconds)))
        runner.run(parts.decoder.close())
        parts.engine.close()


def _pictures(number: int) -> Iterator[bytes]:
    """Endless, distinct within a batch, and each process's its own."""
    made = [specimen(number * PICTURES + at) for at in range(PICTURES)]
    while True:
        yield from made


class Trial:
    """One process's share of a measurement."""

    def __init__(
        self,
        engine: Engine,
        decoder: ImageDecoder,
        thread: ThreadPoolExecutor,
        pictures: Iterator[bytes],
    ) -> None:
        self._engine = engine
        self._decoder = decoder
        self._thread = thread
        self._pictures = pictures

    async def warm_up(self, most: int) -> None:
        """Starts the decoder, and has the engine allocate for the largest batch."""
        await self._decoder.start()
        self._engine.run(await self._decoded(most))

    async def run(self, batch: int, seconds: float) -> float:
        """Images a second with batches of a size, decoding and inference overlapped."""
        loop = asyncio.get_running_loop()
        self._engine.run(following := await self._decoded(batch))
        batches, started = 0, time.perf_counter()
        while (
            elapsed := time.perf_counter() - started
        ) < seconds or batches < LEAST_BATCHES:
            running = loop.run_in_executor(self._thread, self._engine.run, following)
            following = await self._decoded(batch)
            await running
            batches += 1
        return batch * batches / elapsed

    async def _decoded(self, images: int) -> NDArray[np.uint8]:
        taken = [(next(self._pictures), 0) for _ in range(images)]
        results, pixels = await self._decoder.decode(taken)
        assert all(not result.code for result in results)
        return pixels
