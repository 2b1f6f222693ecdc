"""What ``pictor doctor`` asks a running Pictor."""

import asyncio
from collections.abc import Iterator

import msgspec

from client.command.finding import Finding
from client.errors import ClientError, Refused
from common.listening import address
from common.settings import Settings


class Health(msgspec.Struct, frozen=True):
    """``/healthz`` and ``/readyz``."""

    status: str
    reason: str = ""


class Model(msgspec.Struct, frozen=True):
    """Of ``/v1/models``: a model and its workers."""

    name: str
    engine: str
    workers: int
    images_per_s: float


class Models(msgspec.Struct, frozen=True):
    """What is served."""

    models: list[Model]


def server_findings(settings: Settings, server: str, key: str) -> Iterator[Finding]:
    """Whether a Pictor answers, is ready, and has workers.

    Args:
        settings: of this machine, whose Pictor it is where no other is named.
        server: its address, if one should answer.
        key: for it.
    """
    yield from asyncio.run(_ask(server or _own(settings), key, wanted=bool(server)))


def _own(settings: Settings) -> str:
    from common.__main__ import ANYWHERE

    host = ANYWHERE.get(settings.host, settings.host)
    return f"http://{address(msgspec.structs.replace(settings, host=host))}"


async def _ask(url: str, key: str, *, wanted: bool) -> list[Finding]:
    from client import http

    try:
        await http.get(url, "/healthz", Health)
        ready = await http.get(url, "/readyz", Health, accepted=(200, 503))
    except http.Away as error:
        advice = "Start one: make run. 'pictor classify --local' needs none."
        if wanted:
            return [
                Finding("Server", "fail", str(error), f"Correct --server. {advice}")
            ]
        return [Finding("Server", "warn", f"none runs at {url}", advice)]
    except Refused as error:
        found = f"something else than Pictor answers at {url}: {error.status}"
        return [Finding("Server", "fail", found, "Correct --server, or PICTOR_PORT.")]
    except ClientError as error:
        return [
            Finding("Server", "fail", str(error), "Correct --server, or PICTOR_PORT.")
        ]
    if ready.status == "ok":
        first = Finding("Server", "ok", f"{url} is ready")
    else:
        advice = "Wait while it starts; if it stays so, its log says why."
        first = Finding("Server", "fail", f"{url} is not ready: {ready.reason}", advice)
    return [first, await _workers(url, key)]


async def _workers(url: str, key: str) -> Finding:
    from client import http

    try:
        found = await http.get(url, "/v1/models", Models, key=key)
    except Refused as error:
        advice = "Give a key of the scope classify: PICTOR_KEY, or --key."
        return Finding("Workers", "warn", f"not told: {error.detail}", advice)
    except ClientError as error:
        return Finding("Workers", "fail", str(error), "Its log says why.")
    if not found.models:
        advice = "Start one: make run starts them. The log says why one has ended."
        return Finding("Workers", "fail", "there is none", advice)
    told = (
        f"{one.workers} of {one.name} ({one.engine}), {one.images_per_s:g} pictures a second"
        for one in found.models
    )
    return Finding("Workers", "ok", "; ".join(told))
