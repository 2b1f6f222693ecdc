"""What a gateway counts and measures."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("pictor_requests", "HTTP requests answered.", ["route", "status"])
DURATION = Histogram(
    "pictor_request_duration_seconds",
    "From headers to the first byte of the answer.",
    ["route"],
    buckets=SECONDS,
)
REFUSED = Counter(
    "pictor_refused", "Requests refused, or ended without an answer.", ["code"]
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
CONNECTIONS = Gauge(
    "pictor_connections", "Open connections.", multiprocess_mode="livesum"
)
TASKS = Gauge("pictor_tasks", "Tasks of the event loop.", multiprocess_mode="livesum")
