"""Several gateway processes on one port share its connections out, also while they are replaced."""

import asyncio
import contextlib
import os
import signal
import struct
from pathlib import Path

import psutil

from bench.connection import Address, Connection
from bench.stage import Stage, spread, stage
from common.settings import Settings

CONNECTIONS = 64
GATEWAYS = 4
ASKING = 8  # clients


def told(pid: int) -> list[int]:
    """What all processes have written down, as one of them sees it."""
    words = psutil.Process(pid).cmdline()
    descriptor = words[words.index("--counts") + 1]
    data = Path(f"/proc/{pid}/fd/{descriptor}").read_bytes()
    return list(struct.unpack(f"{GATEWAYS}I", data))


async def test_each_has_its_share_and_says_so() -> None:
    async with stage(Settings(log_level="warning")) as running:
        await running.open_gateways(GATEWAYS)
        pids, port = running.gateways(), running.settings.port
        async with contextlib.AsyncExitStack() as stack:
            made = (
                asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)
            )
            for _, writer in await asyncio.gather(*made):
                stack.callback(writer.close)
            async with asyncio.timeout(10):
                while sum(told(pids[0])) != CONNECTIONS:
                    await asyncio.sleep(0.01)
            held = spread(pids, port)
            assert sorted(told(pids[0])) == sorted(held)
            assert sum(held) == CONNECTIONS
            assert min(held) >= CONNECTIONS / GATEWAYS / 2


async def test_nobody_is_refused_while_all_are_replaced() -> None:
    """Clients with kept-alive connections, and as many that make a new one for each request."""
    async with stage(Settings(log_level="warning")) as running:
        await running.open_gateways(GATEWAYS)
        before = set(running.gateways())
        answered = dict.fromkeys(range(ASKING), 0)
        replaced = asyncio.Event()

        async def ask(client: int) -> None:
            connection = Connection(Address.of(running.url))
            while not replaced.is_set():
                reply = await connection.send(
                    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                )
                assert reply.status == 200
                answered[client] += 1
                if client % 2:
                    connection.close()
            connection.close()

        clients = [asyncio.create_task(ask(client)) for client in answered]
        async with asyncio.timeout(60):
            os.kill(_parent(running), signal.SIGUSR1)
            while (
                before & set(running.gateways()) or len(running.gateways()) < GATEWAYS
            ):
                await asyncio.sleep(0.1)
        replaced.set()
        await asyncio.gather(*clients)
        assert min(answered.values()) > 0


def _parent(running: Stage) -> int:
    return psutil.Process(running.gateways()[0]).ppid()
