"""Which models classify now, so that the answers of others can be told, and made anew."""

import asyncio
import contextlib
from typing import Final

import msgspec

from client.collection.ledger import Ledger
from client.collection.local_model import NOT_INSTALLED
from client.command.working import Wanted
from client.errors import ClientError, Refused
from common.errors import StartError
from common.settings import Settings

WAIT_S: Final = 5.0  # for a server that is asked for nothing but this
BY_MODEL: Final = """
SELECT model, model_digest, count(*) FROM contents JOIN files ON content = contents.id
GROUP BY model, model_digest ORDER BY model
"""


class NoModel(ClientError):
    """The server does not say which model it serves, or serves none yet; the message says why."""


class _Model(msgspec.Struct, frozen=True):
    digest: str


class _Models(msgspec.Struct, frozen=True):
    """Of ``/v1/models``, what is needed here."""

    models: list[_Model]


def serving(wanted: Wanted, *, fetch: bool) -> frozenset[str]:
    """The digests of the models that would classify, at least one.

    Args:
        wanted: how to classify.
        fetch: download a model of this machine's that is not there yet.

    Raises:
        NoModel: the server does not say, or has none.
        ClientError: there is no Pictor, or the address is none.
        StartError: there is no such model on this machine.
    """
    if wanted.local:
        return _of_this_machine(wanted.model, fetch=fetch)
    return asyncio.run(_of_server(wanted.server, wanted.key))


async def _of_server(server: str, key: str) -> frozenset[str]:
    from client import http

    try:
        async with asyncio.timeout(WAIT_S):
            found = await http.get(server, "/v1/models", _Models, key=key)
    except (http.Away, Refused) as error:
        raise NoModel(
            f"{server} does not say which model it serves: {error}"
        ) from error
    except TimeoutError:
        raise NoModel(f"no answer from {server} within {WAIT_S:g} s") from None
    if not found.models:
        raise NoModel(f"{server} serves no model yet; try again in a moment")
    return frozenset(one.digest for one in found.models)


def _of_this_machine(model: str, *, fetch: bool) -> frozenset[str]:
    """In float32 and in float16, which are taken for the same: which it is shows when it is started."""
    try:
        from inference.models import catalogue
        from inference.models.spec import float16_digest
    except ImportError as error:
        raise StartError(f"{NOT_INSTALLED} ({error})") from None
    settings = Settings.load()
    where = (model or settings.model, settings.data_path)
    if not (fetch or catalogue.known(*where)):
        raise StartError(f"{where[0]} has not been downloaded yet")
    digest = catalogue.resolve(*where).digest
    return frozenset({digest, float16_digest(digest)})


def others(
    ledger: Ledger, wanted: Wanted, answered: str, *, ask: bool
) -> tuple[int, list[str]] | None:
    """How many done files have answers of other models, and their names; None: nobody says.

    Args:
        ledger: of the collection.
        wanted: how it is classified.
        answered: the digest of the model that has answered in this run; empty: none has.
        ask: the server, where it is needed: who interrupts a run does not want to wait.
    """
    with ledger.still() as db:
        found = db.execute(BY_MODEL).fetchall()
    now = frozenset({answered}) - {""}
    if ask and any(digest not in now for _, digest, _ in found):
        with contextlib.suppress(ClientError, StartError):
            now |= serving(wanted, fetch=False)
    if found and not now:
        return None
    left = [(name, count) for name, digest, count in found if digest not in now]
    return sum(count for _, count in left), sorted({name for name, _ in left})
