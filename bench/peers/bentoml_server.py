"""BentoML: a service of several workers; with batches, its adaptive batching."""

import os
import sys
from pathlib import Path

import bentoml

from bench.peers.peer import Job
from bench.peers.work import Answer, Classifier

TIMEOUT_S = 60
_job = Job.of_environment()
_wanted = _job.configuration


@bentoml.service(
    workers=_wanted.processes,
    traffic={"timeout": TIMEOUT_S},
    logging={"access": {"enabled": False}},
)
class One:
    """A picture a call."""

    def __init__(self) -> None:
        self._classifier = Classifier()

    @bentoml.api(route="/predict")
    def classify(self, file: Path) -> Answer:
        return self._classifier.classify([file.read_bytes()])[0]


@bentoml.service(
    workers=_wanted.processes,
    traffic={"timeout": TIMEOUT_S},
    logging={"access": {"enabled": False}},
)
class Several:
    """Lists of pictures, which BentoML puts together from several calls."""

    def __init__(self) -> None:
        self._classifier = Classifier()

    @bentoml.api(
        route="/predict",
        batchable=True,
        max_batch_size=max(_wanted.batch, 2),
        max_latency_ms=TIMEOUT_S * 1000,
    )
    def classify(self, file: list[Path]) -> list[Answer]:
        return self._classifier.classify([one.read_bytes() for one in file])


def main() -> None:
    service = "One" if _wanted.batch == 1 else "Several"
    program = str(Path(sys.executable).with_name("bentoml"))
    command = (
        *(program, "serve", f"bench.peers.bentoml_server:{service}"),
        *("--host", "127.0.0.1", "--port", str(_job.port)),
    )
    os.execv(program, command)


if __name__ == "__main__":
    main()
