"""The lite networks: their size, and weights that fit them to the last tensor."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import StartError
from inference.models import lite, weights
from inference.models.architecture import build_efficientnet_lite
from inference.models.torch_file import Tensor


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return weights.load(weights.locate(weights.FILES[0]))


@pytest.mark.parametrize(
    ("variant", "parameters"), [(0, 4_694_024), (1, 5_470_344), (2, 6_150_168)]
)
def test_each_variant_has_its_published_size_and_takes_its_weights(
    variant: int, parameters: int
) -> None:
    """Assigning fails unless every tensor and every variable is used once."""
    model = lite.build(variant)
    assert model.count_params() == parameters
    assert model.layers[-2].name == "logits"
    stem = model.get_layer("stem_conv").kernel
    file = weights.load(weights.locate(weights.FILES[variant]))
    assert np.array_equal(stem[0, 1, 2], file["_conv_stem.weight"][:, 2, 0, 1])


def test_every_number_of_the_file_reaches_the_network(
    tensors: dict[str, Tensor],
) -> None:
    """The counters of training steps aside, which ``load`` leaves out."""
    assert sum(tensor.size for tensor in tensors.values()) == 4_694_024
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float32")}


def test_tensors_that_do_not_fit_are_refused(tensors: dict[str, Tensor]) -> None:
    """One too many, one too few, one of another shape, one under another name."""
    model = build_efficientnet_lite(0)
    bias = tensors["_fc.bias"]
    others = {name: value for name, value in tensors.items() if name != "_fc.bias"}
    with pytest.raises(StartError, match="logits/bias gets no value"):
        weights.assign(model, others)
    for wrong in (
        {"_fc.bias": bias[:999]},
        {"_fc.bias": bias, "_fc.more.bias": bias},
        {"_fc.bias": bias, "_blocks.0._expand_conv.weight": tensors["_fc.weight"]},
    ):
        with pytest.raises(StartError, match="has no place in it"):
            weights.assign(model, others | wrong)


def test_a_file_that_is_not_the_tested_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of that name with one byte changed; nothing of it is unpickled."""
    package = tmp_path / "changed_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    file = weights.FILES[0]._replace(package="changed_weights")
    with pytest.raises(
        StartError, match=r"is missing; install changed-weights==0\.1\.0"
    ):
        weights.locate(file)
    content = bytearray(weights.locate(weights.FILES[0]).read_bytes())
    content[-1] ^= 1
    (package / "models" / file.name).write_bytes(content)
    with pytest.raises(StartError, match="is not the tested file"):
        weights.locate(file)


def test_a_missing_package_is_told_with_the_command_that_brings_it() -> None:
    file = weights.FILES[0]._replace(package="no_such_weights")
    with pytest.raises(StartError, match=r"no-such-weights is missing.*make setup"):
        weights.locate(file)


def test_an_unreadable_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(StartError, match="cannot be used"):
        weights.load(path)
