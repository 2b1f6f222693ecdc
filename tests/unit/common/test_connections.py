"""Connections: opened again when lost, shared by all who ask, and a start that fails in one line."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from common import connections
from common.connections import Keeper, check, redacted
from common.errors import StartError
from common.link import LinkLost, ReplyError
from tests.support.server import Server

SECRET = "hunter2"


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop, kill or lock."""
    with Server() as server:
        yield server
        server.process.send_signal(signal.SIGCONT)


@pytest.fixture
async def keeper(own_server: Server) -> AsyncIterator[Keeper]:
    keeper = Keeper(own_server.url, name="kept")
    yield keeper
    await keeper.close()


async def test_all_who_ask_share_one_connection(own_server: Server) -> None:
    """Also when they ask at the same time, before there is one."""
    keeper, other = Keeper(own_server.url, name="shared"), Keeper(own_server.url)
    replies = await asyncio.gather(*(keeper.call("ECHO", n) for n in range(64)))
    assert replies == [b"%d" % n for n in range(64)]
    clients = (await other.call("CLIENT", "LIST")).splitlines()
    assert sum(b" name=shared " in client for client in clients) == 1
    await keeper.close()
    await other.close()


async def test_a_caller_that_leaves_does_not_stop_the_opening(keeper: Keeper) -> None:
    first = asyncio.create_task(keeper.call("PING"))
    second = asyncio.create_task(keeper.call("PING"))
    await asyncio.sleep(0)  # both wait for the link
    first.cancel()
    assert await second == b"PONG"


async def test_a_lost_link_is_told_and_opened_again(
    keeper: Keeper, own_server: Server
) -> None:
    """Nothing is repeated: what was under way raises."""
    waiting = asyncio.create_task(keeper.call("BLPOP", "list", 0))
    link = await keeper.link()
    await link.call("PING")
    own_server.kill()
    with pytest.raises(LinkLost):
        await waiting
    with pytest.raises(LinkLost):
        await keeper.call("PING")
    await asyncio.to_thread(own_server.start)
    await check(own_server.url, patience_s=10)
    async with asyncio.timeout(5):
        while True:
            try:
                assert await keeper.call("PING") == b"PONG"
                break
            except LinkLost:  # it was refused a moment ago
                await asyncio.sleep(0.01)
    assert await keeper.link() is not link


async def test_a_refusal_is_raised_or_stands_in_its_place(keeper: Keeper) -> None:
    commands = (("PING",), ("NOSUCHCOMMAND",), ("ECHO", "after"))
    with pytest.raises(ReplyError):
        await keeper.calls(commands)
    first, refused, last = await keeper.replies(commands)
    assert (first, last) == (b"PONG", b"after")
    assert isinstance(refused, ReplyError)


async def test_nothing_to_send_has_no_replies(keeper: Keeper) -> None:
    assert await keeper.calls(()) == []


async def test_a_server_that_hangs_is_noticed(
    keeper: Keeper, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keeper.call("PING")
    monkeypatch.setattr(connections, "REPLY_TIMEOUT_S", 0.05)
    own_server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(LinkLost):
        await keeper.call("PING")


async def test_a_half_open_connection_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first connection never answers, as after a cable was pulled; a new one would."""
    monkeypatch.setattr(connections, "REPLY_TIMEOUT_S", 0.05)
    accepted: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        silent = len(accepted) == 1
        while await reader.read(1000):
            if not silent:
                writer.write(b"+PONG\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    keeper = Keeper(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(LinkLost):
        await keeper.call("PING")
    try:
        assert await keeper.call("PING") == b"PONG"
    finally:
        await keeper.close()
        for writer in accepted:
            writer.close()
        server.close()


async def test_check_is_content_with_a_server_that_answers(own_server: Server) -> None:
    await check(own_server.url, patience_s=0)


async def refusal(url: str) -> str:
    """Why a start fails on this address; one line without the password."""
    with pytest.raises(StartError) as caught:
        await check(url, patience_s=0)
    text = str(caught.value)
    assert text.splitlines() == [text]
    assert SECRET not in text
    return text


async def test_check_says_where_nobody_answers(unused_tcp_port: int) -> None:
    text = await refusal(f"redis://me:{SECRET}@127.0.0.1:{unused_tcp_port}/0")
    assert text.startswith(f"Redis at redis://127.0.0.1:{unused_tcp_port} cannot")


async def test_check_says_that_a_server_hangs(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REPLY_TIMEOUT_S", 0.05)
    own_server.process.send_signal(signal.SIGSTOP)
    assert "does not answer" in await refusal(own_server.url)


async def test_a_password_opens_and_a_wrong_one_does_not(
    keeper: Keeper, own_server: Server
) -> None:
    await keeper.call("CONFIG", "SET", "requirepass", SECRET)
    place = own_server.url.removeprefix("unix://")
    await check(f"unix://:{SECRET}@{place}", patience_s=0)
    await refusal(own_server.url)
    await refusal(f"unix://:{SECRET}x@{place}")
    refused = Keeper(f"unix://:{SECRET}x@{place}")
    with pytest.raises(LinkLost, match="refuses"):
        await refused.call("PING")
    await refused.close()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "127.0.0.1:6379",
        "http://127.0.0.1:6379",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1:70000",
        "redis://[::1",
        f"redis://:{SECRET}/x@127.0.0.1:6379",
        f"redis://:{SECRET}#x@127.0.0.1:6379",
        f"{SECRET}@127.0.0.1:6379",
        "redis://a..b:6379",
        "redis://127.0.0.1:6379?socket_timeout=soon",
    ],
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    """A password with a slash in it makes a wrong address, and is still not shown."""
    await refusal(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://me:{SECRET}@box:6380/2?x={SECRET}", "redis://box:6380"),
        (f"rediss://:{SECRET}@box/0", "rediss://box"),
        (f"unix://:{SECRET}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://box", "redis://box"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown
