"""Peers that are there are measured, and those that are not are told of."""

import dataclasses
from pathlib import Path

import pytest

from bench.beside import chosen, rivals, sweeps
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
