"""What Pictor may do in Redis: all that its code sends, and nothing else."""

import ast
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from common import acl
from common.connections import Keeper
from common.link import LinkLost, ReplyError
from tests.support.server import Server

ROOT = Path(__file__).parents[3]
PARTS = ("common", "gateway", "inference", "deploy")
# Every connection may send these, whatever its user is granted.
NEED_NO_GRANT = {"auth", "hello"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with Pictor's user, and an administrator.

    What the server would refuse to everybody is switched on: the rules alone have to refuse it.
    """
    switches = ("--enable-debug-command", "yes", "--enable-module-command", "yes")
    with Server(*switches, users=acl.line()) as server:
        yield server


@pytest.fixture
async def pictor(server: Server) -> AsyncIterator[Keeper]:
    keeper = Keeper(server.url, name="pictor")
    yield keeper
    await keeper.close()


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Keeper]:
    keeper = Keeper(server.admin_url)
    yield keeper
    await keeper.close()


def sent() -> set[tuple[str, ...]]:
    """The first two words of whatever looks like a command in the code, in lower case.

    That is a tuple, or a call's arguments, which begins with a word in capitals.
    """
    found = set()
    for path in (path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            words = (
                node.elts
                if isinstance(node, ast.Tuple)
                else node.args if isinstance(node, ast.Call) else []
            )
            texts = [w.value if isinstance(w, ast.Constant) else None for w in words]
            if texts and isinstance(texts[0], str) and texts[0].isupper():
                found.add(tuple(str(text).lower() for text in texts[:2]))
    return found


async def used(admin: Keeper) -> set[str]:
    """The commands that the code sends, as Redis names them in rules."""
    names = {name.decode() for name in await admin.call("COMMAND", "LIST")}
    found = set()
    for command, *rest in sent():
        if rest and (sub := f"{command}|{rest[0]}") in names:
            found.add(sub)
        elif command in names:
            found.add(command)
    return found - NEED_NO_GRANT


async def test_all_that_the_code_sends_is_granted(admin: Keeper) -> None:
    assert await used(admin) <= acl.granted()


@pytest.mark.skipif(
    not all((ROOT / part).is_dir() for part in PARTS),
    reason="a part's image holds no other part",
)
async def test_nothing_is_granted_that_the_code_does_not_send(admin: Keeper) -> None:
    assert acl.granted() <= await used(admin)


async def test_redis_understands_every_rule(admin: Keeper) -> None:
    reply = await admin.call("ACL", "GETUSER", "default")
    user = dict(zip(reply[::2], reply[1::2], strict=True))
    assert user[b"keys"] == b"~pictor:*"
    assert user[b"channels"] == b"&pictor:*"
    assert user[b"commands"].startswith(b"-@all ")
    commands = {rule[1:].decode() for rule in user[b"commands"].split()[1:]}
    assert commands == acl.granted()
    assert set(user[b"flags"]) == {b"on", b"nopass"}


def refusals() -> list[tuple[str, ...]]:
    """What nobody who speaks for Pictor may do."""
    return [
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("DEBUG", "SLEEP", "0"),
        ("SHUTDOWN", "NOSAVE"),
        ("SCRIPT", "LOAD", "return 1"),
        ("EVAL", "return 1", "0"),
        ("FUNCTION", "LIST"),
        ("MODULE", "LIST"),
        ("ACL", "LIST"),
        ("MONITOR",),
        ("SAVE",),
        ("BGREWRITEAOF",),
        ("REPLICAOF", "NO", "ONE"),
        ("CLIENT", "LIST"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("RENAME", "pictor:a", "pictor:b"),
        ("XTRIM", "pictor:a", "MAXLEN", "0"),
        ("XGROUP", "DESTROY", "pictor:a", "workers"),
        ("XGROUP", "SETID", "pictor:a", "workers", "$"),
        ("PSUBSCRIBE", "pictor:*"),
        ("PUBSUB", "CHANNELS"),
        # Names of others.
        ("GET", "session:1"),
        ("SET", "session:1", "x"),
        ("XADD", "jobs", "*", "h", "x"),
        ("MGET", "pictor:a", "session:1"),
        ("DEL", "pictor", "session:1"),
        ("PUBLISH", "news", "x"),
        ("SUBSCRIBE", "news"),
    ]


@pytest.mark.parametrize("command", refusals(), ids=" ".join)
async def test_nothing_else_may_be_done(
    pictor: Keeper, command: tuple[str, ...]
) -> None:
    with pytest.raises(ReplyError) as refused:
        await pictor.call(*command)
    assert refused.value.kind == "NOPERM"


async def test_what_is_refused_stays_as_it_was(pictor: Keeper, admin: Keeper) -> None:
    await admin.call("SET", "session:1", "theirs")
    await pictor.call("SET", "pictor:a", "ours")
    for command in refusals():
        with pytest.raises(ReplyError):
            await pictor.call(*command)
    assert await admin.call("GET", "session:1") == b"theirs"
    assert await pictor.call("GET", "pictor:a") == b"ours"


@pytest.fixture
def locked() -> Iterator[Server]:
    """A server whose rules hold a password's hash, as in docker-compose.yml."""
    digest = hashlib.sha256(b"letmein").hexdigest()
    with Server(users=acl.line(f"#{digest}")) as server:
        yield server


@pytest.mark.parametrize("password", ["letmein", "letmeout", ""])
async def test_a_password_in_the_rules_is_asked_for(
    locked: Server, password: str
) -> None:
    keeper = Keeper(locked.url.replace("unix://", f"unix://:{password}@"))
    try:
        if password == "letmein":
            assert await keeper.call("PING") == b"PONG"
            return
        # A password that is wrong is refused as the connection opens; without one only its commands are.
        kind, why = (LinkLost, "WRONGPASS") if password else (ReplyError, "NOAUTH")
        with pytest.raises(kind, match=why):
            await keeper.call("PING")
    finally:
        await keeper.close()
