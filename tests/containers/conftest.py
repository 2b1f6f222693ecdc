"""The engine, and whether a test that needs it may be skipped."""

import os
from collections.abc import Iterator

import pytest

from tests.containers.engine import Engine, UnavailableError
from tests.containers.podman import Podman


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine; without one the tests are skipped, in CI they fail."""
    docker = Engine()
    found = docker if docker.answers() else Podman()
    try:
        found.start()
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a container engine: {error}")
        pytest.skip(str(error))
    yield found
    found.stop()
