"""What the three upload routes have in common: the body in, an answer and its receipt out."""

import math
import time
from dataclasses import dataclass
from typing import Any, Final

from common import wire
from common.errors import TooLarge
from common.keys import Lane
from gateway import metrics, uploads
from gateway.exchange import Exchange, Scope
from gateway.flights import Job
from gateway.service import Service

CONTENT_TYPE: Final = b"content-type"


@dataclass(frozen=True)
class Receipt:
    """An answer and where its time went, in milliseconds."""

    success: wire.Success
    timing_ms: dict[str, float]


@dataclass
class Upload:
    """A request with a picture: the whole body, until it is taken, and what came before it."""

    service: Service
    exchange: Exchange
    scope: Scope
    body: bytes | None

    @property
    def left(self) -> bool:
        """Its client has left before the body was whole, or the body was taken."""
        return self.body is None

    def take(self) -> bytes:
        """The body, once: what is cut out of a form is a copy, and large ones are not held twice."""
        body, self.body = self.body, None
        return body or b""

    def headers(self, name: bytes) -> list[str]:
        """All headers of this name, in lower case as ASGI has them."""
        found: list[tuple[bytes, Any]] = self.scope["headers"]
        return [value.decode("latin-1") for key, value in found if key == name]


async def classify(
    upload: Upload,
    *,
    lane: Lane = "interactive",
    top_k: int = 5,
    thumbnail_px: int = 0,
    explain: int = 0,
    phash: bool = False,
    keep: bool = False,
    wait_s: float = math.inf,
) -> Receipt:
    """Classifies the picture in a request's body.

    Args:
        upload: the request.
        lane: where it waits.
        top_k: how many predictions, 1 to MAX_TOP_K.
        thumbnail_px: longest side of the thumbnail, 0 for none.
        explain: rank of the category of which a map is wanted, 1 to `top_k`; 0 for none.
        phash: a perceptual hash is wanted; there is none beside a map.
        keep: past the deadline the request goes on, to be asked about later.
        wait_s: the client's own deadline; the shorter one counts.

    Raises:
        RequestError: there is none, or how it ended instead.
        gateway.flights.StillRunning: past the deadline, with `keep`.
    """
    this, here = upload.exchange, upload.service
    image, uploaded_s = _image(upload, lane, keep=keep)
    if explain:
        await here.maps.room()
    deadline_s = min(wait_s, here.settings.deadline_s)
    owner = this.caller.owner
    job = Job(image, lane, top_k, thumbnail_px, deadline_s, owner, explain, phash)
    receipt = await run(here, job, uploaded_s, keep=keep)
    this.timing = ", ".join(
        f"{name};dur={ms}" for name, ms in receipt.timing_ms.items()
    )
    return receipt


async def run(here: Service, job: Job, uploaded_s: float, *, keep: bool) -> Receipt:
    """Has a job done whose image took so long to arrive; raises as `classify` does."""
    answer = await here.submitter.submit(job, keep=keep)
    timing = answer.success.timing
    worker_ms = timing.queue_ms + timing.decode_ms + timing.inference_ms
    reply_ms = max(0.0, answer.total_s * 1000 - worker_ms)
    metrics.REPLY.observe(reply_ms / 1000)
    receipt = receipt_of(timing, upload_ms=uploaded_s * 1000, reply_ms=reply_ms)
    return Receipt(answer.success, receipt)


async def defer(
    upload: Upload, *, lane: Lane, top_k: int, explain: int = 0, phash: bool = False
) -> tuple[str, int]:
    """Accepts the picture in a request's body; the request's id, and the entries ahead of it.

    Raises:
        RequestError: there is none, or it cannot be kept safe.
    """
    here = upload.service
    image, _ = _image(upload, lane, keep=True)
    owner = upload.exchange.caller.owner
    job = Job(image, lane, top_k, 0, here.settings.result_ttl_s, owner, explain, phash)
    if explain:
        ahead = await here.maps.room()
    else:
        ahead = max(0, here.admission.state.backlog[lane] - 1)  # it is counted itself
    return await here.deferrer.accept(job, ahead), ahead


def _image(upload: Upload, lane: Lane, *, keep: bool) -> tuple[bytes, float]:
    """The image in a request's body, and the seconds it took to arrive."""
    uploaded_s = arrived_s(upload)
    image = uploads.image_of(content_type_of(upload), upload.take())
    confirm(upload.service, image, lane, keep=keep)
    return image, uploaded_s


def arrived_s(upload: Upload) -> float:
    """The seconds that a request took to arrive; called once that it has."""
    uploaded_s = time.monotonic() - upload.exchange.started
    metrics.UPLOAD.observe(uploaded_s)
    return uploaded_s


def content_type_of(upload: Upload) -> str:
    """What the body is said to be; may be empty."""
    return next(iter(upload.headers(CONTENT_TYPE)), "")


def confirm(
    here: Service, image: bytes, lane: Lane, *, keep: bool, new: bool = False
) -> None:
    """Raises where an image is too large, or where there is no room for it by now.

    A new one was not counted at the headers, and is here.
    """
    if len(image) > here.settings.max_upload_bytes:
        raise TooLarge(f"At most {here.settings.max_upload_mb:g} MB are taken.")
    look = here.admission.check if new else here.admission.confirm
    look(lane, here.settings.patience_s(lane, keep=keep))


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
