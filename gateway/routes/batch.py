"""``POST /v1/batch``: several pictures in one request, for programs with many.

Each is classified as if it had come alone: an entry of its own, which outlives this process, and an end
of its own. What is saved is HTTP, which costs a gateway and its client more than all the rest.
"""

import asyncio
import math
from typing import Final

import msgspec
from quart_schema import document_querystring, document_response

from common.errors import EmptyFile, RequestError
from gateway import metrics, problems, uploads
from gateway.classify import Upload, arrived_s, confirm, content_type_of, run
from gateway.contract import Batch, BatchQuery, Ended, classified
from gateway.flights import Job, StillRunning
from gateway.problems import JSON, Problem, Reply
from gateway.routes.documented import documented
from gateway.routes.v1 import accepted, asked, retry_after_s, v1

MOST: Final = 32  # pictures


@documented(v1, "/batch")
@document_querystring(BatchQuery)
@document_response(Batch)
@document_response(Problem, 400)
@document_response(Problem, 411)
@document_response(Problem, 413)
@document_response(Problem, 429)
@document_response(Problem, 503)
async def post_batch(upload: Upload) -> Reply:
    """Classifies up to 32 pictures, sent as form fields ``file``; together no larger than one may be.

    Each ends by itself: what would have been its status alone is in ``status``, and what it would have
    been answered in ``answer``, ``accepted`` (past the deadline; fetch it from ``/v1/results``) or
    ``problem``.
    """
    query = asked(upload, BatchQuery)
    here, this = upload.service, upload.exchange
    uploaded_s = arrived_s(upload)
    images = uploads.images_of(content_type_of(upload), upload.take(), MOST)
    await here.access.count(this.caller, upload.scope, len(images) - 1)
    metrics.ASKED.inc(len(images) - 1)
    ends = await asyncio.gather(
        *(
            _end(upload, query, image, uploaded_s, new=number > 0)
            for number, image in enumerate(images)
        )
    )
    return Reply(200, JSON, msgspec.json.encode(Batch(ends)))


async def _end(
    upload: Upload,
    query: BatchQuery,
    image: bytes,
    uploaded_s: float,
    *,
    new: bool,
) -> Ended:
    """One picture's; the first was counted with the request, the others are new."""
    here, this, lane = upload.service, upload.exchange, query.lane
    try:
        if not image:
            raise EmptyFile
        uploads.check(image)
        confirm(here, image, lane, keep=True, new=new)
        job = Job(
            *(image, lane, query.top_k, 0, here.settings.deadline_s),
            owner=this.caller.owner,
            phash=query.phash,
        )
        receipt = await run(here, job, uploaded_s, keep=True)
    except StillRunning as running:
        told = accepted(here.admission.state, running.id, lane)
        return Ended(202, accepted=told, retry_after_s=retry_after_s(told))
    except RequestError as error:
        problem = problems.problem_of(error, this.request_id)
        wait_s = error.retry_after_s
        again_s = None if wait_s is None else math.ceil(wait_s)
        return Ended(error.status, problem=problem, retry_after_s=again_s)
    metrics.ANSWER.observe(sum(receipt.timing_ms.values()) / 1000)
    return Ended(200, answer=classified(receipt.success, receipt.timing_ms))
