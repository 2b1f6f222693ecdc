"""Builds the four images, runs docker-compose.yml with them and classifies a picture.

The user and group are chosen to collide: 20 is macOS' own group and another one in Debian.
"""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.containers.composed import Composed
from tests.containers.engine import ROOT, Engine
from tests.support.pictures import photograph
from tests.support.system import free_port

PARTS = ("gateway", "inference")
UID, GID = 12345, 20
STOP_S = (
    30  # finishing what there is takes less; without a handler a stop would take 120
)

pytestmark = pytest.mark.timeout(1800)  # building and installing, the first time


def tag(part: str) -> str:
    return f"pictor-tested-{part}"


@pytest.fixture(scope="session")
def images(engine: Engine) -> None:
    """Both images that run, with their user."""
    for part in PARTS:
        built = engine.build(part, part, tag(part), UID=UID, GID=GID)
        assert built.returncode == 0, built.stdout[-3000:]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_passes_its_own_tests_in_its_image(engine: Engine, part: str) -> None:
    built = engine.build(part, "test", f"{tag(part)}-test", UID=UID, GID=GID)
    assert built.returncode == 0, built.stdout[-6000:]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("user", [{"UID": 0}, {"GID": 0}])
def test_root_is_refused(engine: Engine, part: str, user: dict[str, int]) -> None:
    built = engine.build(part, part, f"{tag(part)}-root", **user)
    assert built.returncode != 0
    assert "UID and GID must not be 0" in built.stdout


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("part", PARTS)
def test_image_says_how_it_is_run(engine: Engine, part: str) -> None:
    image = engine.image(tag(part))
    assert image["User"] == f"{UID}:{GID}"
    assert image["Entrypoint"] == ["python", "-m", part]
    assert image["Healthcheck"]["Test"] == [
        *("CMD", "python", "-m"),
        *("deploy.health", part),
    ]
    assert image["StopSignal"] in ("SIGTERM", "15")


@pytest.mark.usefixtures("images")
def test_gateway_image_holds_neither_tensorflow_nor_numpy(engine: Engine) -> None:
    listed = engine.run("run", "--rm", "--entrypoint", "pip", tag("gateway"), "list")
    assert listed.returncode == 0, listed.stdout
    assert "quart" in listed.stdout.lower()
    assert not re.search("tensorflow|numpy|keras|litert", listed.stdout, re.IGNORECASE)


@pytest.fixture(scope="module")
def system(
    engine: Engine, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    """The whole system from .env.original, but for the user, a password and a free port."""
    folder = tmp_path_factory.mktemp("compose")
    text = (ROOT / "docker-compose.yml").read_text()
    (folder / "docker-compose.yml").write_text(text)
    shutil.copytree(ROOT / "common", folder / "common")  # what it mounts
    own = {"services": {part: {"image": tag(part)} for part in PARTS}}
    (folder / "override.yml").write_text(yaml.safe_dump(own))
    port = free_port()
    changed = {
        "UID": UID,
        "GID": GID,
        "REDIS_PASSWORD": secrets.token_hex(16),
        "PICTOR_PORT": port,
        "PICTOR_WORKERS": 1,
    }
    environment = (ROOT / ".env.original").read_text()
    for name, value in changed.items():
        environment = re.sub(f"(?m)^{name}=.*$", f"{name}={value}", environment)
    (folder / ".env").write_text(environment)
    composed = Composed(engine, folder, f"pictor{secrets.token_hex(4)}", port)
    try:
        composed.up()
        yield composed
    finally:
        composed.compose("down", "--volumes")


def test_without_a_password_nothing_is_started(engine: Engine, tmp_path: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    (tmp_path / "docker-compose.yml").write_text(text)
    environment = (ROOT / ".env.original").read_text()
    emptied = re.sub("(?m)^REDIS_PASSWORD=.*$", "REDIS_PASSWORD=", environment)
    (tmp_path / ".env").write_text(emptied)
    with pytest.raises(AssertionError, match="REDIS_PASSWORD is not set; start with"):
        engine.compose(tmp_path, "config")


def test_it_is_ready_a_moment_after_up_returns(system: Composed) -> None:
    """The gateway is started last, once the workers are warm."""
    assert system.comes_true("/readyz", '"status":"ok"')


def test_it_classifies_a_photograph(system: Composed) -> None:
    answer = system.classify(photograph("coffee.png"))
    assert answer.status_code == 200
    assert answer.json()["prediction"] == "espresso"
    assert answer.json()["score"] == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("part", PARTS)
def test_every_process_is_the_users_and_has_no_rights(
    system: Composed, part: str
) -> None:
    """Read where the processes are seen from: in the container itself."""
    (container,) = system.containers(part)
    script = "grep -hE '^(Uid|Gid|CapEff|NoNewPrivs)' /proc/[0-9]*/status | sort | uniq"
    said = system.inside(container, "sh", "-c", script)
    lines = [line.split() for line in said.splitlines()]
    assert lines == [
        ["CapEff:", "0" * 16],
        ["Gid:", *[str(GID)] * 4],
        ["NoNewPrivs:", "1"],
        ["Uid:", *[str(UID)] * 4],
    ]


def test_only_its_data_and_temporary_files_can_be_written(system: Composed) -> None:
    (container,) = system.containers("inference")
    script = (
        "for d in / /app /data /tmp; do touch $d/x 2>/dev/null && echo $d; done; true"
    )
    assert system.inside(container, "sh", "-c", script).split() == ["/data", "/tmp"]


def test_redis_asks_for_the_password(system: Composed) -> None:
    (container,) = system.containers("redis")
    said = system.inside(container, "env", "-u", "REDISCLI_AUTH", "redis-cli", "ping")
    assert "NOAUTH" in said
    assert "PONG" in system.inside(container, "redis-cli", "ping")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aof_enabled", "1"),
        ("maxmemory_policy", "noeviction"),
        ("maxmemory", str(1024**3)),
    ],
)
def test_redis_is_set_as_the_embedded_server_is(
    system: Composed, name: str, value: str
) -> None:
    (container,) = system.containers("redis")
    said = system.inside(container, "redis-cli", "info")
    assert f"{name}:{value}" in said.splitlines()


@pytest.mark.parametrize(
    "command", ["config get *", "flushall", "keys *", "get session:1"]
)
def test_redis_grants_only_what_pictor_uses(system: Composed, command: str) -> None:
    (container,) = system.containers("redis")
    assert "NOPERM" in system.inside(container, "redis-cli", *command.split())


@pytest.mark.parametrize("part", PARTS)
def test_health_check_says_yes(engine: Engine, system: Composed, part: str) -> None:
    (container,) = system.containers(part)
    command = engine.image(tag(part))["Healthcheck"]["Test"][1:]
    checked = engine.run("exec", container, *command)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_health_check_of_the_workers_says_no_without_one(system: Composed) -> None:
    """Asked in the gateway's container, where nobody serves workers' metrics."""
    (container,) = system.containers("gateway")
    checked = system.engine.run(
        "exec", container, "python", "-m", "deploy.health", "inference"
    )
    assert checked.returncode == 1
    assert checked.stdout.strip()


def test_a_second_container_of_workers_joins(system: Composed) -> None:
    """And finds the model converted in the volume."""
    system.up("--scale", "inference=2")
    assert system.comes_true("/v1/models", '"workers":2')
    assert system.classify(photograph("rocket.jpg")).json()["prediction"] == "missile"


def test_stopping_ends_every_container_cleanly(system: Composed) -> None:
    """The last one: each has heard SIGTERM and ended by itself, well before it would be killed."""
    started = time.monotonic()
    system.compose("stop")
    assert time.monotonic() - started < STOP_S
    for part in ("redis", *PARTS):
        for container in system.containers(part):
            said = system.engine.run(
                "inspect", "--format", "{{.State.ExitCode}}", container
            )
            assert said.stdout.strip() == "0", container
