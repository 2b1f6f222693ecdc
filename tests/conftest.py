"""Fixtures that all tests share: a server, a converted model, a whole system."""

import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from tests.support import turns
from tests.support.server import Server
from tests.support.system import ROOT, System, environment, with_model

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("pictor", deadline=None)
hypothesis.settings.load_profile("pictor")

# The acceptance script for a system that runs already; tests/integration/test_acceptance.py runs it.
collect_ignore = ["test_integration.py", "containers"]


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """What does not depend on the engine is tried under one of them (the mark ``one_engine``)."""
    twice = [one for one in items if _needless(one)]
    items[:] = [one for one in items if not _needless(one)]
    config.hook.pytest_deselected(items=twice)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares fixtures is run by one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return turns.group(nodeid)

    return Together(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before the time of a test is counted
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What measures the machine has it to itself (the mark ``alone``), where others would use it too."""
    if not hasattr(item.config, "workerinput"):  # not a process of pytest-xdist
        return (yield)
    folder = item.config.cache.mkdir("turns")
    with turns.turn(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


def _needless(item: pytest.Item) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    once = item.get_closest_marker("one_engine") is not None
    return once and params.get("system") == "tensorflow"


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(_server: Server) -> str:
    """The address of a real server, which all tests share."""
    return _server.url


@pytest.fixture
def flushed_redis_url(redis_url: str) -> str:
    """The same, emptied."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(scope="session")
def prepared(pytestconfig: pytest.Config) -> Path:
    """A data folder with the default model converted: it takes a while, and is kept for the next run.

    The file's name is the digest of all that it is made from, so an old one is never taken for it.
    """
    folder = pytestconfig.cache.mkdir("converted")
    subprocess.run(
        [sys.executable, "-m", "inference.prepare", "efficientnet_lite0", str(folder)],
        cwd=ROOT,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="session", params=["litert", "tensorflow"])
def system(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Path,
) -> Iterator[System]:
    """A whole running Pictor with two workers, under each engine in turn."""
    data_dir = with_model(tmp_path_factory.mktemp("system"), prepared / "models")
    with System(data_dir, engine=request.param, workers=2) as running:
        yield running
