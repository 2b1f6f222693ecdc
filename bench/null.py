"""The gateway alone: through Redis and back with an engine that costs nothing, beside Hypercorn's bare echo."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from bench import echo, waiting
from bench.clients import Expected, Load, Prediction
from bench.connection import Address, Raw
from bench.figures import Found, ratio
from bench.interleave import Side, in_turns
from bench.pictures import JPEG_START, Picture
from bench.server import Server
from bench.setup import CLIENTS, Seen, Setup, closed, costs, noted, rates
from bench.subject import HELD, Process, answering
from bench.system import free_port
from common.settings import Settings
from inference.models import catalogue

GATEWAY: Final = "gateway, null engine, multipart"
ECHO: Final = "Hypercorn's echo, raw body"
SIZE: Final = 107_000  # bytes, with the number that makes each one new
NUMBER: Final = 20  # bytes of the number's segment
KINDS: Final = 16
WORKERS: Final = 1  # it has nothing to do but Redis
START_S: Final = 30.0


def payloads() -> list[Expected]:
    """Files of SIZE that begin as a JPEG does; noise, as compressed files are."""
    length = SIZE - len(JPEG_START) - NUMBER
    files = [JPEG_START + os.urandom(length) for _ in range(KINDS)]
    return [Expected(Picture("noise", data), "", 0.0) for data in files]


@contextlib.asynccontextmanager
async def gateway(given: Settings) -> AsyncIterator[Process]:
    """One gateway, Redis with its append-only file, and a worker whose engine does nothing."""
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        server = Server(Path(folder), "everysec")
        settings = msgspec.structs.replace(
            given,
            host="127.0.0.1",
            port=free_port(),
            gateways=1,
            worker_metrics_port=free_port(),
            data_dir=folder,
            redis_url=server.url,
            log_level="error",  # to stand still looks like a loss of Redis
        )
        await server.start()
        try:
            async with waiting.workers(settings, WORKERS, 0, 0) as workers:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "gateway"),
                    env={**os.environ, **settings.environment()},
                )
                address = Address(settings.host, settings.port)
                numbered = {f"worker {n}": pid for n, pid in enumerate(workers, 1)}
                parts = {"redis": server.pid, **numbered, "gateway": process.pid}
                try:
                    await answering(address, "/readyz", START_S)
                    yield Process(address, parts, "/readyz", HELD)
                finally:
                    if process.returncode is None:
                        process.terminate()
                        await process.wait()
        finally:
            await server.stop()


async def alone(setup: Setup) -> Found:
    """Both in turns, under as many clients, with files of the same bytes."""
    found = Found()
    files = payloads()
    labels = catalogue.resolve(setup.settings.model, setup.settings.data_path).labels

    def named(one: Expected, sent: bytes, body: bytes) -> bool:
        place, score = waiting.expected(sent, len(labels))
        right = Expected(one.picture, labels[place].label, score)
        said = msgspec.json.decode(body, type=Prediction)
        return said.success and right.named(said.prediction, said.score)

    async with gateway(setup.settings) as ours, echo.echo() as theirs:
        through = Load(ours.address, files, CLIENTS, agrees=named)
        back = Load(
            theirs.address,
            files,
            CLIENTS,
            post=lambda address, kind: Raw(address, "/", kind),
            agrees=echo.agrees,
        )
        sides: list[Side[Seen]] = [
            closed(GATEWAY, through, setup.seconds, ours),
            closed(ECHO, back, setup.seconds, theirs),
        ]
        noted(found, await in_turns(sides, (), setup.rounds, setup.say))
    found.figures.append(ratio("gateway", rates(found, GATEWAY), rates(found, ECHO)))
    found.notes += [costs(name, found) for name in (GATEWAY, ECHO)]
    return found
