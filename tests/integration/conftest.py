"""Clients of a running system."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.system import System


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    """A client that follows no redirect and waits longer than any deadline."""
    with httpx.Client(base_url=system.url, timeout=30) as made:
        yield made


@pytest.fixture
async def async_client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """The same for many requests at once."""
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(
        base_url=system.url, timeout=60, limits=limits
    ) as made:
        yield made
