"""A report says how the Pictor that was measured differs from the one that is shipped."""

import msgspec
import pytest

from bench.peers.catalogue import PEERS
from bench.shipped import Shape, differs, other_engine, precision
from common.settings import Settings


def test_settings_that_differ_are_named_with_what_is_shipped() -> None:
    ours = Settings(port=1234, redis_url="unix:///x", log_level="error", workers=1)
    server = Settings(data_dir="elsewhere", redis_maxmemory_mb=4096)
    assert differs(ours, server) == {
        "PICTOR_LOG_LEVEL": ("error", "info"),
        "PICTOR_WORKERS": (1, 0),
        "PICTOR_REDIS_MAXMEMORY_MB": (4096, 1024),
    }
    always = msgspec.structs.replace(ours, durability="always")
    assert differs(always, server) == differs(ours, server)  # Redis has its own
    assert differs(Settings(), Settings()) == {}


def test_it_says_what_ran_and_what_differs() -> None:
    differing: dict[str, tuple[str | int | float, str | int | float]] = {
        "PICTOR_LOG_LEVEL": ("error", "info")
    }
    shape = Shape("lite0", "litert", "float32", (2, 2), 1, differing)
    assert str(shape) == (
        "Pictor ran lite0 by litert in float32, 2 × 2 (workers × threads of each), gateways: 1. "
        "Not as it is shipped: `PICTOR_LOG_LEVEL` error instead of info; ports, folder and Redis "
        "of its own."
    )
    assert shape.facts()["workers"] == 2


def test_litert_computes_in_float32_whatever_is_asked_for() -> None:
    asked = Settings(precision="float16")
    assert precision(asked, "litert") == "float32"
    assert precision(asked, "tensorflow") == "float16"


@pytest.mark.parametrize(
    ("engine", "names", "warned"),
    [
        ("tensorflow", ["mosec", "classic"], True),
        ("tensorflow", ["litserve-tensorflow", "classic"], False),
        ("tensorflow", [], False),
        ("litert", ["mosec"], False),
    ],
)
def test_another_engine_than_the_peers_is_warned_of(
    engine: str, names: list[str], warned: bool
) -> None:
    settings = Settings.parse({"PICTOR_ENGINE": engine})
    found = other_engine(settings, [PEERS[name] for name in names])
    assert bool(found) is warned
    assert all("LiteRT" in one for one in found)
