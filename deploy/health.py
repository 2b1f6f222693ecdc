"""Whether a container does its work: ``python -m deploy.health gateway`` or ``... inference``.

The images' HEALTHCHECK; exit status 0 for yes, 1 and one line for no. The gateway is asked for
``/healthz``, not ``/readyz``: without Redis or workers it is not ill but says so to its clients, and
an orchestrator that started it anew would only cut them off. A worker container is well when its
metrics are served and Redis has heard of one of its workers, which is when it takes work.
"""

import asyncio
import http.client
import socket
import sys
from typing import Final

from common.settings import Settings

TIMEOUT_S: Final = 3.0


def answers(port: int, path: str) -> bool:
    """Whether a GET on this container's own address is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


async def takes_work(redis_url: str) -> bool:
    """Whether Redis has heard of a worker of this container a moment ago."""
    from common import keys
    from common.connections import Keeper

    redis = Keeper(redis_url, name="health")
    here = f"{socket.gethostname()}-".encode()
    names = await redis.call("ZRANGE", keys.workers(), 0, -1)
    details = [keys.worker(name.decode()) for name in names if name.startswith(here)]
    alive = bool(details) and await redis.call("EXISTS", *details) > 0
    await redis.close()
    return alive


def complaint(part: str, settings: Settings) -> str:
    """What is wrong; empty where nothing is."""
    try:
        if part == "gateway":
            return "" if answers(settings.port, "/healthz") else "/healthz says no"
        if not answers(settings.worker_metrics_port, "/metrics"):
            return "metrics are not served"
        if not asyncio.run(takes_work(settings.redis_url)):
            return "no worker is warm"
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is no
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    sys.exit(complaint(sys.argv[1], Settings.load()) or 0)
