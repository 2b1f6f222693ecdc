"""More than can be done, clients that stall, and clients that leave."""

import asyncio
import random
import time
from collections.abc import Sequence

import psutil
import pytest

from bench.connection import Address
from common.connections import Keeper
from gateway.channels import SPARE, UNSUBSCRIBE_AT
from tests.chaos.conftest import Admin, Connect, Figures, Hooks, Keeping, Start, counted
from tests.support.load import STREAM, Answer, Clients, Stream, small, until

STALLED = 1000


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


async def used_mb(redis: Keeper) -> float:
    """Memory of Redis' data, in MB."""
    lines = (await redis.call("INFO", "memory")).splitlines()
    used = next(line for line in lines if line.startswith(b"used_memory:"))
    return int(used.partition(b":")[2]) / 1e6


async def arriving(clients: Clients, a_second: int, seconds: float) -> list[Answer]:
    """Requests that arrive at a rate, whatever became of those before (open loop)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    asking = []
    for number in range(int(a_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / a_second - loop.time()))
        asking.append(asyncio.create_task(clients.ask()))
    return await asyncio.gather(*asking)


@pytest.mark.timeout(150)
async def test_ten_times_the_capacity(
    start: Start, connect: Connect, admin: Admin, figures: Figures, hooks: Hooks
) -> None:
    """40/s can be done and 400/s arrive for 60 s: who is let in is served, the rest told at once."""
    system = start(hooks=hooks(fault_engine_ms=50), deadline_s=5, result_ttl_s=10)
    clients, redis = connect(system), admin(system.redis_url)
    gateway: psutil.Process = system.processes("gateway serve")[0]
    await arriving(clients, 400, 2)  # what every process needs once

    async def empty() -> bool:
        return await redis.call("XLEN", STREAM) == 0

    await until(empty, within_s=20)
    rss, used = gateway.memory_info().rss / 1e6, await used_mb(redis)
    overloading = asyncio.create_task(arriving(clients, 400, 60))
    peak_rss, peak_used = rss, used
    while not overloading.done():
        peak_rss = max(peak_rss, gateway.memory_info().rss / 1e6)
        peak_used = max(peak_used, await used_mb(redis))
        await asyncio.sleep(0.5)
    answers = await overloading
    await until(empty, within_s=20)

    async def as_before() -> bool:
        return await used_mb(redis) <= 1.1 * used

    await until(as_before, within_s=15)  # results live for 10 s
    refused = [one for one in answers if one.status == 429]
    let_in = [one for one in answers if one.status != 429]
    served = [one for one in let_in if one.status == 200 and one.seconds <= 5]
    slow_ms = 1000 * percentile([one.seconds for one in refused], 0.99)
    after = gateway.memory_info().rss / 1e6
    figures(
        let_in=len(let_in),
        in_time_percent=100 * len(served) / len(let_in),
        refused=len(refused),
        refusal_p99_ms=slow_ms,
        gateway_mb=f"{rss:.0f}, at most {peak_rss:.0f}, then {after:.0f}",
        redis_mb=f"{used:.1f}, at most {peak_used:.1f}, then {await used_mb(redis):.1f}",
    )
    assert len(let_in) > 60 * 40 * 0.8, "it works at its capacity meanwhile"
    assert len(served) >= 0.99 * len(let_in)
    assert all(int(one.reply.header("Retry-After")) >= 1 for one in refused)
    assert slow_ms <= 100
    assert after <= 1.1 * rss
    assert peak_rss < rss + 100
    assert peak_used < used + 100


async def test_a_thousand_clients_that_stall_in_mid_body(
    start: Start, connect: Connect, figures: Figures
) -> None:
    """Others are served at 0.8 of the usual rate or more; those that stall are cut off."""
    system = start()
    clients = connect(system)
    stream = Stream(clients, 16)
    await stream.success(since=0, within_s=10)
    usual = await rate(stream, 5)
    stalled = [asyncio.create_task(stall(clients.address)) for _ in range(STALLED)]
    await asyncio.sleep(1)  # connecting is not what is measured
    meanwhile = await rate(stream, 5)
    cut = await asyncio.gather(*stalled)
    answers = await stream.stop()
    figures(
        usual_a_second=usual,
        meanwhile_a_second=meanwhile,
        ratio=f"{meanwhile / usual:.2f}",
        cut_off_after_s=max(seconds for _, seconds in cut),
    )
    assert counted(answers).keys() == {"right"}
    assert meanwhile >= 0.8 * usual
    assert {status for status, _ in cut} == {b"408"}
    assert max(seconds for _, seconds in cut) < 15


async def rate(stream: Stream, seconds: float) -> float:
    """Answers a second, from now on."""
    before = len(stream.answers)
    await asyncio.sleep(seconds)
    return (len(stream.answers) - before) / seconds


async def stall(address: Address) -> tuple[bytes, float]:
    """Sends half a body and waits; the status it is cut off with, and after how many seconds."""
    picture = small("coffee.png")
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {address.host}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    began = time.monotonic()
    writer.write(head.encode() + picture[: len(picture) // 2])
    answer = await reader.read()
    writer.close()
    return answer[9:12], time.monotonic() - began


async def test_half_of_the_clients_leave(
    start: Start, connect: Connect, admin: Admin, keeping: Keeping, figures: Figures
) -> None:
    """Their unread work is withdrawn; no waiter, subscription, key or task is left of anybody."""
    server = keeping("everysec")
    system = start(redis_url=server.url, deadline_s=5, result_ttl_s=10)
    clients, redis = connect(system), admin(server.url)
    await (stream := Stream(clients, 4)).success(since=0, within_s=10)
    await stream.stop()
    chance = random.Random(2)

    async def counts() -> dict[str, float]:
        channels = await redis.call("PUBSUB", "CHANNELS", "pictor:*result*")
        found = await redis.call("KEYS", "pictor:*")
        lasting = [key for key in found if b":result:" not in key]
        return {
            "waiters": await clients.metric("pictor_waiting_requests"),
            "subscriptions": len(channels),
            "entries": await redis.call("XLEN", STREAM),
            "keys": len(lasting),
            "results": len(found) - len(lasting),
        }

    async def settled() -> bool:
        return (await counts())["results"] == 0

    await until(settled, within_s=25)
    clients.close()
    before, tasks = await counts(), await clients.metric("pictor_tasks")
    asking = [asyncio.create_task(clients.ask()) for _ in range(300)]
    leaving = asking[::2]
    for task in leaving:
        asyncio.get_running_loop().call_later(chance.uniform(0.2, 2), task.cancel)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    stayed = [one for one in answers[1::2] if isinstance(one, Answer)]
    left = sum(isinstance(one, asyncio.CancelledError) for one in answers)
    unread = await clients.metric("pictor_withdrawn_total")
    await until(settled, within_s=25)
    clients.close()

    async def as_before() -> bool:
        return await clients.metric("pictor_tasks") <= tasks

    await until(as_before, within_s=10)
    after = await counts()
    figures(left=left, withdrawn=int(unread), **counted(stayed))
    assert counted(stayed) == {"right": 150}
    assert left > 50
    assert unread >= 0.5 * left
    assert after.pop("subscriptions") <= SPARE + UNSUBSCRIBE_AT
    assert after == {name: before[name] for name in after}
