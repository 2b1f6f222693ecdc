"""What people wait, with and without a collection behind them, by simulation (`tests.support.lanes`).

The real thing, with Redis and noise, is for the benches to measure.
"""

import pytest

from inference.batcher import BULK_SHARE, Batcher
from tests.support.lanes import (
    CPU,
    GPU_LIKE,
    Machine,
    Seen,
    Simulation,
    most_per_s,
    unbounded,
)

MS = 20_000
SLOW = Machine(2, 60, 3.4)
SLOW_TO_DECODE = Machine(5, 0.2, 3.4, cores=8, max_batch=64)
MACHINES = [CPU, SLOW, SLOW_TO_DECODE, GPU_LIKE]


def at_half(machine: Machine, *, bulk: bool) -> Seen:
    """People come at half the rate that can be served."""
    rate = most_per_s(machine) / 2
    return Simulation(machine, people_per_s=rate, bulk=bulk).run(MS)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_collection_at_most_doubles_what_people_wait(machine: Machine) -> None:
    alone, behind = at_half(machine, bulk=False), at_half(machine, bulk=True)
    assert alone.percentile(99) <= 4 * machine.service_ms
    assert behind.percentile(99) <= 2 * alone.percentile(99)
    done = behind.bulk_per_s + behind.people_per_s
    assert behind.bulk_per_s >= 0.95 * BULK_SHARE * done


def test_taking_all_that_pays_would_make_people_wait() -> None:
    """So the bound is what keeps it down, and the simulation can tell."""
    rate = most_per_s(CPU) / 2
    alone = at_half(CPU, bulk=False).percentile(99)
    behind = Simulation(CPU, people_per_s=rate, bulk=True, plans=unbounded).run(MS)
    assert behind.percentile(99) > 2 * alone


@pytest.mark.parametrize("machine", MACHINES)
def test_without_people_a_collection_loses_little(machine: Machine) -> None:
    bounded, free = (
        Simulation(machine, people_per_s=0, bulk=True, plans=plans).run(MS)
        for plans in (Batcher.plan, unbounded)
    )
    assert bounded.bulk_per_s >= 0.9 * free.bulk_per_s


def test_a_collection_goes_on_when_there_are_too_many_people() -> None:
    crowd = Simulation(CPU, people_per_s=2 * most_per_s(CPU), bulk=True).run(MS)
    done = crowd.bulk_per_s + crowd.people_per_s
    assert crowd.bulk_per_s == pytest.approx(BULK_SHARE * done, rel=0.05)
