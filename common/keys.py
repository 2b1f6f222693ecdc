"""Every Redis name, and the one consumer group.

``{0}`` is the partition's hash tag, braces written as they stand, so that in a cluster a partition's
stream, results and channels share a slot. A single server has partition 0 alone.
"""

from typing import Final, Literal, get_args

Lane = Literal["interactive", "bulk"]
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
GROUP: Final = "workers"
FEEDBACK: Final = "pictor:feedback"
# Which reports had their picture kept, ``<entry id>:<digest>`` by the time, in milliseconds.
KEPT: Final = "pictor:feedback:kept"
PARTITIONS: Final = 1


def partition_of(image_digest: bytes) -> int:
    """The partition of an image, from its digest, so that equal images meet."""
    return int.from_bytes(image_digest[:4], "big") % PARTITIONS


def requests(model: str, lane: Lane, partition: int = 0) -> str:
    """The stream on which a lane's requests for a model wait."""
    return f"pictor:{{{partition}}}:requests:{model}:{lane}"


def explanations(model: str, partition: int = 0) -> str:
    """The stream on which those wait who ask what a model looked at; behind both lanes."""
    return f"pictor:{{{partition}}}:requests:{model}:explain"


def explainer(model: str, partition: int = 0) -> str:
    """Lives while somebody is there to read `explanations`."""
    return f"pictor:{{{partition}}}:explainer:{model}"


def result(request_id: str) -> str:
    """How a request ended; also the channel that says so."""
    return f"pictor:{{{_partition(request_id)}}}:result:{request_id}"


def pending(request_id: str) -> str:
    """Holds the owner of a request that was answered 202 and has not ended."""
    return f"pictor:{{{_partition(request_id)}}}:pending:{request_id}"


def cache(model_digest: str, image_digest: bytes) -> str:
    """A success, by content."""
    return f"pictor:{{{partition_of(image_digest)}}}:cache:{model_digest}:{image_digest.hex()}"


def map_of(model_digest: str, image_digest: bytes, place: int) -> str:
    """What a model looked at (``wire.Map``), by content and the category's place among the labels."""
    partition = partition_of(image_digest)
    return f"pictor:{{{partition}}}:map:{model_digest}:{image_digest.hex()}:{place}"


def workers(partition: int = 0) -> str:
    """Worker names by the time of their last beat, in seconds of Redis' clock."""
    return f"pictor:{{{partition}}}:workers"


def worker(name: str, partition: int = 0) -> str:
    """A worker's details (``wire.Worker``)."""
    return f"pictor:{{{partition}}}:worker:{name}"


def trouble(partition: int = 0) -> str:
    """Says that workers keep dying, in words, while they do."""
    return f"pictor:{{{partition}}}:trouble"


def labels(model_digest: str, partition: int = 0) -> str:
    """The categories of a model (``wire.Labels``), written by its workers."""
    return f"pictor:{{{partition}}}:labels:{model_digest}"


def quota(who: str, window: int, partition: int = 0) -> str:
    """How many requests a caller was allowed in a minute; ``who`` is a hash, never an address."""
    return f"pictor:{{{partition}}}:quota:{who}:{window}"


def dead(partition: int = 0) -> str:
    """Images given up on: digest and reason."""
    return f"pictor:{{{partition}}}:dead"


def _partition(request_id: str) -> str:
    return request_id.partition("-")[0]
