"""Gateways that die, and parts that are replaced under load."""

import asyncio
import signal

from common import keys
from tests.chaos.conftest import Admin, Connect, Figures, Start, counted
from tests.support.load import STREAM, Answer, Stream, defer, results, until


async def test_a_gateway_killed_after_it_accepted(
    start: Start, connect: Connect, admin: Admin, figures: Figures
) -> None:
    """kill -9 one of two on 200 ids that were answered 202: the other has all 200 results.

    What clients waited for there ends as well, and nothing of it is left.
    """
    system = start(gateways=2)
    clients, redis = connect(system), admin(system.redis_url)
    places = await defer(clients, 200)
    asking = [asyncio.create_task(clients.ask()) for _ in range(50)]
    first, second = system.processes("gateway serve")
    first.kill()
    statuses = await results(clients, places, within_s=60)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    cut_off = sum(isinstance(one, OSError) for one in answers)

    async def nothing_left() -> bool:
        return await redis.call("XLEN", STREAM) == 0

    await until(nothing_left, within_s=15)
    figures(accepted=len(places), retrieved=statuses.count(200), cut_off=cut_off)
    assert second.is_running()
    assert statuses == [200] * 200
    assert all(one.right for one in answers if isinstance(one, Answer))
    assert await redis.call("XLEN", keys.dead()) == 0


async def test_every_part_asked_to_stop_in_turn(
    start: Start, connect: Connect, figures: Figures
) -> None:
    """SIGTERM to two gateways on one port and two workers, in turn, under load: no failed request."""
    system = start(gateways=2, deadline_s=30)
    clients = connect(system)
    stream = Stream(clients, 16)
    await stream.success(since=0, within_s=10)

    async def all_work() -> bool:
        return await clients.metric("pictor_workers") == 2

    stopped = []
    # Who connects while no gateway is there waits for the next one; workers must not all be away.
    for words in ("gateway serve", "inference worker"):
        for process in system.processes(words):
            process.send_signal(signal.SIGTERM)
            stopped.append(process.pid)
            await asyncio.to_thread(process.wait, 20)
            await until(all_work, within_s=20)
    answers = await stream.stop()
    outcomes = counted(answers)
    figures(stopped=len(stopped), failures=len(stream.failures), **outcomes)
    assert len(stopped) == 4
    assert stream.failures == []
    assert outcomes.keys() == {"right"}
    assert outcomes["right"] > 200


async def test_a_gateway_that_leaves_says_so_first(
    start: Start, connect: Connect
) -> None:
    """While it still answers, `/readyz` is 503 already, and no connection is kept."""
    system = start(workers=1)
    clients = connect(system)
    assert (await clients.get("/readyz")).header("Connection") == ""
    (process,) = system.processes("gateway serve")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(1):
        while (reply := await clients.get("/readyz")).status == 200:
            await asyncio.sleep(0)
    assert b"about to stop" in reply.body
    assert reply.header("Connection") == "close"
    # Connections that come now wait for its successor.
    assert (await clients.ask()).right
    await asyncio.to_thread(process.wait, 20)
