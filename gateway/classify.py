"""What the three upload routes have in common: the body in, an answer and its receipt out."""

import math
import time
from dataclasses import dataclass
from typing import cast

from quart import request

from common import wire
from common.errors import TooLarge
from common.keys import Lane
from gateway import metrics, uploads
from gateway.exchange import Exchange
from gateway.flights import Job
from gateway.service import service


@dataclass(frozen=True)
class Receipt:
    """An answer and where its time went, in milliseconds."""

    success: wire.Success
    timing_ms: dict[str, float]


def exchange() -> Exchange:
    """This request, as `gateway.limits` wrote it down."""
    return cast(Exchange, request.scope["state"]["exchange"])


async def classify(
    *,
    lane: Lane = "interactive",
    top_k: int = 5,
    thumbnail_px: int = 0,
    keep: bool = False,
    wait_s: float = math.inf,
) -> Receipt:
    """Classifies the picture in this request's body.

    Args:
        lane: where it waits.
        top_k: how many predictions, 1 to MAX_TOP_K.
        thumbnail_px: longest side of the thumbnail, 0 for none.
        keep: past the deadline the request goes on, to be asked about later.
        wait_s: the client's own deadline; the shorter one counts.

    Raises:
        RequestError: there is none, or how it ended instead.
        gateway.flights.StillRunning: past the deadline, with `keep`.
    """
    this, here = exchange(), service()
    image, uploaded_s = await _image(lane, keep=keep)
    deadline_s = min(wait_s, here.settings.deadline_s)
    job = Job(image, lane, top_k, thumbnail_px, deadline_s, this.caller.owner)
    answer = await here.submitter.submit(job, keep=keep)
    timing = answer.success.timing
    worker_ms = timing.queue_ms + timing.decode_ms + timing.inference_ms
    reply_ms = max(0.0, answer.total_s * 1000 - worker_ms)
    metrics.REPLY.observe(reply_ms / 1000)
    receipt = receipt_of(timing, upload_ms=uploaded_s * 1000, reply_ms=reply_ms)
    this.timing = ", ".join(f"{name};dur={ms}" for name, ms in receipt.items())
    return Receipt(answer.success, receipt)


async def defer(*, lane: Lane, top_k: int) -> tuple[str, int]:
    """Accepts the picture in this request's body; the request's id, and the entries ahead of it.

    Raises:
        RequestError: there is none, or it cannot be kept safe.
    """
    here = service()
    image, _ = await _image(lane, keep=True)
    owner = exchange().caller.owner
    job = Job(image, lane, top_k, 0, here.settings.result_ttl_s, owner)
    ahead = max(0, here.admission.state.backlog[lane] - 1)  # it is counted itself
    return await here.deferrer.accept(job, ahead), ahead


async def _image(lane: Lane, *, keep: bool) -> tuple[bytes, float]:
    """The image in this request's body, and the seconds it took to arrive."""
    this, here = exchange(), service()
    body = cast(bytes, await request.get_data(cache=False))
    uploaded_s = time.monotonic() - this.started
    metrics.UPLOAD.observe(uploaded_s)
    image = uploads.image_of(request.headers.get("Content-Type", ""), body)
    if len(image) > here.settings.max_upload_bytes:
        raise TooLarge(f"At most {here.settings.max_upload_mb:g} MB are taken.")
    here.admission.confirm(lane, here.settings.patience_s(lane, keep=keep))
    return image, uploaded_s


def receipt_of(
    timing: wire.Timing, *, upload_ms: float = 0.0, reply_ms: float = 0.0
) -> dict[str, float]:
    """Where a request's time went: stages by name, in order, in milliseconds."""
    stages = {
        "upload": upload_ms,
        "queue": timing.queue_ms,
        "decode": timing.decode_ms,
        "inference": timing.inference_ms,
        "reply": reply_ms,
    }
    return {name: round(ms, 2) for name, ms in stages.items()}
