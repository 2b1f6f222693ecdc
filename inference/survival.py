"""How a process that works for Redis' streams lives through what passes: no connection, no room, no group."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from common import logs
from common.connections import RECONNECT_S
from common.link import LinkLost, ReplyError
from inference.consumer import Consumer

# Refusals that pass: no memory, no disk, loading its file, replicas changing places, a long script, a
# stream that was there when a read began to wait for it (Redis before 7.2).
PASSING: Final = frozenset(
    {
        *("OOM", "MISCONF", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS"),
        *("CLUSTERDOWN", "BUSY", "TRYAGAIN", "UNBLOCKED"),
    }
)

log = logs.get(__name__)


async def survive(step: Coroutine[Any, Any, None], consumer: Consumer) -> None:
    """Awaits a step that needs Redis; when that is away, waits a little instead.

    Raises:
        ReplyError: Redis refuses for a reason that does not pass.
    """
    try:
        await step
    except LinkLost as error:
        log.warning("Redis is away", reason=str(error))
        await asyncio.sleep(RECONNECT_S)
    except ReplyError as error:
        if error.kind == "NOGROUP":
            await survive(consumer.ensure_group(), consumer)
        elif error.kind in PASSING:
            log.warning("Redis refuses", reason=str(error))
            await asyncio.sleep(RECONNECT_S)
        else:
            raise
