"""Triton through PyTriton: Triton's HTTP server and batcher, with functions of this process to infer."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.peers.peer import Job
from bench.peers.work import Classifier

Arrays = dict[str, NDArray[np.generic]]
WORKSPACE = "workspace"  # sockets; a short path


def function() -> Callable[..., Arrays]:
    """An engine of its own, and what Triton calls."""
    classifier = Classifier()

    @batch
    def infer(image: NDArray[np.object_]) -> Arrays:
        """Files as bytes [N, 1] to answers, each [N, 1]."""
        answers = classifier.classify([row[0] for row in image])
        labels = [[one["prediction"].encode()] for one in answers]
        scores = [[one["score"]] for one in answers]
        return {
            "prediction": np.array(labels, object),
            "score": np.array(scores, np.float32),
        }

    wrapped: Callable[..., Arrays] = infer
    return wrapped


def main() -> None:
    job = Job.of_environment()
    wanted = job.configuration
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=job.port,
        allow_grpc=False,
        allow_metrics=False,
    )
    with Triton(config=config, workspace=str(job.path / WORKSPACE)) as triton:
        triton.bind(
            model_name="pictures",
            infer_func=[function() for _ in range(wanted.processes)],
            inputs=[Tensor(name="image", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="prediction", dtype=bytes, shape=(1,)),
                Tensor(name="score", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(
                max_batch_size=wanted.batch,
                batcher=DynamicBatcher(
                    max_queue_delay_microseconds=int(wanted.wait_ms * 1000)
                ),
            ),
        )
        triton.serve()


if __name__ == "__main__":
    main()
