"""Redis by user name, password and TLS, as ``PICTOR_REDIS_URL`` gives them.

The embedded server's program is built without TLS: a relay before a real server ends it.
"""

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from common import acl
from common.connections import Keeper, check
from common.errors import StartError
from common.link import ReplyError
from tests.support.server import Server

PASSWORD = "hunter2/@:%"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server whose one user has a name, a password and Pictor's rights."""
    user = acl.line(f">{PASSWORD}").replace("user default ", "user pictor ")
    with Server(users=f"{user}\nuser default off") as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody signed, and its key, in one file."""
    program = shutil.which("openssl")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs openssl")
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        [
            *(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", "-", "-out", "-"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(made.stdout)
    return path


@pytest.fixture
async def port(server: Server, certificate: Path) -> AsyncIterator[int]:
    """Where TLS ends and the real server begins."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        theirs = await asyncio.open_unix_connection(urlsplit(server.url).path)
        await asyncio.gather(copy(reader, theirs[1]), copy(theirs[0], writer))

    relaying = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with relaying:
        yield relaying.sockets[0].getsockname()[1]
        await asyncio.gather(*relays)  # both sides are closed by now


def address(port: int, password: str, certificate: Path, user: str = "pictor") -> str:
    place = f"localhost:{port}/0?ssl_ca_certs={certificate}"
    return f"rediss://{user}:{quote(password, safe='')}@{place}"


async def refusal(url: str) -> str:
    """Why a start fails: one line that holds neither password nor parameter."""
    with pytest.raises(StartError) as caught:
        await check(url, patience_s=0)
    text = str(caught.value)
    assert text.splitlines() == [text]
    assert "hunter2" not in text
    assert "ssl_ca_certs" not in text
    return text


async def test_user_password_and_tls(port: int, certificate: Path) -> None:
    url = address(port, PASSWORD, certificate)
    await check(url, patience_s=0)
    keeper = Keeper(url, name="over-tls")
    image = os.urandom(300_000)  # many TLS records
    try:
        await keeper.call("SET", "pictor:{0}:result:x", image)
        assert await keeper.call("GET", "pictor:{0}:result:x") == image
        with pytest.raises(ReplyError):
            await keeper.call("FLUSHALL")
    finally:
        await keeper.close()


@pytest.mark.parametrize("user", ["pictor", "default", "nobody"])
async def test_who_is_not_let_in_is_told_so(
    port: int, certificate: Path, user: str
) -> None:
    text = await refusal(address(port, "hunter2", certificate, user))
    assert text.startswith(f"Redis at rediss://localhost:{port} cannot be used: WRONG")


async def test_without_credentials(port: int, certificate: Path) -> None:
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"
    assert "NOAUTH" in await refusal(url)


async def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    text = await refusal(f"rediss://pictor:hunter2@localhost:{port}/0")
    assert "certificate" in text


async def test_a_certificate_for_another_host_is_refused(
    port: int, certificate: Path
) -> None:
    url = address(port, PASSWORD, certificate).replace("localhost", "127.0.0.1")
    assert "certificate" in await refusal(url)


async def test_no_tls_where_there_should_be(port: int) -> None:
    text = await refusal(f"redis://pictor:hunter2@localhost:{port}/0")
    assert text.startswith(f"Redis at redis://localhost:{port} cannot be used")


async def test_tls_where_there_is_none() -> None:
    """A server in plain text, as seen by who expects TLS."""

    gone = asyncio.Event()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"-ERR Protocol error\r\n")
        writer.close()
        gone.set()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listening:
        number = listening.sockets[0].getsockname()[1]
        await refusal(f"rediss://pictor:hunter2@localhost:{number}/0")
        await gone.wait()


async def test_a_password_without_a_user_is_that_of_default(server: Server) -> None:
    place = urlsplit(server.url).path
    assert "WRONGPASS" in await refusal(f"unix://:hunter2@{place}")
