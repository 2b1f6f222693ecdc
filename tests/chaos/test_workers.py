"""Workers that die in the middle of their work."""

import asyncio
import os
import random
import signal
import time

import psutil
import pytest
from PIL import Image

from common import keys
from common.connections import Keeper
from tests.chaos.conftest import Admin, Connect, Figures, Hooks, Start, Usual, counted
from tests.support.fault_hooks import MAGENTA
from tests.support.load import STREAM, Stream, until
from tests.support.pictures import encoded
from tests.support.system import metric


async def held_by(redis: Keeper, pid: int) -> int:
    """How many entries are pending for the worker with this number."""
    rows = await redis.call("XPENDING", STREAM, keys.GROUP, "-", "+", 1000)
    return sum(row[1].split(b"-")[-2] == str(pid).encode() for row in rows)


async def in_mid_batch(redis: Keeper, worker: psutil.Process) -> int:
    """Stops a worker when it holds entries; how many."""
    async with asyncio.timeout(20):
        while True:
            worker.suspend()
            if held := await held_by(redis, worker.pid):
                return held
            worker.resume()
            await asyncio.sleep(0.005)


async def test_a_worker_killed_in_mid_batch_loses_nothing(
    usual: Usual, connect: Connect, admin: Admin, figures: Figures
) -> None:
    """500 distinct pictures in flight, kill -9 one of two workers: 500 right answers."""
    system = usual.system
    clients, redis = connect(system), admin(usual.server.url)
    asking = [asyncio.create_task(clients.ask()) for _ in range(500)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    worker = system.processes("inference worker")[0]
    held = await in_mid_batch(redis, worker)
    worker.kill()
    killed = time.monotonic()
    answers = await asyncio.gather(*asking)
    figures(held=held, answered=len(answers), all_after_s=time.monotonic() - killed)
    assert counted(answers) == {"right": 500}
    assert await redis.call("XLEN", STREAM) == 0
    assert await redis.call("XLEN", keys.dead()) == 0


async def test_a_worker_that_was_stopped_and_finishes_all_the_same(
    usual: Usual, connect: Connect, admin: Admin, figures: Figures
) -> None:
    """Its entries are taken over meanwhile; what it then has to say changes nobody's answer."""
    clients, redis = connect(usual.system), admin(usual.server.url)
    asking = [asyncio.create_task(clients.ask()) for _ in range(40)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    worker = usual.system.processes("inference worker")[0]
    held = await in_mid_batch(redis, worker)
    try:
        answers = await asyncio.gather(*asking)
    finally:
        worker.resume()
    reclaimed = metric(usual.system.metrics_url, "pictor_reclaimed_total")
    again = await asyncio.gather(*(clients.ask() for _ in range(40)))
    figures(held=held, reclaimed=int(reclaimed), **counted(answers))
    assert counted(answers) == {"right": 40}
    assert reclaimed >= held
    assert counted(again) == {"right": 40}
    assert await redis.call("XLEN", STREAM) == 0
    assert await redis.call("XLEN", keys.dead()) == 0


@pytest.mark.timeout(150)
async def test_all_workers_killed_ten_times_at_random(
    usual: Usual, connect: Connect, admin: Admin, figures: Figures
) -> None:
    """Over 60 s under load: nothing accepted is lost or given up, work goes on within 5 s."""
    system = usual.system
    clients, redis = connect(system), admin(usual.server.url)
    chance = random.Random(1)
    stream = Stream(clients, 12)
    began = time.monotonic()
    recovered = []
    for turn in range(10):
        due = began + 6 * turn + chance.uniform(0.5, 2)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        killed = time.monotonic()
        for worker in system.processes("inference worker"):
            os.kill(worker.pid, signal.SIGKILL)
        recovered.append(await stream.success(since=killed, within_s=5))
    await asyncio.sleep(max(0.0, began + 60 - time.monotonic()))
    answers = await stream.stop()
    outcomes = counted(answers)
    figures(**outcomes, slowest_recovery_s=max(recovered))
    assert stream.failures == []
    # Refused at the headers is not accepted; whoever was let in has the right answer.
    assert outcomes.keys() <= {"right", "503 no-worker"}
    assert outcomes["right"] > 500
    assert await redis.call("XLEN", keys.dead()) == 0
    assert await redis.call("XLEN", STREAM) == 0


async def test_an_engine_that_aborts_on_one_image(
    start: Start, connect: Connect, admin: Admin, figures: Figures, hooks: Hooks
) -> None:
    """Its batch mates are answered; it is given up after three deliveries alone, and its sender told."""
    system = start(deadline_s=60, result_ttl_s=300, hooks=hooks())
    clients, redis = connect(system), admin(system.redis_url)
    magenta = encoded(Image.new("RGB", (300, 300), MAGENTA), "PNG")
    workers = system.processes("inference worker")
    for worker in workers:
        worker.suspend()
    began = time.monotonic()
    asking = [asyncio.create_task(clients.ask()) for _ in range(10)]
    asking.insert(5, asyncio.create_task(clients.ask(data=magenta)))
    asking += [asyncio.create_task(clients.ask()) for _ in range(10)]

    async def all_there() -> bool:
        return bool(await redis.call("XLEN", STREAM) == len(asking))

    await until(all_there, within_s=5)
    for worker in workers:
        worker.resume()
    answers = await asyncio.gather(*asking)
    fatal = answers.pop(5)
    dead = await redis.call("XRANGE", keys.dead(), "-", "+")
    figures(
        mates=dict(counted(answers)),
        fatal=fatal.outcome,
        told_after_s=time.monotonic() - began,
    )
    assert counted(answers) == {"right": 20}
    assert fatal.outcome == "422 dead-letter"
    assert len(dead) == 1
    deaths = metric(system.metrics_url, "pictor_child_deaths_total")
    assert deaths == 4, "one in company, three alone"
    told = [one for one in system.lines if "child ended" in one or "keeps dying" in one]
    assert len(told) == 4
    readiness = await clients.get("/readyz")
    assert readiness.status == 200
