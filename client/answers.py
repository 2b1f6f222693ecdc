"""What comes back: typed, as ``/openapi.json`` describes it."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from client.errors import ClientError

Picture = TypeVar("Picture")


class Prediction(msgspec.Struct, frozen=True):
    """A category: WordNet id, label as Keras spells it, readable words, probability 0 to 1."""

    wnid: str
    label: str
    description: str
    score: float


class Map(msgspec.Struct, frozen=True):
    """What the network looked at; ``values`` is uint8 [rows, columns], row by row, 255 the strongest.

    ``box`` is the part of the upright picture that it lies over: left, upper, width and height as
    fractions. ``method`` is ``cam`` or ``grad-cam``.
    """

    index: int
    label: str
    rows: int
    columns: int
    values: bytes
    box: tuple[float, float, float, float]
    method: str


class Answer(msgspec.Struct, frozen=True):
    """Predictions, the most probable first.

    Attributes:
        id: the request's.
        model: its name.
        cached: the answer was known by the picture's content.
        timing_ms: where the time went: upload, queue, decode, inference, reply.
        model_digest: of the model that answered.
        digest: the picture's SHA-256 in hex.
        batch: how many pictures it was run with; 0 where the answer was known.
        map: where `explain` asked for one.
        phash: a perceptual hash, where `phash` asked for it, now or before, and the picture has features:
            64 bits in hex. Pictures that look alike differ in a few of them.
    """

    id: str
    model: str
    predictions: tuple[Prediction, ...]
    cached: bool
    timing_ms: dict[str, float]
    model_digest: str = ""
    digest: str = ""
    batch: int = 0
    map: Map | None = None
    phash: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None = None

    @property
    def best(self) -> Prediction:
        """The most probable category."""
        return self.predictions[0]


class Outcome(msgspec.Struct, Generic[Picture], frozen=True):
    """How one of many pictures ended: with an answer, or with the error that it ended with."""

    picture: Picture
    answer: Answer | None = None
    error: ClientError | None = None
