"""The full contract under ``/v1``; described by ``/openapi.json``."""

import math
import sys
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response

from common import keys, wire
from common.errors import (
    BadParameter,
    DeadlinePassed,
    UnknownResult,
    from_code,
)
from gateway import catalogue, contract, metrics
from gateway.admission import State
from gateway.classify import Upload, classify, defer, receipt_of
from gateway.contract import (
    Accepted,
    Classified,
    ClassifyQuery,
    LabelQuery,
    RequestId,
)
from gateway.flights import StillRunning
from gateway.preference import preferred_wait_s
from gateway.problems import JSON, Problem, Reply
from gateway.routes.documented import documented
from gateway.service import exchange, service

v1 = Blueprint("v1", __name__, url_prefix="/v1")

MOST_FIELDS: Final = 100
Query = TypeVar("Query", bound=msgspec.Struct)


@documented(v1, "/classify")
@document_querystring(ClassifyQuery)
@document_response(Classified)
@document_response(Accepted, 202)
@document_response(Problem, 400)
@document_response(Problem, 411)
@document_response(Problem, 413)
@document_response(Problem, 415)
@document_response(Problem, 422)
@document_response(Problem, 429)
@document_response(Problem, 503)
async def post_classify(upload: Upload) -> Reply:
    """Classifies one picture, sent as the form field ``file`` or as the raw body.

    Past the deadline the answer is 202, and the result can be fetched later; with
    ``Prefer: respond-async`` (RFC 7240) at once, or after its ``wait`` seconds. ``explain=1`` adds what
    the network looked at for the best category, and so on; that is computed behind all other work.
    """
    query = asked(upload, ClassifyQuery)
    wait_s = preferred_wait_s(upload.headers(b"prefer"))
    lane, top_k, explain = query.lane, query.top_k, query.explain or 0
    if explain > top_k:
        raise BadParameter("`explain` is a rank among the predictions: 1 to `top_k`.")
    state = upload.service.admission.state
    try:
        if wait_s == 0:
            request_id, ahead = await defer(
                upload, lane=lane, top_k=top_k, explain=explain, phash=query.phash
            )
            return _preferred(_accepted(state, request_id, lane, ahead))
        receipt = await classify(
            upload,
            lane=lane,
            top_k=top_k,
            explain=explain,
            phash=query.phash,
            keep=True,
            wait_s=wait_s,
        )
    except StillRunning as running:
        answer = _accepted(state, running.id, lane)
        return answer if math.isinf(wait_s) else _preferred(answer)
    return _classified(receipt.success, receipt.timing_ms)


@v1.get("/results/<request_id>")
@document_response(Classified)
@document_response(Accepted, 202)
@document_response(Problem, 400)
@document_response(Problem, 404)
@document_response(Problem, 422)
@document_response(Problem, 504)
async def get_result(request_id: str) -> Response:
    """The result of a request that was answered 202; any gateway knows it, for the key that asked."""
    result, pending = await _stored(request_id)
    if result is None:
        if pending is None:
            raise UnknownResult
        known = wire.read_pending(pending)
        _check_owner(known)
        state = service().admission.state
        return _response(_accepted(state, request_id, known.lane, known.ahead))
    ended = wire.read_ended(result)
    _check_owner(ended)
    if isinstance(ended, wire.Success):
        metrics.FETCHED.inc()
        return _response(_classified(ended, receipt_of(ended.timing)))
    if isinstance(ended, wire.Failure):
        raise from_code(ended.code)
    raise DeadlinePassed


@v1.get("/models")
@document_response(catalogue.Models)
async def get_models() -> Response:
    """What is served, by how many workers, and how fast."""
    return _json(catalogue.models(service().admission.state.workers))


@v1.get("/labels")
@document_querystring(LabelQuery)
@document_response(catalogue.Labels)
@document_response(Problem, 400)
async def get_labels() -> Response:
    """The categories of the model that is served."""
    here = service()
    return _json(
        await catalogue.labels(
            here.link, here.admission, _converted(request.args.to_dict(), LabelQuery).q
        )
    )


async def _stored(request_id: str) -> tuple[bytes | None, bytes | None]:
    """A request's result and its pending mark."""
    try:
        msgspec.convert(request_id, RequestId)
    except msgspec.ValidationError:
        raise UnknownResult from None
    result, pending = await service().link.call(
        "MGET", keys.result(request_id), keys.pending(request_id)
    )
    return result, pending


def _check_owner(known: wire.Ended | wire.Pending) -> None:
    """Others' ids are answered as ids that there never were."""
    if known.owner != exchange().caller.owner:
        raise UnknownResult


def asked(upload: Upload, kind: type[Query]) -> Query:
    """The parameters of an upload; raises BadParameter."""
    given = upload.scope["query_string"]
    return _converted(dict(_first(given)), kind) if given else kind()


def _first(given: bytes) -> list[tuple[str, str]]:
    """A query's parameters; of those given twice the first one counts."""
    text = given.decode("ascii", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)[::-1]
    except ValueError:
        raise BadParameter from None


def _converted(given: dict[str, str], kind: type[Query]) -> Query:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError:
        raise BadParameter from None


def _classified(success: wire.Success, timing_ms: dict[str, float]) -> Reply:
    answer = contract.classified(success, timing_ms)
    return Reply(200, JSON, msgspec.json.encode(answer))


def accepted(
    state: State, request_id: str, lane: keys.Lane, at_most: int = sys.maxsize
) -> Accepted:
    """What is told of a request that goes on, by how things stand."""
    ahead = min(state.backlog[lane], at_most)
    return Accepted(request_id, "queued", ahead, int(1000 * ahead / state.rate))


def retry_after_s(told: Accepted) -> int:
    """When it is worth while to ask for its result."""
    return max(1, math.ceil(told.eta_ms / 1000))


def _accepted(
    state: State, request_id: str, lane: keys.Lane, at_most: int = sys.maxsize
) -> Reply:
    told = accepted(state, request_id, lane, at_most)
    headers = {
        **JSON,
        "Location": f"/v1/results/{request_id}",
        "Retry-After": str(retry_after_s(told)),
    }
    return Reply(202, headers, msgspec.json.encode(told))


def _preferred(answer: Reply) -> Reply:
    headers = {**answer.headers, "Preference-Applied": "respond-async"}
    return Reply(answer.status, headers, answer.body)


def _response(answer: Reply) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return _response(Reply(status, JSON, msgspec.json.encode(answer)))
