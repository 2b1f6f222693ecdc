"""Sides take turns; whoever is not measured stands still."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from bench import interleave
from bench.interleave import Side, in_turns

TREE = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
    "print(child.pid, flush=True); input()"
)


@dataclass
class Still:
    """Notes what it is told, and whether it runs."""

    name: str
    events: list[str]
    runs: bool = True
    asked: int = field(default=0)

    def pause(self) -> None:
        self.runs = False
        self.events.append(f"{self.name} stops")

    def resume(self) -> None:
        self.runs = True
        self.events.append(f"{self.name} goes on")

    async def ready(self) -> None:
        assert self.runs
        self.asked += 1

    def cpu_s(self) -> dict[str, float]:
        return {}


async def test_sides_take_turns_and_each_runs_alone() -> None:
    events: list[str] = []
    one, other, idle = (Still(name, events) for name in ("one", "other", "idle"))
    seen_running: list[tuple[str, set[str]]] = []

    def side(name: str, server: Still | None) -> Side[int]:
        async def measure(number: int) -> int:
            running = {each.name for each in (one, other, idle) if each.runs}
            seen_running.append((name, running))
            return number

        return Side(name, measure, server)

    sides = [side("a", one), side("in process", None), side("b", other)]
    found = await in_turns(sides, [idle], 2)
    turn = [("a", {"one"}), ("in process", set()), ("b", {"other"})]
    assert seen_running == turn * 2
    assert found == {"a": [0, 1], "in process": [0, 1], "b": [0, 1]}
    assert one.runs
    assert other.runs
    assert idle.runs
    assert (one.asked, other.asked, idle.asked) == (2, 2, 0)


async def test_two_sides_of_one_server_leave_it_running_between_them() -> None:
    events: list[str] = []
    server = Still("server", events)

    async def measure(number: int) -> int:
        return number

    sides = [Side(name, measure, server) for name in ("known", "new")]
    await in_turns(sides, [], 3)
    assert events == ["server stops", "server goes on", "server goes on"]


async def test_all_go_on_after_a_failure() -> None:
    server, other = Still("server", []), Still("other", [])

    async def measure(number: int) -> int:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await in_turns([Side("a", measure, server)], [other], 1)
    assert server.runs
    assert other.runs


@pytest.fixture
def tree() -> Iterator[list[psutil.Process]]:
    """A process and its child."""
    with contextlib.ExitStack() as stack:
        top = subprocess.Popen(
            [sys.executable, "-c", TREE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(top)
        stack.callback(top.kill)
        assert top.stdout is not None
        child = psutil.Process(int(top.stdout.readline()))
        stack.callback(child.kill)
        yield [psutil.Process(top.pid), child]


async def stopped(processes: list[psutil.Process], count: int) -> None:
    """Returns once so many of them are; a signal is heard when its process is next scheduled."""
    async with asyncio.timeout(10):
        while [p.status() for p in processes].count(psutil.STATUS_STOPPED) != count:
            await asyncio.sleep(0.01)


async def test_a_whole_tree_is_stopped_and_goes_on(tree: list[psutil.Process]) -> None:
    top = tree[0].pid
    assert [one.pid for one in interleave.tree([top])] == [one.pid for one in tree]
    interleave.pause([top])
    await stopped(tree, 2)
    interleave.resume([top])
    await stopped(tree, 0)


def test_processor_time_is_that_of_all_who_live() -> None:
    before = time.process_time()
    assert interleave.cpu_s([os.getpid()]) >= 0.9 * before > 0.1


def test_who_has_ended_is_nobody() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    interleave.pause([ended.pid])
    interleave.resume([ended.pid])
    assert interleave.tree([ended.pid]) == []
    assert interleave.cpu_s([ended.pid]) == 0
