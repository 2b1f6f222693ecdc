"""The questions and answers of the full contract, as ``/openapi.json`` describes them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from common import keys, wire
from gateway import feedback

RequestId = Annotated[str, Meta(pattern=r"^[0-9]+-[0-9a-f]{32}$")]
TopK = Annotated[
    int, Meta(ge=1, le=wire.MAX_TOP_K, description="How many predictions.")
]


class ClassifyQuery(msgspec.Struct, frozen=True):
    """How a picture is classified."""

    top_k: TopK = 5
    lane: keys.Lane = "interactive"


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


class Classified(msgspec.Struct, frozen=True):
    """Predictions, the most probable first."""

    id: str
    model: str
    predictions: list[Prediction]
    cached: bool
    timing_ms: Timing


class Accepted(msgspec.Struct, frozen=True):
    """The request goes on; its result will be at ``Location``.

    ``ahead`` counts the entries in its lane, ``eta_ms`` is what they will take.
    """

    id: str
    status: Literal["queued"]
    ahead: int
    eta_ms: int


class LabelQuery(msgspec.Struct, frozen=True):
    """Which categories: those whose names hold this text, or all."""

    q: str = ""


class FeedbackBody(msgspec.Struct, frozen=True):
    """Whether an answer was right, and what would have been."""

    id: RequestId
    verdict: Literal["right", "wrong"]
    label: Annotated[str, Meta(max_length=feedback.LONGEST_LABEL)] = ""


class Stored(msgspec.Struct, frozen=True):
    """The feedback was stored."""

    id: str
    stored: bool = True
