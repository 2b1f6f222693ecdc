"""Whether a Redis of the user's own keeps what Pictor promises, as far as INFO tells."""

from typing import Final

from common import logs
from common.connections import Keeper, redacted
from common.errors import StartError
from common.link import LinkLost, ReplyError
from common.settings import Settings

LEAST_VERSION: Final = (6, 2)  # the first in which XPENDING knows IDLE
SECTIONS: Final = ("server", "memory", "persistence")

log = logs.get(__name__)


async def check(settings: Settings) -> None:
    """Warns of settings that lose what is promised, for the start of each part; raises as `found`."""
    for warning in await found(settings):
        log.warning(warning)


async def found(settings: Settings) -> list[str]:
    """What an operator should change, a line each.

    Raises:
        StartError: the server is too old, or does not say how it is set.
    """
    info = await _info(settings.redis_url)
    version = info.get("redis_version", "")
    if not _new_enough(version):
        raise StartError(
            f"Redis at {redacted(settings.redis_url)} is of version {version or 'unknown'}; "
            f"Pictor needs {'.'.join(map(str, LEAST_VERSION))} or later"
        )
    return warnings(info, settings.durability)


def warnings(info: dict[str, str], durability: str) -> list[str]:
    """What an operator should change, a line each; empty where all is well.

    Args:
        info: fields of INFO's sections memory and persistence.
        durability: PICTOR_DURABILITY.
    """
    found = []
    bounded = int(info.get("maxmemory", "0")) > 0
    policy = info.get("maxmemory_policy", "noeviction")
    if bounded and policy != "noeviction":
        found.append(
            f"Redis drops results, or whole backlogs, when its memory is full "
            f"(maxmemory-policy {policy}): set maxmemory-policy noeviction there"
        )
    if not bounded:
        found.append(
            "Redis has no bound on its memory, so nothing is refused before it is full: "
            "set maxmemory there"
        )
    if durability != "none" and info.get("aof_enabled") != "1":
        found.append(
            f"Redis keeps no append-only file, so a crash loses all, whereas PICTOR_DURABILITY is "
            f"{durability}: set appendonly yes and appendfsync {durability} there, or "
            "PICTOR_DURABILITY=none to say that this is meant"
        )
    return found


async def _info(url: str) -> dict[str, str]:
    keeper = Keeper(url, name="check")
    try:
        replies = await keeper.calls([("INFO", section) for section in SECTIONS])
    except (LinkLost, ReplyError) as error:
        raise StartError(
            f"Redis at {redacted(url)} does not say how it is set: {error}; "
            "common/redis.acl lists what Pictor has to be granted"
        ) from None
    finally:
        await keeper.close()
    lines = b"".join(replies).decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _new_enough(version: str) -> bool:
    numbers = version.split(".")[: len(LEAST_VERSION)]
    if len(numbers) < len(LEAST_VERSION) or not all(n.isdecimal() for n in numbers):
        return False
    return tuple(map(int, numbers)) >= LEAST_VERSION
