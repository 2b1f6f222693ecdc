"""The peers by name, and the configurations that are worth trying for each.

The first candidate of each is what its documentation and a machine's cores suggest.
"""

from typing import Final

from bench.peers.peer import CORES, ROOT, Configuration, Peer

# An engine of one thread on each core is what a CPU likes best (`make calibrate` shows by how much); one of
# all threads, and batches, are what a GPU would want and documentations praise.
_BATCHES: Final = tuple(
    Configuration(CORES, 1, n, wait) for n, wait in ((2, 1), (4, 2), (8, 5), (16, 8))
)
_ONE: Final = Configuration(1, CORES)
_EACH: Final = Configuration(CORES, 1)

_MOSEC: Final = Peer(
    name="mosec",
    title="mosec, LiteRT",
    engine="litert",
    upload="raw",
    path="/inference",
    module="bench.peers.mosec_server",
    candidates=(_EACH, _ONE, *_BATCHES, Configuration(CORES, 1, decoders=1)),
    modules=("mosec",),
    packages=("mosec", "ai-edge-litert"),
)

_LITSERVE: Final = Peer(
    name="litserve",
    title="LitServe, LiteRT",
    engine="litert",
    upload="multipart",
    path="/predict",
    module="bench.peers.litserve_server",
    candidates=(
        _EACH,
        Configuration(CORES, 1, fronts=1),
        Configuration(CORES, 1, fast=True),
        Configuration(CORES, 1, fronts=1, fast=True),
        _ONE,
        *_BATCHES,
        Configuration(CORES, 1, 8, 5, fast=True),
    ),
    modules=("litserve", "multipart"),
    packages=("litserve", "ai-edge-litert"),
)

_LITSERVE_TENSORFLOW: Final = Peer(
    name="litserve-tensorflow",
    title="LitServe, TensorFlow",
    engine="tensorflow",
    upload="multipart",
    path="/predict",
    module="bench.peers.litserve_server",
    candidates=(
        _EACH,
        Configuration(CORES, 1, fronts=1),
        _ONE,
        *(Configuration(1, CORES, n, 5) for n in (4, 8)),
        *(Configuration(CORES, 1, n, 5) for n in (4, 8)),
    ),
    modules=("litserve", "multipart", "tensorflow"),
    packages=("litserve", "tensorflow-cpu", "keras"),
)

_BENTOML: Final = Peer(
    name="bentoml",
    title="BentoML, LiteRT",
    engine="litert",
    upload="multipart",
    path="/predict",
    module="bench.peers.bentoml_server",
    candidates=(
        _EACH,
        _ONE,
        *(Configuration(CORES, 1, n, 60_000) for n in (2, 4, 8)),
    ),
    modules=("bentoml",),
    packages=("bentoml", "ai-edge-litert"),
    variables={"BENTOML_DO_NOT_TRACK": "True"},
)

_RAY: Final = Peer(
    name="ray",
    title="Ray Serve, LiteRT",
    engine="litert",
    upload="raw",
    path="/",
    module="bench.peers.ray_server",
    candidates=(
        _EACH,
        Configuration(CORES, 1, fast=True),
        _ONE,
        Configuration(CORES, 1, 4, 2),
        Configuration(CORES, 1, 4, 2, fast=True),
    ),
    modules=("ray", "ray.serve"),
    packages=("ray", "ai-edge-litert"),
    variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
)

_CLASSIC: Final = Peer(
    name="classic",
    title="Flask, Redis list, predict",
    engine="tensorflow",
    upload="multipart",
    path="/predict",
    module="bench.peers.classic_server",
    candidates=(_ONE, Configuration(1, 1), _EACH),
    modules=("flask", "gunicorn", "tensorflow"),
    packages=("flask", "gunicorn", "tensorflow-cpu", "keras"),
)

_TRITON: Final = Peer(
    name="triton",
    title="Triton, LiteRT",
    engine="litert",
    upload="raw",
    path="/v2/models/pictures/infer",
    module="bench.peers.triton_server",
    candidates=(
        _EACH,
        Configuration(CORES, 1, fast=True),
        _ONE,
        *(Configuration(CORES, 1, n, n / 2, fast=True) for n in (2, 4, 8)),
        Configuration(CORES, 1, 4, 2),
    ),
    modules=("pytriton",),
    packages=("nvidia-pytriton", "ai-edge-litert"),
    headers=(("Inference-Header-Content-Length", "0"),),  # the body is the picture
    interpreter=ROOT / ".venv-peers-triton" / "bin" / "python",
)

PEERS: Final = {
    one.name: one
    for one in (
        *(_MOSEC, _LITSERVE, _LITSERVE_TENSORFLOW, _BENTOML, _RAY, _TRITON),
        _CLASSIC,
    )
}
