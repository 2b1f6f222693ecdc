"""Peers that are there are measured, and those that are not are told of."""

import dataclasses
from pathlib import Path

import pytest

from bench.beside import chosen, rivals, sweeps
from bench.peers import best
from bench.peers.best import Sweep, Tried
from bench.peers.catalogue import PEERS
from bench.peers.peer import CORES
from bench.setup import Setup
from common.settings import Settings


def test_peers_are_all_or_those_named() -> None:
    assert [one.name for one in chosen(None)] == list(PEERS)
    assert [one.name for one in chosen(["ray", "mosec"])] == ["ray", "mosec"]
    with pytest.raises(ValueError, match="moesc: no such peer; there are mosec, "):
        chosen(["mosec", "moesc"])


async def test_a_peer_that_is_not_installed_is_left_out_and_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = dataclasses.replace(PEERS["mosec"], interpreter=tmp_path / "python")
    missing: dict[str, str] = {}
    setup = Setup(Settings(), rounds=1, seconds=1, given=[])
    async with rivals(setup, [absent], missing) as started:
        assert started == []
    assert "make setup-peers" in missing[absent.title]
    assert f"{absent.title} is left out" in capsys.readouterr().out


def test_what_was_tried_for_a_peer_is_told_with_its_best() -> None:
    (sweep,) = sweeps([PEERS["mosec"]]).values()
    rates = {
        one: tried["rate"] for one, tried in sweep["tried"].items() if not tried["flaw"]
    }
    assert len(rates) > 1
    assert max(rates, key=rates.__getitem__) == sweep["best"]


def test_a_configuration_that_erred_is_told_of_without_a_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mosec = PEERS["mosec"]
    good, bad = mosec.candidates[:2]
    tried = (Tried(good, (9.0,), 9.0), Tried(bad, (99.0,), 99.0, errors=32))
    found = {"mosec": Sweep(good, tried, {}, 2, "2026-01-01")}
    monkeypatch.setattr(best, "load", lambda *given: found)
    (sweep,) = sweeps([mosec]).values()
    assert sweep["tried"] == {
        str(good): {"rate": 9.0, "flaw": ""},
        str(bad): {"rate": 99.0, "flaw": "32 errors"},
    }


def test_a_peer_runs_in_the_best_configuration_that_was_found_on_as_many_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mosec = PEERS["mosec"]
    first, fastest = mosec.candidates[:2]
    tried = (Tried(first, (8.0,), 8.0), Tried(fastest, (9.0,), 9.0))
    versions = {"mosec": "0.9", "ai-edge-litert": "2.1"}
    for cores, used, why in (
        (CORES, fastest, "the best; swept"),
        (
            CORES + 1,
            first,
            f"its first candidate, since it was swept on {CORES + 1} cores, and here are {CORES}; swept",
        ),
    ):
        found = {"mosec": Sweep(fastest, tried, versions, cores, "2026-01-01")}
        monkeypatch.setattr(best, "load", lambda *given, found=found: found)
        assert best.configuration(mosec) == used
        (sweep,) = sweeps([mosec]).values()
        assert sweep["used"] == str(used)
        swept = f"2026-01-01 on {cores} cores (mosec 0.9, ai-edge-litert 2.1)"
        assert sweep["why"] == f"{why} {swept}"


def test_a_peer_that_was_never_swept_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "load", lambda *given: {})
    (sweep,) = sweeps([PEERS["mosec"]]).values()
    assert sweep["used"] == str(PEERS["mosec"].candidates[0])
    assert sweep["why"] == "its first candidate, since it was never swept"
