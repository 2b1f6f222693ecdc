"""What the page Live shows, once a second: the messages of ``GET /v1/live``."""

import msgspec

from common.keys import Lane


class Stages(msgspec.Struct, frozen=True):
    """Where an answer's time went, in milliseconds; means, 0 where there was no answer."""

    upload: float = 0.0
    queue: float = 0.0
    decode: float = 0.0
    inference: float = 0.0
    reply: float = 0.0


class Shown(msgspec.Struct, frozen=True):
    """A worker.

    ``state`` is ``working``, ``idle``, or ``lost``: it is heard of no more, and has not said that it
    leaves. A batch of n images costs ``fixed_ms + image_ms * n`` as it is fitted; ``points`` are what
    was measured lately, batch sizes and mean milliseconds.
    """

    name: str
    state: str
    engine: str
    model: str
    fixed_ms: float
    image_ms: float
    images_per_s: float
    points: tuple[tuple[int, float], ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """How things stand, and what was done since the sample before.

    ``at`` is in milliseconds since 1970. ``rate`` counts answers a second, ``asked`` requests to
    classify, ``cached`` answers that were known by content, ``shared`` requests that joined an equal one
    under way, ``errors`` answers by their code. The percentiles are of the last ten seconds' answered
    uploads, ``stages_ms`` means of the last three seconds. ``backlog`` are the entries that wait, by
    lane, ``batches`` the micro-batches by size. ``away`` says why Redis cannot be asked; then what
    comes from workers is what was known last.
    """

    at: int
    rate: float = 0.0
    asked: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    stages_ms: Stages = Stages()
    backlog: dict[Lane, int] = {}
    batches: dict[str, int] = {}
    cached: float = 0.0
    shared: float = 0.0
    errors: dict[str, float] = {}
    workers: tuple[Shown, ...] = ()
    away: str = ""
