"""What a gateway counts and measures."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Finer, so that percentiles can be told from them.
ANSWERED_S: Final = (
    *(0.0025, 0.004, 0.0065, 0.01, 0.016, 0.025, 0.04, 0.065, 0.1, 0.16, 0.25, 0.4),
    *(0.65, 1, 1.6, 2.5, 4, 6.5, 10, 17, 30),
)

REQUESTS = Counter("pictor_requests", "HTTP requests answered.", ["route", "status"])
DURATION = Histogram(
    "pictor_request_duration_seconds",
    "From headers to the first byte of the answer.",
    ["route"],
    buckets=SECONDS,
)
ANSWER = Histogram(
    "pictor_answer_seconds",
    "From headers to the first byte of the answer, of uploads that were answered 200.",
    buckets=ANSWERED_S,
)
ASKED = Counter("pictor_asked", "Requests to classify, those refused included.")
FETCHED = Counter("pictor_fetched", "Results of requests answered 202 that were read.")
REFUSED = Counter(
    "pictor_refused",
    "Requests refused, or ended without an answer, by the code they were told.",
    ["code"],
)
UPLOAD = Histogram(
    "pictor_upload_seconds", "Reading an upload's body.", buckets=SECONDS
)
REPLY = Histogram(
    "pictor_reply_seconds",
    "From XADD to the answer, less the worker's time.",
    buckets=SECONDS,
)
SHARED = Counter("pictor_shared", "Requests that joined an equal one under way.")
KNOWN = Counter("pictor_known", "Requests answered from this gateway's own memory.")
WITHDRAWN = Counter(
    "pictor_withdrawn",
    "Entries taken back because their client had left: unread (work saved), or read already.",
    ["state"],
)
BACKLOG = Gauge(
    "pictor_backlog_entries",
    "Entries on a lane's stream.",
    ["lane"],
    multiprocess_mode="livemax",
)
WORKERS = Gauge("pictor_workers", "Live workers.", multiprocess_mode="livemax")
WAITING = Gauge(
    "pictor_waiting_requests",
    "Requests that wait for a result.",
    multiprocess_mode="livesum",
)
IN_FLIGHT = Gauge(
    "pictor_bytes_in_flight",
    "Bytes of uploads being handled.",
    multiprocess_mode="livesum",
)
WATCHERS = Gauge(
    "pictor_watchers", "Open streams of /v1/live.", multiprocess_mode="livesum"
)
CONNECTIONS = Gauge(
    "pictor_connections", "Open connections.", multiprocess_mode="livesum"
)
TASKS = Gauge("pictor_tasks", "Tasks of the event loop.", multiprocess_mode="livesum")
