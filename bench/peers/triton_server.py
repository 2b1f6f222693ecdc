"""Triton: its HTTP server and batcher, as nvidia-pytriton brings them.

What infers are functions of PyTriton's own process, as its documentation has it; or, with ``fast``,
processes of Triton's Python backend (`triton_model`), without PyTriton between.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytriton
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.peers.peer import Configuration, Job
from bench.peers.work import Classifier

Arrays = dict[str, NDArray[np.generic]]
MODEL = "pictures"
WORKSPACE = "workspace"  # sockets; a short path
STUB = "triton_python_backend_stub"
CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: {batch}
dynamic_batching {{ max_queue_delay_microseconds: {wait_us} }}
instance_group [ {{ kind: KIND_CPU count: {processes} }} ]
input [ {{ name: "image" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [
  {{ name: "prediction" data_type: TYPE_STRING dims: [ 1 ] }},
  {{ name: "score" data_type: TYPE_FP32 dims: [ 1 ] }}
]
"""


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


def serve(job: Job) -> None:
    """PyTriton."""
    wanted = job.configuration
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=job.port,
        allow_grpc=False,
        allow_metrics=False,
    )
    with Triton(config=config, workspace=str(job.path / WORKSPACE)) as triton:
        triton.bind(
            model_name=MODEL,
            infer_func=[function() for _ in range(wanted.processes)],
            inputs=[Tensor(name="image", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="prediction", dtype=bytes, shape=(1,)),
                Tensor(name="score", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(
                max_batch_size=wanted.batch,
                batcher=DynamicBatcher(max_queue_delay_microseconds=_wait_us(wanted)),
            ),
        )
        triton.serve()


def become_server(job: Job) -> None:
    """Triton alone, in place of this process."""
    package = Path(pytriton.__file__).parent
    built = package / "tritonserver"
    backends, models = job.path / "backends", job.path / "models"
    shutil.copytree(built / "backends", backends)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(built / "python_backend_stubs" / version / STUB, backends / "python")
    (models / MODEL / "1").mkdir(parents=True)
    # Its interpreter takes no path from the environment.
    (models / MODEL / "1" / "model.py").write_text(
        f"import sys\nsys.path += {sys.path}\n"
        "from bench.peers.triton_model import TritonPythonModel\n"
    )
    wanted = job.configuration
    text = CONFIG.format(
        name=MODEL,
        batch=wanted.batch,
        wait_us=_wait_us(wanted),
        processes=wanted.processes,
    )
    (models / MODEL / "config.pbtxt").write_text(text)
    program = str(built / "bin" / "tritonserver")
    command = (
        *(program, f"--model-repository={models}", f"--backend-directory={backends}"),
        *("--http-address=127.0.0.1", f"--http-port={job.port}"),
        *("--allow-grpc=false", "--allow-metrics=false"),
        f"--backend-config=python,shm-region-prefix-name=peer{os.getpid()}",
    )
    libraries = str(package.parent / "nvidia_pytriton.libs")
    os.execve(program, command, {**os.environ, "LD_LIBRARY_PATH": libraries})


def _wait_us(wanted: Configuration) -> int:
    return int(wanted.wait_ms * 1000)


def main() -> None:
    job = Job.of_environment()
    if job.configuration.fast:
        become_server(job)
    serve(job)


if __name__ == "__main__":
    main()
