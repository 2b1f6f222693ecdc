"""Systems to break, each test its own; Redis with all rights, so that it can be broken too."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.connections import Keeper
from tests.support import faults
from tests.support.figures import Figures, figures, pytest_terminal_summary
from tests.support.load import Answer, Clients
from tests.support.server import Server
from tests.support.system import System, with_model

__all__ = ["Figures", "figures", "pytest_terminal_summary"]

Start = Callable[..., System]
Keeping = Callable[[str], Server]
Connect = Callable[[System], Clients]
Admin = Callable[[str], Keeper]
Hooks = Callable[..., dict[str, str]]


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    """Starts a server that keeps its data on disk, by one of the durabilities."""
    with contextlib.ExitStack() as running:

        def begin(fsync: str) -> Server:
            server = Server("--appendonly", "yes", "--appendfsync", fsync)
            return running.enter_context(server)

        yield begin


@pytest.fixture
def start(tmp_path: Path, prepared: Path, keeping: Keeping) -> Iterator[Start]:
    """Starts a system with these settings; LiteRT, two workers, nothing cached.

    It ends before the servers of `keeping` do, as it would wait for them to take its last results.
    """
    with contextlib.ExitStack() as running:

        def begin(hooks: dict[str, str] | None = None, **settings: object) -> System:
            folder = with_model(tmp_path / "data", prepared / "models")
            own = {"workers": 2, "engine": "litert", "cache_ttl_s": 0}
            system = System(folder, **own | settings)
            system.environment |= hooks or {}
            return running.enter_context(system)

        yield begin


@dataclass(frozen=True)
class Usual:
    """A system with its Redis beside it, for tests after which it goes on as before."""

    system: System
    server: Server


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Usual]:
    """Two workers, one gateway, a deadline that outlasts what is done to them."""
    folder = with_model(tmp_path_factory.mktemp("usual"), prepared / "models")
    settings = {"workers": 2, "engine": "litert", "cache_ttl_s": 0, "deadline_s": 40}
    with (
        Server("--appendonly", "yes", "--appendfsync", "everysec") as server,
        System(folder, redis_url=server.url, **settings) as system,
    ):
        yield Usual(system, server)


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    """The environment that puts faults into a system (`tests.support.fault_hooks`)."""

    def made(**variables: object) -> dict[str, str]:
        given = {name.upper(): str(value) for name, value in variables.items()}
        return {"PYTHONPATH": faults.path(tmp_path / "hooks"), **given}

    return made


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Clients of a system; closed at the end."""
    made: list[Clients] = []

    def begin(system: System) -> Clients:
        made.append(Clients(system.url))
        return made[-1]

    yield begin
    for clients in made:
        clients.close()


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    """A connection to a server with all rights."""
    made: list[Keeper] = []

    def begin(url: str) -> Keeper:
        made.append(Keeper(url))
        return made[-1]

    yield begin
    for keeper in made:
        await keeper.close()


def counted(answers: Sequence[Answer]) -> Counter[str]:
    """How many answers of each kind."""
    return Counter(answer.outcome for answer in answers)
