"""What a client prefers to waiting: the ``Prefer`` header of RFC 7240."""

import math
from collections.abc import Sequence


def preferred_wait_s(given: Sequence[str]) -> float:
    """Seconds after which a 202 is preferred to waiting (RFC 7240, 4.1 and 4.3); inf for never."""
    preferences: dict[str, str] = {}
    for one in ",".join(given).lower().split(","):
        name, _, value = one.partition(";")[0].partition("=")
        preferences.setdefault(name.strip(), value.strip().strip('"'))
    if "respond-async" not in preferences:
        return math.inf
    wait = preferences.get("wait", "0")
    return float(wait) if wait.isascii() and wait.isdigit() else 0.0
