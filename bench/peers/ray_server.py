"""Ray Serve: a proxy, a controller, and a replica an engine; each replica infers in a thread of its own."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.peers.peer import CORES, Job
from bench.peers.work import Answer, Classifier
from bench.system import free_port

_job = Job.of_environment()
_wanted = _job.configuration
if _wanted.fast and "RAY_SERVE_ENABLE_HA_PROXY" not in os.environ:  # read on import
    os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = "1"
    os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"
    for name in ("METRICS", "STATS"):  # otherwise fixed
        os.environ[f"RAY_SERVE_HAPROXY_{name}_PORT"] = str(free_port())
    for name, file in (("CONFIG_FILE_LOC", "haproxy.cfg"), ("SOCKET_PATH", "admin")):
        os.environ[f"RAY_SERVE_HAPROXY_{name}"] = str(_job.path / "haproxy" / file)

import ray  # noqa: E402
from ray import serve  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402

OBJECT_STORE_BYTES = 200_000_000  # bodies of 107 KB, and few at once
ONGOING = 64  # requests that a replica may hold; more than there are clients


@serve.deployment(
    num_replicas=_wanted.processes,
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=ONGOING,
    logging_config={"enable_access_log": False},
)
class Pictures:
    """Takes the raw body."""

    def __init__(self) -> None:
        self._classifier = Classifier()
        self._thread = ThreadPoolExecutor(1)

    async def __call__(self, request: Any) -> JSONResponse:
        """A bare answer would be sent in chunks."""
        body = await request.body()
        if _wanted.batch > 1:
            return JSONResponse(await self._together(body))
        return JSONResponse((await self._classify([body]))[0])

    @serve.batch(
        max_batch_size=_wanted.batch, batch_wait_timeout_s=_wanted.wait_ms / 1000
    )
    async def _together(self, bodies: list[bytes]) -> list[Answer]:
        return await self._classify(bodies)

    async def _classify(self, bodies: list[bytes]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, self._classifier.classify, bodies
        )


def main() -> None:
    ray.init(
        num_cpus=max(CORES, _wanted.processes),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(_job.path / "ray"),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": _job.port})
    deployment: Any = Pictures  # what the decorator makes of it
    serve.run(deployment.bind(), route_prefix="/", blocking=True)


if __name__ == "__main__":
    main()
