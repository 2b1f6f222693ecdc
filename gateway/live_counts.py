"""What the gateways of this host have counted so far, all processes together.

Processes of one parent share a folder of files (Prometheus' multiprocess mode), read here entry by
entry: Prometheus' own collector makes families and labels of all of them, which takes ten times as long.
"""

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from prometheus_client.mmap_dict import MmapedDict

from gateway import metrics

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
KINDS: Final = ("counter_*.db", "histogram_*.db")
COUNTED: Final = (
    *(metrics.ANSWER, metrics.UPLOAD, metrics.REPLY),
    *(metrics.ASKED, metrics.FETCHED, metrics.SHARED, metrics.KNOWN, metrics.REFUSED),
)
BOUNDS: Final = (*metrics.ANSWERED_S, math.inf)  # seconds
_NAMES: Final = tuple(
    f"pictor_{name}"
    for name in (
        *("answer_seconds_bucket", "upload_seconds_bucket", "reply_seconds_bucket"),
        *("upload_seconds_sum", "reply_seconds_sum"),
        *("asked_total", "fetched_total", "shared_total", "known_total"),
        "refused_total",
    )
)

Name = tuple[str, str]  # of a sample, and its bucket or its code
Values = dict[Name, float]


@dataclass(frozen=True)
class Counted:
    """Cumulative counts, or what was added to them.

    Attributes:
        answered: uploads answered 200, by the time that took; a number for each of BOUNDS.
        refused: error answers by code.
        fetched: results of requests answered 202 that were read.
        asked: requests to classify, those refused included.
        shared: requests that joined an equal one under way.
        known: requests answered from a gateway's own memory.
        uploads, upload_s: bodies read, and the seconds that took.
        replies, reply_s: answers, and the seconds from XADD to each, less the worker's.
    """

    answered: tuple[float, ...] = (0.0,) * len(BOUNDS)
    refused: Mapping[str, float] = field(default_factory=dict)
    fetched: float = 0.0
    asked: float = 0.0
    shared: float = 0.0
    known: float = 0.0
    uploads: float = 0.0
    upload_s: float = 0.0
    replies: float = 0.0
    reply_s: float = 0.0


TOTALS: Final = (
    *("fetched", "asked", "shared", "known"),
    *("uploads", "upload_s", "replies", "reply_s"),
)


def read() -> Counted:
    """What has been counted up to now; raises OSError where the files cannot be read."""
    folder = os.environ.get(FOLDER)
    values: Values = {}
    try:
        for name, value in _shared(Path(folder)) if folder else _own():
            values[name] = values.get(name, 0.0) + value
    except (struct.error, RuntimeError, ValueError) as error:
        # A process that starts makes its file first, and then what stands in it.
        raise OSError(f"a file of counts is not whole: {error}") from error

    def one(name: str) -> float:
        return values.get((f"pictor_{name}", ""), 0.0)

    def all_of(name: str) -> dict[str, float]:
        full = f"pictor_{name}"
        return {label: value for (kind, label), value in values.items() if kind == full}

    answered = {float(bound): n for bound, n in all_of("answer_seconds_bucket").items()}
    return Counted(
        tuple(answered.get(bound, 0.0) for bound in BOUNDS),
        all_of("refused_total"),
        fetched=one("fetched_total"),
        asked=one("asked_total"),
        shared=one("shared_total"),
        known=one("known_total"),
        uploads=sum(all_of("upload_seconds_bucket").values()),
        upload_s=one("upload_seconds_sum"),
        replies=sum(all_of("reply_seconds_bucket").values()),
        reply_s=one("reply_seconds_sum"),
    )


def _shared(folder: Path) -> Iterator[tuple[Name, float]]:
    """The entries of all processes, those that have ended included."""
    for kind in KINDS:
        for path in folder.glob(kind):
            entries = MmapedDict.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
            for key, value, _, _ in entries:
                if (name := _named(key)) is not None:
                    yield name, value


@cache
def _named(key: str) -> Name | None:
    """The name of an entry that counts here; keys are few, and always the same."""
    _, name, labels, _ = json.loads(key)
    return (name, next(iter(labels.values()), "")) if name in _NAMES else None


def _own() -> Iterator[tuple[Name, float]]:
    """What this process alone has counted; buckets hold what is in them, and not what is below."""
    for metric in COUNTED:
        for family in metric.collect():
            below = 0.0
            for sample in family.samples:
                value = sample.value
                if sample.name.endswith("_bucket"):
                    value, below = value - below, value
                if sample.name in _NAMES:
                    yield (sample.name, next(iter(sample.labels.values()), "")), value
