"""Stream entries as a gateway handles them: added once, and taken back when nobody wants them.

What Redis' refusals mean for a client is decided here.
"""

from typing import Final

from common import keys, logs, wire
from common.connections import Keeper
from common.errors import BrokerAway, BrokerFull, RequestError
from common.keys import GROUP, Lane
from common.link import Command, ReplyError
from gateway import metrics

NO_ROOM: Final = frozenset({"OOM", "MISCONF"})  # of memory, of disk

log = logs.get(__name__)


async def add(
    link: Keeper,
    stream: str,
    request: wire.Request,
    image: bytes,
    lane: Lane,
    ahead: int | None = None,
) -> bytes:
    """Adds an entry, in one write, and returns its id.

    Args:
        link: the connection; the caller's task must not be cancelled meanwhile.
        stream: where to.
        request: the header.
        image: the image file.
        lane: the stream's.
        ahead: of a request to be answered 202, the entries before it; its id lives from the
            moment that its entry does.

    Raises:
        BrokerFull, BrokerAway: Redis refused it; it was not added.
        LinkLost: whether it was added is unknown.
    """
    command: Command = ("XADD", stream, "*", "h", wire.encode(request), "img", image)
    try:
        if ahead is None:
            entry_id: bytes = await link.call(*command)
            return entry_id
        mark = pending(
            request.id,
            wire.Pending(wire.VERSION, request.owner, lane, ahead),
            request.expires_ms,
        )
        _, entry_id = (await link.calls((("MULTI",), mark, command, ("EXEC",))))[-1]
        return entry_id
    except ReplyError as error:
        raise refusal(error) from error


def pending(request_id: str, known: wire.Pending, ttl_ms: int) -> Command:
    """The command that writes down that an id lives."""
    return ("SET", keys.pending(request_id), wire.encode(known), "PX", max(1, ttl_ms))


def refusal(error: ReplyError) -> RequestError:
    """What a client is told when Redis refused to keep its request."""
    log.error("Redis refused a request", reason=str(error))
    return (BrokerFull if error.kind in NO_ROOM else BrokerAway)(retry_after_s=2)


async def withdraw(link: Keeper, stream: str, entry_id: bytes, *also: Command) -> None:
    """Takes an entry off the stream that nobody waits for; raises as `Keeper.calls` does."""
    replies = await link.calls(
        (
            ("MULTI",),
            ("XACK", stream, GROUP, entry_id),
            ("XDEL", stream, entry_id),
            *also,
            ("EXEC",),
        )
    )
    was_read, was_there = replies[-1][:2]
    metrics.WITHDRAWN.labels("read" if was_read else "unread").inc(was_there)
