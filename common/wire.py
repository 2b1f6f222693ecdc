"""The messages that gateway and workers exchange: frozen structs in MessagePack, versioned.

A struct travels as an array whose first element is its tag or version. Fields are only ever added at
the end, with a default, so that a reader of version N reads N-1; workers are upgraded first.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from common.errors import PictorError
from common.keys import Lane, partition_of

VERSION: Final = 1
MAX_TOP_K: Final = 20
ALIVE_S: Final = 5.0  # a worker not heard of for this long counts as gone


class WireError(PictorError):
    """Bytes from Redis that are not the message they should be."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A stream entry's header, field ``h``; the image as sent is field ``img``.

    Attributes:
        id: ``<partition>-<128 random bits in hex>``.
        digest: SHA-256 of the image bytes.
        expires_ms: milliseconds after the entry's id at which nobody wants the answer any more.
        top_k: how many predictions are wanted, 1 to MAX_TOP_K.
        thumbnail_px: longest side of the thumbnail wanted, 0 for none.
        owner: who may read the result; empty where no keys are in use.
        explain: a map of what spoke for the category of this rank is wanted, from 1; 0: none.
        phash: a perceptual hash is wanted.
    """

    version: int
    id: str
    digest: bytes
    expires_ms: int
    top_k: int = 5
    thumbnail_px: int = 0
    owner: str = ""
    explain: int = 0
    phash: bool = False


class Prediction(msgspec.Struct, frozen=True, array_like=True):
    """One category: WordNet id, label as Keras spells it, readable words, probability 0 to 1."""

    wnid: str
    label: str
    description: str
    score: float


class Timing(msgspec.Struct, frozen=True, array_like=True):
    """Where a request's time went in the worker, in milliseconds, and the batch it travelled in."""

    queue_ms: float = 0.0
    decode_ms: float = 0.0
    inference_ms: float = 0.0
    batch: int = 0


class Map(msgspec.Struct, frozen=True, array_like=True):
    """What the network looked at for one category: a class activation map.

    Attributes:
        rank: of the category among the predictions, from 1.
        rows: of the grid that lies over the part of the picture which the network saw.
        columns: likewise.
        values: uint8, row by row, 255 the strongest; all 0 where nothing spoke for the category.
        box: that part: left, upper, width and height, as fractions of the upright picture.
        method: ``cam`` (exact) or ``grad-cam``.
    """

    version: int
    rank: int
    rows: int
    columns: int
    values: bytes
    box: tuple[float, float, float, float]
    method: str


class Success(msgspec.Struct, frozen=True, array_like=True, tag="success"):
    """Predictions, the most probable first.

    Attributes:
        thumbnail: a JPEG, or nothing.
        digest: SHA-256 of the image; empty from workers before this field.
        map: where one was asked for.
        phash: a perceptual hash (`common.phash`), where it has one and one was looked for, or nothing.
        hashed: one was looked for.
    """

    version: int
    id: str
    owner: str
    model: str
    model_digest: str
    predictions: tuple[Prediction, ...]
    timing: Timing = Timing()
    cached: bool = False
    thumbnail: bytes = b""
    digest: bytes = b""
    map: Map | None = None
    phash: bytes = b""
    hashed: bool = False


class Known(msgspec.Struct, frozen=True, array_like=True):
    """An answer kept by content: the best categories' places among the labels, and probabilities.

    ``phash`` and ``hashed`` as in `Success`.
    """

    version: int
    best: tuple[tuple[int, float], ...]
    phash: bytes = b""
    hashed: bool = False


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="failure"):
    """The image was refused or given up on; ``code`` is that of a ``RequestError``."""

    version: int
    id: str
    owner: str
    code: str
    timing: Timing = Timing()


class Expired(msgspec.Struct, frozen=True, array_like=True, tag="expired"):
    """The deadline had passed before anybody got to it; it was not run."""

    version: int
    id: str
    owner: str


Ended = Success | Failure | Expired


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A request that was answered 202 and goes on: what is known of it until it has ended.

    Attributes:
        owner: who may ask; empty where no keys are in use.
        lane: where it waits.
        ahead: entries in its lane when it was accepted; later there are no more.
    """

    version: int
    owner: str
    lane: Lane
    ahead: int


class Worker(msgspec.Struct, frozen=True, array_like=True):
    """A worker's details, beside its place in the sorted set.

    Attributes:
        fixed_ms: the measured cost of a batch of n images is ``fixed_ms + image_ms * n``.
        image_ms: see ``fixed_ms``.
        images_per_s: the rate it reaches at the batch size it prefers.
        state: ``working`` or ``idle``, since its last beat.
        images: run since it started; the three sums are theirs.
        batches: micro-batches since it started: their size, and how many there were.
        queue_ms, decode_ms, inference_ms: the sum of what `Timing` says of each image.
        cached: answered by content since it started.
        points: what batches of a size have cost lately: the size, and milliseconds.
    """

    version: int
    name: str
    model: str
    model_digest: str
    engine: str
    fixed_ms: float
    image_ms: float
    images_per_s: float
    state: str = "idle"
    images: int = 0
    batches: tuple[tuple[int, int], ...] = ()
    queue_ms: float = 0.0
    decode_ms: float = 0.0
    inference_ms: float = 0.0
    cached: int = 0
    points: tuple[tuple[int, float], ...] = ()


class Label(msgspec.Struct, frozen=True, array_like=True):
    """A category: WordNet id, label as Keras spells it, readable words."""

    wnid: str
    label: str
    description: str


class Report(msgspec.Struct, frozen=True, array_like=True):
    """Feedback, field ``r`` of an entry on ``keys.FEEDBACK``; its entry's id says when.

    Attributes:
        request_id: the answer it is about, or empty.
        verdict: right, wrong, or empty for a report in general.
        answered: the label that was answered, where the reporter's page knew it.
        label: the label that would have been right, or empty.
        text: in the reporter's words.
        score: the probability of what was answered, 0 to 1; None where nobody knows it.
        model_digest: of the model that answered, or empty.
        digest: SHA-256 of the picture, or empty.
        secret: SHA-256 of what its reporter has to show to take it back, or empty.
    """

    version: int
    request_id: str = ""
    verdict: str = ""
    answered: str = ""
    label: str = ""
    text: str = ""
    score: float | None = None
    model_digest: str = ""
    digest: bytes = b""
    secret: bytes = b""


def new_id(image_digest: bytes) -> str:
    """A fresh request id in the image's partition."""
    return new_id_in(partition_of(image_digest))


def new_id_in(partition: int) -> str:
    """A fresh request id for an image of this partition."""
    return f"{partition}-{secrets.token_hex(16)}"


def _reader(kind: Any) -> Callable[[bytes], Any]:
    decoder = msgspec.msgpack.Decoder(kind)

    def read(data: bytes) -> Any:
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(str(error)) from error

    return read


encode: Final = msgspec.msgpack.Encoder().encode
read_request: Final[Callable[[bytes], Request]] = _reader(Request)
read_ended: Final[Callable[[bytes], Ended]] = _reader(Ended)
read_pending: Final[Callable[[bytes], Pending]] = _reader(Pending)
read_worker: Final[Callable[[bytes], Worker]] = _reader(Worker)
read_report: Final[Callable[[bytes], Report]] = _reader(Report)
read_known: Final[Callable[[bytes], Known]] = _reader(Known)
read_map: Final[Callable[[bytes], Map]] = _reader(Map)
read_labels: Final[Callable[[bytes], tuple[Label, ...]]] = _reader(tuple[Label, ...])
