"""The questions and answers of the full contract, as ``/openapi.json`` describes them."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from common import keys, wire
from gateway.problems import Problem

DIGITS: Final = 6  # of a score or a fraction
RequestId = Annotated[str, Meta(pattern=r"^[0-9]+-[0-9a-f]{32}$")]
TopK = Annotated[
    int, Meta(ge=1, le=wire.MAX_TOP_K, description="How many predictions.")
]
Rank = Annotated[
    int,
    Meta(
        ge=1,
        le=wire.MAX_TOP_K,
        description="Also show what the network looked at for the category of this rank, "
        "1 to `top_k`.",
    ),
]


Hashed = Annotated[
    bool,
    Meta(
        description="Also give a perceptual hash, where the picture has one. Not beside `explain`."
    ),
]


class ClassifyQuery(msgspec.Struct, frozen=True):
    """How a picture is classified."""

    top_k: TopK = 5
    lane: keys.Lane = "interactive"
    explain: Rank | None = None
    phash: Hashed = False


class Prediction(msgspec.Struct, frozen=True):
    """A category and its probability, 0 to 1."""

    wnid: str
    label: str
    description: str
    score: float


class Timing(msgspec.Struct, frozen=True):
    """Where the time went, in milliseconds."""

    upload: float
    queue: float
    decode: float
    inference: float
    reply: float


class Map(msgspec.Struct, frozen=True):
    """What the network looked at for the category ``label``, which is that of rank ``index``.

    ``values`` is a grid, row by row, a byte a cell, 255 the strongest, over that part of the picture
    which the network saw: ``box`` has its left, upper, width and height as fractions of the upright
    picture. All are 0 where nothing spoke for the category.
    """

    index: int
    label: str
    rows: int
    columns: int
    values: bytes
    box: tuple[float, float, float, float]
    method: str


class Classified(msgspec.Struct, frozen=True):
    """Predictions, the most probable first.

    ``digest`` is the picture's SHA-256; ``batch`` counts the pictures that it was run with, 0 where the
    answer was known; ``map`` is there where it was asked for. ``phash`` is a perceptual hash, 64 bits in hex,
    where it was asked for, now or before: pictures that look alike differ in a few bits. One without features
    has none.
    """

    id: str
    model: str
    predictions: list[Prediction]
    cached: bool
    timing_ms: Timing
    model_digest: str
    digest: str
    batch: int
    map: Map | None
    phash: str | None


def classified(success: wire.Success, timing_ms: dict[str, float]) -> Classified:
    """A worker's answer in the words of this contract."""
    return Classified(
        success.id,
        success.model,
        [
            Prediction(p.wnid, p.label, p.description, round(p.score, DIGITS))
            for p in success.predictions
        ],
        success.cached,
        Timing(**timing_ms),
        success.model_digest,
        success.digest.hex(),
        success.timing.batch,
        _shown(success),
        success.phash.hex() if success.phash else None,
    )


def _shown(success: wire.Success) -> Map | None:
    """What the network looked at, where that was asked for."""
    look = success.map
    if look is None or not 1 <= look.rank <= len(success.predictions):
        return None
    left, upper, width, height = (round(side, DIGITS) for side in look.box)
    return Map(
        look.rank,
        success.predictions[look.rank - 1].label,
        look.rows,
        look.columns,
        look.values,
        (left, upper, width, height),
        look.method,
    )


class Accepted(msgspec.Struct, frozen=True):
    """The request goes on; its result will be at ``Location``.

    ``ahead`` counts the entries in its lane, ``eta_ms`` is what they will take.
    """

    id: str
    status: Literal["queued"]
    ahead: int
    eta_ms: int


class BatchQuery(msgspec.Struct, frozen=True):
    """How several pictures are classified."""

    top_k: TopK = 5
    lane: keys.Lane = "bulk"
    phash: Hashed = False


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one of several pictures ended: ``status`` is what it would have been answered with alone.

    With it comes one of the rest: what that answer would have said. ``retry_after_s`` are the seconds
    after which it is worth while to try again, or to ask for the result.
    """

    status: int
    answer: Classified | None = None
    accepted: Accepted | None = None
    problem: Problem | None = None
    retry_after_s: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """Several pictures' ends, in the order of the pictures."""

    results: list[Ended]


class LabelQuery(msgspec.Struct, frozen=True):
    """Which categories: those whose names hold this text, or all."""

    q: str = ""
