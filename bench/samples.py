"""What a running Pictor holds at a moment: memory, descriptors and threads of its processes, all in Redis."""

import collections
import re
from collections.abc import Iterator
from typing import Final

import psutil

from bench.connection import Address, Connection
from bench.system import System
from common import keys
from common.connections import Keeper
from common.keys import LANES

MEGABYTE: Final = 1e6
# Gauges of the gateway that count what must not grow.
GAUGES: Final = ("pictor_waiting_requests", "pictor_tasks", "pictor_bytes_in_flight")

Sample = dict[str, float]


class Observer:
    """Takes samples: names of series with their values."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._redis = Keeper(system.server.admin_url, name="soak")
        self._http = Connection(Address.of(system.url))

    async def sample(self) -> Sample:
        """How things stand now."""
        return {**self._processes(), **await self._in_redis(), **await self._gauges()}

    async def close(self) -> None:
        """Closes the connections."""
        self._http.close()
        await self._redis.close()

    def pids(self) -> dict[str, int]:
        """The processes by their part."""
        return {name: process.pid for name, process in self._named()}

    def _named(self) -> Iterator[tuple[str, psutil.Process]]:
        top = psutil.Process(self._system.pid)
        yield "redis", psutil.Process(self._system.server.pid)
        yield "parent", top
        gateways = 0
        for process in top.children(recursive=True):
            try:
                line = _line(process)
                above = [_worker(one) for one in process.parents()]
            except psutil.Error:  # it has just ended
                continue
            if number := _worker(process):
                yield f"worker {number}", process
            elif "inference.decoder_process" in line:
                # One waits to be forked, the worker's child; its own child decodes.
                role = "decoder source" if above[0] else "decoder"
                yield f"{role} {''.join(above)}", process
            elif "gateway serve" in line:
                gateways += 1
                yield f"gateway {gateways}", process
            else:
                yield f"{line.split('-m ')[-1].split()[0]} parent", process

    def _processes(self) -> Sample:
        sample: Sample = {}
        for name, process in self._named():
            with_all = process.as_dict(["memory_info", "num_fds", "num_threads"])
            if with_all["memory_info"] is None:
                continue
            sample[f"memory MB, {name}"] = with_all["memory_info"].rss / MEGABYTE
            sample[f"descriptors, {name}"] = with_all["num_fds"]
            sample[f"threads, {name}"] = with_all["num_threads"]
        return sample

    async def _in_redis(self) -> Sample:
        call = self._redis.call
        sample: Sample = {
            "subscriptions": len(await call("PUBSUB", "CHANNELS")),
            "connections to Redis": len((await call("CLIENT", "LIST")).splitlines()),
        }
        kinds: collections.Counter[str] = collections.Counter()
        cursor = b"0"
        while True:
            cursor, names = await call("SCAN", cursor, "COUNT", 1000)
            kinds.update(_kind(name.decode()) for name in names)
            if cursor == b"0":
                break
        for kind, count in kinds.items():
            sample[f"keys, {kind}"] = count
        for lane in LANES:
            stream = keys.requests(self._system.settings.model_name, lane)
            sample[f"entries, {lane}"] = await call("XLEN", stream)
            for group in await call("XINFO", "GROUPS", stream):
                values = dict(zip(group[::2], group[1::2], strict=True))
                sample[f"consumers, {lane}"] = values[b"consumers"]
                sample[f"pending entries, {lane}"] = values[b"pending"]
        return sample

    async def _gauges(self) -> Sample:
        """The gateway's own counts; those it does not have are left out."""
        host = f"Host: {self._system.settings.host}"
        head = f"GET /metrics HTTP/1.1\r\n{host}\r\n\r\n".encode()
        reply = await self._http.send(head)
        text = reply.body.decode() if reply.status == 200 else ""
        found = re.findall(rf"^({'|'.join(GAUGES)}) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}


def _line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _worker(process: psutil.Process) -> str:
    """The number of a worker process; empty for any other."""
    found = re.search(r"inference worker (\d+)", _line(process))
    return found[1] if found else ""


def _kind(name: str) -> str:
    """What a key is: the part behind the hash tag."""
    return name.split(":")[2] if "}" in name else name
