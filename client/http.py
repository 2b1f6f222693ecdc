"""What else a Pictor is asked for, beside classifying: one question, one answer, nothing tried again."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import msgspec

from client.addresses import address
from client.collection import whole
from client.errors import BadAnswer, ClientError, Refused
from client.request import UNKNOWN, reason, refused

CONNECT_S: Final = 5.0
SILENCE_S: Final = 60.0  # without a byte from the server a connection counts as broken
PIECE_BYTES: Final = 256 * 1024
LARGEST_PROBLEM: Final = 100_000  # bytes
LONGEST_WORDS: Final = 500
Answer = TypeVar("Answer")


class Away(ClientError):
    """Nobody answers at this address, or not to the end; the message says which."""


async def get(
    url: str,
    path: str,
    kind: type[Answer],
    *,
    key: str = "",
    query: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (200,),
) -> Answer:
    """Asks a server for something in JSON.

    Args:
        url: where Pictor listens.
        path: on it.
        kind: what the answer is read as.
        key: an API key, where one is wanted.
        query: parameters.
        accepted: statuses of which the answer is read.

    Raises:
        Away: there is no answer.
        Refused: the server says no.
        BadAnswer: no Pictor answers there.
        BadAddress: `url` is no address.
    """
    async with _asked(url, path, key, query or {}) as response:
        body = await response.read()
        if response.status not in accepted:
            raise _no(response, body)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadAnswer(
            f"something else than Pictor answers at {url}: give its address with --server"
        ) from None


async def download(url: str, path: str, to: Path, *, key: str = "") -> int:
    """Stores what a server has there in a file, which is there as a whole or not at all.

    Returns:
        Its bytes.

    Raises:
        Away, Refused, BadAddress: as for `get`.
        ClientError: the file cannot be written.
    """
    async with _asked(url, path, key, {}) as response:
        if response.status != 200:
            body = await response.content.read(LARGEST_PROBLEM)
            raise _no(response, body)
        try:
            with whole.beside(to) as beside, beside.open("wb") as file:
                async for piece in response.content.iter_chunked(PIECE_BYTES):
                    file.write(piece)
                return file.tell()
        except aiohttp.ClientError:
            raise
        except OSError as error:
            raise ClientError(
                f"{to} cannot be written: {error.strerror or error}"
            ) from error


@contextlib.asynccontextmanager
async def _asked(
    url: str, path: str, key: str, query: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a GET; what goes wrong on the way becomes an error of ours."""
    url = address(url, key)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    waiting = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENCE_S)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=waiting) as session,
            # A key is for this server, not for another that it points at.
            session.get(url + path, params=query, allow_redirects=False) as response,
        ):
            yield response
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away(f"no answer from {url}: {reason(error)}") from error


def _no(response: aiohttp.ClientResponse, body: bytes) -> Refused:
    """A refusal; what a browser opens as well is refused in plain words."""
    if response.content_type == "text/plain":
        words = body.decode("utf-8", "replace")[:LONGEST_WORDS].strip()
        return Refused(response.status, UNKNOWN, words)
    return refused(response.status, body)
