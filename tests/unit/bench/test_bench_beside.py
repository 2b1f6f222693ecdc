"""Peers that are there are measured, and those that are not are told of."""

import dataclasses
from pathlib import Path

import pytest

from bench.beside import chosen, rivals, sweeps
from bench.peers import best
from bench.peers.best import Sweep, Tried
from bench.peers.catalogue import PEERS
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
        one: rate for one, rate in sweep["tried"].items() if isinstance(rate, float)
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
    monkeypatch.setattr(best, "load", lambda: found)
    (sweep,) = sweeps([mosec]).values()
    assert sweep["tried"] == {str(good): 9.0, str(bad): "32 errors"}
