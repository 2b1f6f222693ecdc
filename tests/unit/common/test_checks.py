"""A Redis of the user's own that would lose what is promised is told of at the start."""

import asyncio

import pytest
import structlog

from common import acl, checks
from common.errors import StartError
from common.settings import Settings
from tests.support.server import Server

WELL = ("--appendonly", "yes", "--maxmemory", "100mb")


async def said(*arguments: str, durability: str = "everysec") -> list[str]:
    """The warnings of a start with a real server that was given these arguments."""
    server = Server(*arguments)
    await asyncio.to_thread(server.__enter__)
    try:
        url = server.url
        settings = Settings.parse(
            {"PICTOR_REDIS_URL": url, "PICTOR_DURABILITY": durability}
        )
        with structlog.testing.capture_logs() as logged:
            await checks.check(settings)
    finally:
        server.__exit__(None, None, None)
    assert {entry["log_level"] for entry in logged} <= {"warning"}
    return [entry["event"] for entry in logged]


async def test_a_server_that_is_set_well_is_not_mentioned() -> None:
    assert await said(*WELL) == []
    assert await said(*WELL, durability="always") == []


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (
            (*WELL, "--maxmemory-policy", "allkeys-lru"),
            "set maxmemory-policy noeviction",
        ),
        ((*WELL, "--maxmemory", "0"), "set maxmemory there"),
        ((*WELL, "--appendonly", "no"), "set appendonly yes and appendfsync everysec"),
    ],
)
async def test_what_is_amiss_is_said_with_what_to_do(
    arguments: tuple[str, ...], advice: str
) -> None:
    (warning,) = await said(*arguments)
    assert advice in warning


async def test_who_asks_for_nothing_is_not_warned_of_nothing() -> None:
    assert await said("--maxmemory", "100mb", durability="none") == []


async def test_an_eviction_policy_without_a_bound_evicts_nothing() -> None:
    (warning,) = await said(
        *WELL, "--maxmemory", "0", "--maxmemory-policy", "volatile-ttl"
    )
    assert warning.endswith("set maxmemory there")


async def verdict(version: str) -> str:
    """Why a start fails with a server that says it is of this version; empty where it does not.

    No program that old is to be had here: INFO's answer is made up, the rest is real.
    """
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = f"redis_version:{version}\r\n".encode()
        while line := await reader.readline():
            if line == b"INFO\r\n":
                writer.write(b"$%d\r\n%s\r\n" % (len(text), text))
            elif line in (b"AUTH\r\n", b"CLIENT\r\n"):
                writer.write(b"+OK\r\n")
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"redis://me:hunter2@127.0.0.1:{port}/0"
        try:
            await checks.check(Settings.parse({"PICTOR_REDIS_URL": url}))
        except StartError as error:
            return str(error)
        finally:
            await gone.wait()
    return ""


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.20", "unknown", "", "7"])
async def test_a_server_that_is_too_old_is_refused_in_a_line(version: str) -> None:
    text = await verdict(version)
    assert text.splitlines() == [text]
    assert text.endswith("Pictor needs 6.2 or later")
    assert "hunter2" not in text


@pytest.mark.parametrize("version", ["6.2.0", "6.10.1", "7.0.15", "10.1.0-rc1"])
async def test_a_later_one_is_taken(version: str) -> None:
    assert await verdict(version) == ""


async def test_a_user_who_may_not_ask_is_told_what_to_grant() -> None:
    server = Server(users=acl.line().replace("+info", ""))
    await asyncio.to_thread(server.__enter__)
    try:
        with pytest.raises(StartError, match=r"common/redis\.acl lists") as refused:
            await checks.check(Settings.parse({"PICTOR_REDIS_URL": server.url}))
    finally:
        server.__exit__(None, None, None)
    assert "\n" not in str(refused.value)
