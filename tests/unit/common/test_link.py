"""One connection for many tasks: replies in order, whoever left; and what is lost is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.connections import Keeper
from common.link import LARGE_BYTES, Link, LinkLost, ReplyError


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Link]:
    link = await Link.open(flushed_redis_url, name="unit")
    yield link
    link.close()


async def test_replies_come_in_the_order_of_their_commands(link: Link) -> None:
    """All in one write, none waiting for the one before."""
    replies = link.send(("ECHO", number) for number in range(500))
    assert await replies == [b"%d" % n for n in range(500)]
    assert await link.send(()) == []


async def test_a_refusal_stands_in_its_commands_place(link: Link) -> None:
    """The others of the same write have their replies."""
    one, refused, three = await link.send((("ECHO", 1), ("NOSUCH",), ("ECHO", 3)))
    assert (one, refused.kind, three) == (b"1", "ERR", b"3")


@pytest.mark.parametrize("size", [0, LARGE_BYTES - 1, LARGE_BYTES, 3_000_000])
async def test_large_arguments_arrive_as_they_are(link: Link, size: int) -> None:
    """They go around the packing."""
    value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    await link.send((("SET", "large", value), ("ECHO", "behind")))
    assert await link.call("GET", "large") == value


async def test_replies_are_what_redis_says(link: Link) -> None:
    await link.call("RPUSH", "list", b"\0\xff", 1.5)
    assert await link.call("LRANGE", "list", 0, -1) == [b"\0\xff", b"1.5"]
    assert await link.call("LLEN", "list") == 2
    assert await link.call("GET", "nothing") is None
    assert await link.call("CLIENT", "GETNAME") == b"unit"


async def test_a_task_that_leaves_takes_no_reply_with_it(link: Link) -> None:
    """The reply to its command is dropped; the next task gets its own."""
    leaving = asyncio.create_task(link.call("BLPOP", "list", 0))
    staying = asyncio.create_task(link.call("ECHO", "mine"))
    await asyncio.sleep(0)  # both have written
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    other = Keeper(link_url(link))
    await other.call("RPUSH", "list", "for nobody")
    assert await staying == b"mine"
    await other.close()


def link_url(link: Link) -> str:
    """Where a link leads."""
    assert link._transport is not None
    return f"unix://{link._transport.get_extra_info('peername')}"


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("NOSUCHCOMMAND",), "ERR"),
        (("LPUSH", "text", "x"), "WRONGTYPE"),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"), "NOGROUP"),
    ],
)
async def test_a_refusal_says_of_what_kind(
    link: Link, command: tuple[str, ...], kind: str
) -> None:
    await link.call("SET", "text", "x")
    with pytest.raises(ReplyError) as caught:
        await link.call(*command)
    assert caught.value.kind == kind
    assert await link.call("PING") == b"PONG"


async def test_what_waits_on_a_closed_link_is_told(link: Link) -> None:
    waiting = asyncio.create_task(link.call("BLPOP", "list", 0))
    await asyncio.sleep(0)  # it has written
    link.close()
    with pytest.raises(LinkLost):
        await waiting
    assert link.lost.done()
    with pytest.raises(LinkLost):
        await link.call("PING")
    link.write("PING")  # where no reply is wanted, nothing is raised either


async def test_bytes_that_are_no_reply_end_the_link() -> None:
    """Something else listens on that port."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        link = await Link.open(f"redis://127.0.0.1:{port}")
        with pytest.raises(LinkLost):
            await link.call("PING")
        assert link.lost.done()


async def test_nobody_there_is_a_lost_link(unused_tcp_port: int) -> None:
    with pytest.raises(LinkLost):
        await Link.open(f"redis://127.0.0.1:{unused_tcp_port}")


async def test_the_database_of_the_address_is_chosen(flushed_redis_url: str) -> None:
    zero = await Link.open(flushed_redis_url)
    three = await Link.open(f"{flushed_redis_url}?db=3")
    await three.call("SET", "x", 3)
    assert await zero.call("GET", "x") is None
    assert await three.call("GET", "x") == b"3"
    zero.close()
    three.close()
