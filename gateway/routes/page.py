"""The pages for people: classify and feedback. Everything works without JavaScript."""

import base64
from dataclasses import dataclass
from typing import Final, cast

from quart import Blueprint, render_template, request

from common import logs, wire
from common.errors import BY_CODE, RequestError
from gateway.classify import Receipt, Upload, classify
from gateway.exchange import Scope
from gateway.service import exchange, service

THUMBNAIL_PX: Final = 320
# A probability in words, from this value on.
SURENESS: Final = (
    (0.9, "very sure"),
    (0.6, "fairly sure"),
    (0.3, "not sure"),
    (0.0, "a guess"),
)

page = Blueprint("page", __name__)
log = logs.get(__name__)


@dataclass(frozen=True)
class Limits:
    """What the upload zone says it takes."""

    formats: str
    megabytes: int
    megapixels: int
    max_bytes: int
    max_pixels: int
    keep_days: int  # of a picture that is kept with feedback; 0: none is
    explain: str  # on, off


@dataclass(frozen=True)
class Answer:
    """An answer as the page shows it; see `templates/index.html`."""

    id: str
    thumbnail: str | None
    model: str
    predictions: tuple[wire.Prediction, ...]
    words: str
    timing: list[tuple[str, float]]
    cached: bool


@page.get("/")
async def index() -> str:
    """The page; with ``?error=<slug>`` it says what went wrong."""
    return await _index(error=_error())


@page.post("/")
async def post_index() -> str:
    """Classifies the picture of the form and shows it with its answer."""
    upload = Upload(
        *(service(), exchange(), cast(Scope, request.scope)),
        cast(bytes, await request.get_data(cache=False)),
    )
    receipt = await classify(upload, thumbnail_px=THUMBNAIL_PX)
    return await _index(answer=_answer(receipt))


async def _index(
    *, error: type[RequestError] | None = None, answer: Answer | None = None
) -> str:
    settings = service().settings
    limits = Limits(
        "JPEG, PNG, GIF, WebP",
        round(settings.max_upload_mb),
        round(settings.max_megapixels),
        settings.max_upload_bytes,
        settings.max_pixels,
        int(settings.kept_pictures_days),
        settings.explain,
    )
    return await render_template(
        "index.html", error=error, limits=limits, answer=answer
    )


def _error() -> type[RequestError] | None:
    """What went wrong, from ``?error=<slug>``; an unknown slug is a general message."""
    code = request.args.get("error")
    return BY_CODE.get(code, RequestError) if code else None


def _answer(receipt: Receipt) -> Answer:
    success = receipt.success
    encoded = base64.b64encode(success.thumbnail).decode()
    return Answer(
        success.id,
        f"data:image/jpeg;base64,{encoded}" if encoded else None,
        success.model,
        success.predictions,
        sureness(success.predictions[0].score),
        list(receipt.timing_ms.items()),
        success.cached,
    )


def sureness(score: float) -> str:
    """A probability in words."""
    return next(words for least, words in SURENESS if score >= least)
