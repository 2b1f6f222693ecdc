"""What a worker counts and measures; the inference parent serves the sum of all workers."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
)

BATCH_SIZE = Histogram(
    "pictor_batch_size_images",
    "Images in a micro-batch.",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128),
)
QUEUE_WAIT = Histogram(
    "pictor_queue_wait_seconds", "From XADD to the read of its batch.", buckets=SECONDS
)
DECODE = Histogram("pictor_decode_seconds", "Decoding one batch.", buckets=SECONDS)
INFERENCE = Histogram(
    "pictor_inference_seconds", "Inference of one batch.", buckets=SECONDS
)
PUBLISH = Histogram(
    "pictor_publish_seconds", "Writing one batch's results.", buckets=SECONDS
)
ENDED = Counter(
    "pictor_ended",
    "Requests that ended here, by how.",
    ["kind"],  # success, cached, failure, expired; dropped: withdrawn before it was run
)
RECLAIMED = Counter("pictor_reclaimed", "Entries taken over from workers that died.")
DECODER_DEATHS = Counter(
    "pictor_decoder_deaths", "Decoder processes that an image ended."
)
COST = Gauge(
    "pictor_batch_cost_seconds",
    "Fitted cost of a batch: the fixed part and the part of each image.",
    ["part"],
    multiprocess_mode="livemostrecent",
)
MAPS = Counter(
    "pictor_maps",
    "Requests for what the network looked at, by how they ended.",
    ["kind"],  # success, cached, failure, expired
)
MAP = Histogram(
    "pictor_map_seconds", "Making one map, the network included.", buckets=SECONDS
)
