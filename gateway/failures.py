"""What goes wrong in a route, as an answer: logged where it matters, never a traceback.

One place for both ways to a route: `gateway.direct`, and Quart's error handlers (`gateway.app`).
"""

from common import logs, wire
from common.errors import BrokerAway, RequestError, RequestLost
from common.link import LinkLost, ReplyError
from gateway import problems
from gateway.problems import Reply

log = logs.get(__name__)


def answer(error: Exception, path: str, method: str, request_id: str) -> Reply:
    """The answer for whatever a route raised."""
    if isinstance(error, LinkLost | ReplyError):
        # Whatever it was doing with Redis, this is what its client can do about it.
        log.warning("Redis failed a request", reason=str(error), request_id=request_id)
        error = BrokerAway(retry_after_s=2)
    elif isinstance(error, wire.WireError):
        log.error(
            "what Redis holds cannot be read", reason=str(error), request_id=request_id
        )
        error = RequestLost()
    if isinstance(error, RequestError):
        log.info("refused", code=error.code, request_id=request_id)
        return problems.of_error(error, path, method, request_id)
    log.error("a bug", request_id=request_id, path=path, exc_info=error)
    return problems.of_status(500, path, method, request_id)
