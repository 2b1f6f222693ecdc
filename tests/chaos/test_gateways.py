"""Gateways that die, and parts that are replaced under load."""

import asyncio
import signal

from tests.chaos.conftest import Connect, Figures, Start, counted
from tests.support.load import Stream, defer, results, until


async def test_a_gateway_killed_after_it_accepted(
    start: Start, connect: Connect, figures: Figures
) -> None:
    """kill -9 one of two on 200 ids that were answered 202: the other has all 200 results."""
    system = start(gateways=2)
    clients = connect(system)
    places = await defer(clients, 200)
    first, second = system.processes("gateway serve")
    first.kill()
    statuses = await results(clients, places, within_s=60)
    figures(accepted=len(places), retrieved=statuses.count(200))
    assert second.is_running()
    assert statuses == [200] * 200


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
