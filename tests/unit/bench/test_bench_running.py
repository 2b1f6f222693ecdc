"""Peers are real processes: they start, stand still, go on, fail and end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from bench import clients, rates
from bench.beside import Paused, rivals
from bench.clients import Expected
from bench.figures import Found
from bench.peers import running as runs
from bench.peers.peer import Configuration, Peer
from bench.peers.running import Server, ask, running
from bench.pictures import Picture
from bench.rates import PICTOR
from bench.setup import Setup, Subject
from bench.subject import Process
from bench.system import System
from common.errors import StartError
from common.settings import Settings
from tests.support.peer import WRONG, peer

ONE = Expected(Picture("one", b"\xff\xd8\xff\xd9"), "tench", 0.5)
ALONE = Configuration(1)


@pytest.fixture(autouse=True)
def _right_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right is said, not computed, and nothing warms up."""
    monkeypatch.setattr(runs, "_right", lambda settings: ONE)
    monkeypatch.setattr(clients, "WARM_UP_S", 0.0)


@contextlib.asynccontextmanager
async def started(title: str = "Peer", **variables: object) -> AsyncIterator[Server]:
    one = peer(title, ALONE, **variables)
    async with running(one, ALONE, Settings()) as server:
        yield server


async def test_a_peer_answers_in_a_folder_of_its_own_and_leaves_nothing() -> None:
    async with started() as server:
        assert (await ask(server, ONE.picture)).status == 200
        processes = [psutil.Process(pid) for pid in server.pids()]
        assert len(processes) == 1
        assert server.folder.is_dir()
    assert not processes[0].is_running()
    assert not server.folder.exists()
    assert server.pids() == []


async def states(server: Server, wanted: str) -> None:
    """Returns once all its processes are in this state; a signal is heard when they are next scheduled."""
    async with asyncio.timeout(10):
        while {psutil.Process(pid).status() for pid in server.pids()} != {wanted}:
            await asyncio.sleep(0.01)


async def test_a_peer_stands_still_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started() as server:
        paused = Paused(server, ONE)
        paused.pause()
        await states(server, psutil.STATUS_STOPPED)
        monkeypatch.setattr(runs, "ASK_S", 0.2)
        with pytest.raises(TimeoutError):
            await ask(server, ONE.picture)
        before = paused.cpu_s()
        paused.resume()
        monkeypatch.setattr(runs, "ASK_S", 10.0)
        await paused.ready()
        assert (await ask(server, ONE.picture)).status == 200
        assert paused.cpu_s()["Peer"] >= before["Peer"] > 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (WRONG, "Peer says eel 0.5000, not tench 0.5000"),
        ("[]", r"Peer says b'\[\]'"),
        ("rubbish", "Peer says b'rubbish'"),
    ],
)
async def test_a_peer_that_answers_wrong_does_not_start(body: str, said: str) -> None:
    with pytest.raises(StartError, match=said):
        async with started(BODY=body):
            pass


async def test_a_peer_with_an_engine_that_is_not_warm_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "START_S", 0.5)
    with pytest.raises(StartError, match=r"Peer was not ready within 0\.5 s"):
        async with started(READY=0):
            pass


async def test_a_peer_that_ends_while_it_starts_tells_its_last_lines() -> None:
    with pytest.raises(StartError, match="Peer ended with status 3:\nit dies"):
        async with started(DIES_AT=1):
            pass


async def test_a_peer_that_has_ended_is_not_waited_for() -> None:
    async with started(DIES_AT=2) as server:
        with pytest.raises(OSError, match="closed"):
            await ask(server, ONE.picture)
        with pytest.raises(StartError, match="Peer has ended"):
            await Paused(server, ONE).ready()


async def throughput(*peers: Peer) -> tuple[Found, dict[str, str]]:
    """Two short rounds of a stand-in for Pictor and these; what was found, and who was missing."""
    setup = Setup(Settings(), rounds=2, seconds=0.1, given=[ONE])
    missing: dict[str, str] = {}
    async with (
        started("the one measured") as ours,
        rivals(setup, peers, missing) as beside,
    ):
        redis: Any = None
        system = System(Settings(), redis, ours.pid)
        process = Process(ours.address, {"server": ours.pids()[0]}, "/readyz")
        return (
            await rates.throughput(setup, Subject(system, process), None, beside),
            missing,
        )


async def test_a_peer_that_dies_between_rounds_costs_itself_alone() -> None:
    """It survives the question at its start and that of its first turn, not the round after."""
    good, bad, absent = (
        peer("Good", ALONE),
        peer("Bad", ALONE, DIES_AT=3),
        peer("Wrong", ALONE, BODY=WRONG),
    )
    found, missing = await throughput(bad, good, absent)
    assert set(missing) == {"Wrong"}
    assert set(found.rounds) == {PICTOR, "Good"}
    assert [len(rounds) for rounds in found.rounds.values()] == [2, 2]
    assert [one.name for one in found.figures] == ["Good"]
    assert (found.errors, found.wrong) == (0, 0)
    left_out, *costs = found.notes
    assert left_out == "Bad was left out; it failed in round 2 of 2: Bad has ended."
    assert len(costs) == 2
