"""Dockerfiles, docker-compose.yml, .env.original and lock files agree with the code and with each other."""

import hashlib
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from common import acl, embedded
from common.settings import Settings

ROOT = Path(__file__).parents[2]
PARTS = ("gateway", "inference")
LOCKS = ("gateway", "inference", "gateway-test", "inference-test")
ENVIRONMENT = ROOT / ".env.original"
REQUIREMENTS = ROOT / "requirements"


def program(name: str) -> str:
    """A program beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return str(path)


def values() -> dict[str, str | None]:
    return dict(dotenv_values(ENVIRONMENT, interpolate=False))


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package in a lock file; a marker may choose between several."""
    found: dict[str, set[str]] = {}
    text = (REQUIREMENTS / f"{lock}.txt").read_text()
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_env_original_lists_every_setting_with_its_default() -> None:
    """A setting cannot be forgotten, and a copied file changes nothing."""
    ours = {name for name in values() if name.startswith("PICTOR_")}
    assert ours == set(Settings.__struct_encode_fields__)
    assert Settings.parse(values()) == Settings()


def test_env_original_begins_with_uid_and_gid() -> None:
    assert list(values())[:2] == ["UID", "GID"]


def test_env_original_explains_each_line() -> None:
    """Before every name stands one comment; none is behind a value, where some would read it as part."""
    lines = ENVIRONMENT.read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if not line.startswith("#"):
            assert before.startswith("# ")
            assert "#" not in line


def test_compose_file_fits_its_schema() -> None:
    subprocess.run(
        [
            program("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec"),
            "docker-compose.yml",
        ],
        cwd=ROOT,
        check=True,
    )


def test_only_the_gateway_has_an_open_port(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name in services if "ports" in services[name]] == ["gateway"]


def test_no_service_has_a_fixed_name_so_each_can_be_scaled(
    compose: dict[str, Any],
) -> None:
    assert not any("container_name" in one for one in compose["services"].values())


def test_every_service_runs_with_as_little_as_it_needs(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("durability", list(embedded.SAVES))
def test_redis_saves_as_the_embedded_server_does(
    compose: dict[str, Any], durability: str, tmp_path: Path
) -> None:
    """The service's own script, with a server that only says how it was called."""
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    server.chmod(0o755)
    password = 'it\'s "secret"'
    # What the container has at fixed places lies in a folder of the test's here.
    places = {
        "$$": "$",
        "/etc/redis.acl": str(acl.TEMPLATE),
        "/tmp/users.acl": f"{tmp_path}/users.acl",
    }
    command = list(compose["services"]["redis"]["command"])
    for place, here in places.items():
        command = [word.replace(place, here) for word in command]
    said = subprocess.run(
        command,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "PICTOR_DURABILITY": durability,
            "PICTOR_REDIS_MAXMEMORY_MB": "77",
            "REDISCLI_AUTH": password,
        },
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")[:-1]
    given = dict(zip(said[::2], said[1::2], strict=True))
    wanted = (*embedded.SAVES[durability], *embedded.REWRITING)
    assert dict(zip(wanted[::2], wanted[1::2], strict=True)).items() <= given.items()
    assert (given["--maxmemory"], given["--save"]) == ("77mb", "")
    users = Path(given["--aclfile"])
    digest = hashlib.sha256(password.encode()).hexdigest()
    assert users.read_text() == acl.line(f"#{digest}") + "\n"
    assert users.stat().st_mode & 0o077 == 0
    assert password not in " ".join(said)


def test_redis_sees_the_rules_where_its_script_reads_them(
    compose: dict[str, Any],
) -> None:
    volumes = compose["services"]["redis"]["volumes"]
    assert "./common/redis.acl:/etc/redis.acl:ro" in volumes
    assert (ROOT / "common" / "redis.acl") == acl.TEMPLATE


def test_compose_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        ours = {name for name in service["environment"] if name.startswith("PICTOR_")}
        assert ours <= set(Settings.__struct_encode_fields__)


@pytest.mark.parametrize("part", PARTS)
def test_dockerfile_has_its_stages_in_order(part: str) -> None:
    """The last one is what runs, and what a build without a target makes."""
    text = (ROOT / part / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert stages == [("python:3.11-slim", "base"), ("base", "test"), ("base", part)]


@pytest.mark.parametrize("part", PARTS)
def test_compose_builds_what_the_dockerfile_has(
    part: str, compose: dict[str, Any]
) -> None:
    build = compose["services"][part]["build"]
    assert build["dockerfile"] == f"{part}/Dockerfile"
    assert build["target"] == part
    assert set(build["args"]) == {"UID", "GID"}


@pytest.mark.parametrize("part", PARTS)
def test_dockerfile_passes_hadolint(part: str) -> None:
    subprocess.run([program("hadolint"), f"{part}/Dockerfile"], cwd=ROOT, check=True)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_names_no_address_and_the_versions_of_make_setup(lock: str) -> None:
    """An image holds what was tested outside of it."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text()
    assert "://" not in text
    everything = pins("dev")
    for name, versions in pins(lock).items():
        assert versions <= everything[name], name


def test_peers_decode_and_infer_with_the_versions_of_make_setup() -> None:
    """Only the serving is to differ; what Pictor does not have is theirs to choose."""
    assert "://" not in (REQUIREMENTS / "peers.txt").read_text()
    ours, theirs = pins("dev"), pins("peers")
    assert {"ai-edge-litert", "numpy", "pillow", "mosec"} <= theirs.keys()
    for name in ours.keys() & theirs.keys():
        assert theirs[name] <= ours[name], name


def test_gateway_needs_neither_tensorflow_nor_numpy() -> None:
    heavy = {"tensorflow", "tensorflow-cpu", "keras", "numpy", "ai-edge-litert"}
    assert not heavy & set(pins("gateway"))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_has_wheels_for_arm64(lock: str, tmp_path: Path) -> None:
    """Nothing would have to be compiled in an image for Apple silicon; asks the package index."""
    done = subprocess.run(
        [
            *(program("uv"), "pip", "install", "--dry-run", "--quiet"),
            *("--require-hashes", "--only-binary", ":all:"),
            *("--python-platform", "aarch64-unknown-linux-gnu"),
            *("--python-version", "3.11", "--target", str(tmp_path)),
            *("-r", str(REQUIREMENTS / f"{lock}.txt")),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
