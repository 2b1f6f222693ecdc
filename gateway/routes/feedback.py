"""Reports by programs: the calls under ``/v1/feedback``."""

from typing import Final, cast

import msgspec
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response

from common import wire
from common.errors import BadParameter, KeepingOff, UnknownReport
from gateway import feedback, feedback_facts
from gateway.feedback import Entry
from gateway.feedback_contract import FeedbackBody, KeptPicture, Stored
from gateway.feedback_facts import Facts
from gateway.problems import JSON, Problem
from gateway.service import exchange, service
from gateway.uploads import image_of

NOTHING: Final = (
    "Send JSON: id as answered, verdict 'right' or 'wrong', and a label if you like."
)

reports = Blueprint("reports", __name__)


@reports.post("/v1/feedback")
@document_request(FeedbackBody)
@document_response(Stored, 201)
@document_response(Problem, 400)
async def post_feedback() -> Response:
    """Stores whether an answer was right.

    What is still known here of the answer counts, whatever is said of it.
    """
    body = await request.get_data()
    try:
        given = msgspec.json.decode(body, type=FeedbackBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadParameter(NOTHING) from None
    claimed = Facts(
        given.answered,
        given.score,
        given.model_digest or "",
        bytes.fromhex(given.digest or ""),
    )
    here = service()
    facts = await feedback_facts.of(
        here.link, given.id, exchange().caller.owner, claimed
    )
    label = given.label if given.verdict == "wrong" else ""
    if label and label == facts.answered:
        raise BadParameter("`label` is what was answered: that is the verdict 'right'.")
    if given.label:
        known = await feedback_facts.labels(
            here.link, here.admission, facts.model_digest
        )
        feedback_facts.check(given.label, known)
    report = written(given.id, given.verdict, facts, label, given.text.strip())
    token = await feedback.store(here.link, report)
    return _json(Stored(given.id, token), 201)


@reports.delete("/v1/feedback/<token>")
@document_response(Problem, 404)
@document_response(Problem, 507)
async def delete_feedback(token: str) -> Response:
    """Takes a report back, and removes its picture, unless another report has that kept."""
    await withdraw(token)
    return Response(b"", 204)


@reports.put("/v1/feedback/<token>/picture")
@document_response(KeptPicture, 201)
@document_response(Problem, 400)
@document_response(Problem, 404)
@document_response(Problem, 415)
@document_response(Problem, 507)
async def put_picture(token: str) -> Response:
    """Keeps the picture with its report, for as many days as the operator has set.

    The body is the picture, byte by byte as it was classified. Where none is kept the answer is 403.
    """
    # First of all: who is answered with the body unread may lose the answer with its connection.
    body = cast(bytes, await request.get_data(cache=False))
    here = service()
    if not here.kept.days:
        raise KeepingOff
    entry = await _entry(token)
    until = await here.kept.keep(entry, image_of(request.content_type or "", body))
    if not await feedback.there(here.link, entry):  # taken back in the meantime
        await here.kept.let_go(entry)
        raise UnknownReport
    return _json(KeptPicture(entry.report.request_id, until.isoformat()), 201)


def written(
    request_id: str, verdict: str, facts: Facts, label: str, text: str
) -> wire.Report:
    return wire.Report(
        wire.VERSION,
        request_id=request_id,
        verdict=verdict,
        answered=facts.answered,
        label=label,
        text=text,
        score=facts.score,
        model_digest=facts.model_digest,
        digest=facts.digest,
    )


async def _entry(token: str) -> Entry:
    entry = await feedback.find(service().link, token)
    if entry is None:
        raise UnknownReport
    return entry


async def withdraw(token: str) -> None:
    """Picture first, so that it can be tried again; and again after, for one that came meanwhile."""
    here, entry = service(), await _entry(token)
    await here.kept.let_go(entry)
    if not await feedback.withdraw(here.link, entry):
        raise UnknownReport
    await here.kept.let_go(entry)


def _json(answer: msgspec.Struct, status: int) -> Response:
    return Response(msgspec.json.encode(answer), status, dict(JSON))
