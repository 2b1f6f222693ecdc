"""Only a candidate that never erred can be a peer's best, and what a sweep has found stays."""

import asyncio
import json
from pathlib import Path

import pytest

from bench import clients
from bench.clients import Expected, Load
from bench.peers import best, sweep
from bench.peers.best import Sweep, Tried
from bench.peers.catalogue import PEERS
from bench.peers.peer import Configuration, Peer
from bench.peers.trial import Trial
from bench.pictures import Picture
from common.errors import StartError
from tests.support.answering import answering

SLOW, FAST = Configuration(1), Configuration(2)
ONE = Expected(Picture("one", b"\xff\xd8\xff\xd9"), "tench", 0.5)
RIGHT = b'{"success":true,"prediction":"tench","score":0.5}'
WRONG = b'{"success":true,"prediction":"eel","score":0.5}'


@pytest.fixture(autouse=True)
def _no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "WARM_UP_S", 0.0)


class Subject:
    """What it was told, in order; with a problem it never answers."""

    def __init__(self, problem: str = "") -> None:
        self.told: list[str] = []
        self._problem = problem

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    async def ready(self) -> None:
        self.told.append("ready")
        if self._problem:
            raise StartError(self._problem)


async def nothing(request: bytes) -> None:
    """Before an answer."""


def tried(
    one: Configuration, median: float, errors: int = 0, problem: str = ""
) -> Tried:
    return Tried(one, (median,), median, errors, problem)


@pytest.mark.parametrize("flaw", [{"errors": 1}, {"problem": "it did not start"}])
def test_the_fastest_does_not_win_if_it_erred(flaw: dict[str, object]) -> None:
    slow, fast = tried(SLOW, 10.0), tried(FAST, 99.0)
    assert best.choose((slow, fast)) == FAST
    flawed = Tried(FAST, (99.0,), 99.0, **flaw)  # type: ignore[arg-type]
    assert best.choose((slow, flawed)) == SLOW
    with pytest.raises(ValueError, match="no configuration ran without an error"):
        best.choose((flawed,))


async def test_a_round_counts_and_leaves_no_connection_open() -> None:
    subject, trial = Subject(), Trial(SLOW)
    async with asyncio.timeout(10), answering(RIGHT, nothing) as address:
        trial.begin(subject, Load(address, [ONE], 4))
        for _ in range(2):
            await trial.round(0.05)
        # The server ends when its clients have gone.
    assert subject.told == ["resume", "ready", "pause"] * 2
    found = trial.found()
    assert (found.errors, found.problem, len(found.rates)) == (0, "", 2)
    assert found.median > 0


async def test_wrong_answers_are_errors() -> None:
    trial = Trial(SLOW)
    async with answering(WRONG, nothing) as address:
        trial.begin(Subject(), Load(address, [ONE], 1))
        await trial.round(0.05)
    assert trial.found().errors
    assert "errors until now" in str(trial)


async def test_one_that_does_not_come_back_is_stopped_and_left_alone() -> None:
    subject, trial = Subject("it is gone"), Trial(SLOW)
    async with answering(RIGHT, nothing) as address:
        trial.begin(subject, Load(address, [ONE], 1))
        for _ in range(2):
            await trial.round(0.05)
    assert subject.told == ["resume", "ready", "pause"]
    assert trial.found().problem == "it is gone"
    assert str(trial).endswith("no rate")


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a sweep of mosec, then ray, writes."""
    file = tmp_path / "best.json"
    monkeypatch.setattr("sys.argv", ["sweep", "mosec", "ray", "--out", str(file)])
    monkeypatch.setattr(sweep, "expected", lambda settings, given: [ONE])
    return file


@pytest.mark.parametrize(
    ("end", "status"), [(KeyboardInterrupt(), 130), (ValueError("none"), 1)]
)
def test_what_was_found_before_a_sweep_ended_is_kept(
    out: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException, status: int
) -> None:
    async def found(peer: Peer, *given: object, **options: object) -> Sweep:
        if peer.name == "ray":
            raise end
        return Sweep(FAST, (tried(FAST, 9.0),), {}, 2, "2026-01-01")

    monkeypatch.setattr(sweep, "sweep", found)
    assert sweep.main() == status
    assert list(json.loads(out.read_bytes())) == ["mosec"]
    assert best.configuration(PEERS["mosec"], out, cores=2) == FAST
    first = PEERS["mosec"].candidates[0]
    assert best.configuration(PEERS["mosec"], out, cores=3) == first
    assert best.configuration(PEERS["ray"], out, cores=2) == PEERS["ray"].candidates[0]


def test_a_peers_findings_replace_its_own_alone(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    old, new = (Sweep(one, (tried(one, 9.0),), {}, 2, "") for one in (SLOW, FAST))
    best.save({"mosec": old, "ray": old}, file)
    best.save({"mosec": new}, file)
    assert {name: one.best for name, one in best.load(file).items()} == {
        "mosec": FAST,
        "ray": SLOW,
    }
