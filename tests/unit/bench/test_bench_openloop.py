"""Arrivals come by themselves, and a latency counts from the moment its request was due."""

import asyncio
import itertools
import statistics
import time

import pytest

from bench import openloop
from bench.clients import Expected
from bench.openloop import Arrivals, arrivals
from bench.pictures import Picture
from tests.support.answering import answering

RIGHT = b'{"success":true,"prediction":"tench","score":0.5}'
ONE = Expected(Picture("one", b"\xff\xd8\xff\xd9"), "tench", 0.5)


def hold_up() -> None:
    """The client too, whose loop this is: it is late from here on."""
    time.sleep(0.15)


def test_a_seed_gives_the_same_times_and_another_one_others() -> None:
    assert arrivals(50, 4, seed=1) == arrivals(50, 4, seed=1)
    assert arrivals(50, 4, seed=1) != arrivals(50, 4, seed=2)


def test_arrivals_are_a_poisson_process() -> None:
    """As many as the rate says; gaps whose deviation is their mean, which even ones lack."""
    times = arrivals(50, 200, seed=3)
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 200
    assert len(times) == pytest.approx(50 * 200, rel=0.04)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.04)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.06)


async def test_requests_wait_for_no_answer_and_count_from_when_they_were_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that answers nobody before all have asked: closed-loop clients would never end."""
    monkeypatch.setattr(openloop, "WARM_UP_S", 0.0)
    wanted = len(arrivals(200, 0.2, seed=1))
    asked, all_asked = 0, asyncio.Event()

    async def wait_for_all(request: bytes) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            hold_up()
        if asked == wanted:
            all_asked.set()
        await all_asked.wait()

    async with answering(RIGHT, wait_for_all) as address:
        seen = await Arrivals(address, [ONE]).round(200, 0.2, seed=1)
    assert (seen.errors, seen.wrong) == (0, 0)
    assert len(seen.latencies_ms) == seen.offered == wanted > 10
    # All were answered at one moment, so each waited from when it was due until then.
    due = arrivals(200, 0.2, seed=1)
    assert seen.late_ms > 100
    answered_ms = max(seen.latencies_ms) + 1000 * due[0]
    waited_ms = answered_ms - 1000 * statistics.mean(due)
    assert statistics.mean(seen.latencies_ms) == pytest.approx(waited_ms, abs=28)
