"""The catalogue: names in any spelling, and one line for what is missing."""

import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import StartError
from inference.models import applications, lite
from inference.models.backend import load_keras
from inference.models.catalogue import DEFAULT, resolve


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientnet_lite0", 224),
        ("EfficientNet-Lite1", 240),
        ("efficientnetlite2", 260),
    ],
)
def test_a_lite_network_is_found_in_any_spelling(
    tmp_path: Path, name: str, size: int
) -> None:
    spec = resolve(name, tmp_path)
    preprocessing = spec.preprocessing
    assert spec.name in lite.NAMES
    assert (preprocessing.height, preprocessing.width) == (size, size)
    assert preprocessing.crop == size / (size + 32)
    assert len(spec.labels) == 1000


def test_digests_differ_by_model_and_are_equal_in_every_process(tmp_path: Path) -> None:
    """They name files and cached answers, so the hash seed must not matter."""
    digests = [resolve(name, tmp_path).digest for name in lite.NAMES]
    assert len(set(digests)) == 3
    code = (
        "import sys, pathlib; from inference.models.catalogue import resolve;"
        f"print(resolve({DEFAULT!r}, pathlib.Path('.')).digest);"
        "print({'keras', 'tensorflow'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [digests[0], "set()"]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("resnt50", "resnet50"),
        ("efficientnet_lite3", "efficientnet_lite"),
        ("mobilenetv4", "mobilenet_v"),
    ],
)
def test_an_unknown_name_brings_the_close_ones(
    tmp_path: Path, name: str, suggestion: str
) -> None:
    with pytest.raises(StartError, match=f"did you mean .*{suggestion}"):
        resolve(name, tmp_path)


def test_a_name_like_nothing_brings_no_guess(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no model 'qqqq': Name efficientnet_lite0"):
        resolve("qqqq", tmp_path)


def test_a_path_that_is_not_there_is_taken_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is no folder; a model's folder holds"):
        resolve(str(tmp_path / "nothing"), tmp_path)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("ResNet50", "resnet50"),
        ("ResNet101V2", "resnet101_v2"),
        ("EfficientNetV2B0", "efficientnet_v2b0"),
        ("EfficientNetB0", "efficientnet_b0"),
        ("MobileNetV3Small", "mobilenet_v3_small"),
        ("InceptionResNetV2", "inception_resnet_v2"),
        ("ConvNeXtXLarge", "convnext_xlarge"),
        ("NASNetMobile", "nasnet_mobile"),
    ],
)
def test_each_name_leads_to_its_function(function: str, name: str) -> None:
    for spelling in (name, function, name.replace("_", "-")):
        assert applications._find(spelling, ()) == (function, name)


def test_without_a_network_the_file_and_its_place_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras' own download is tried, its connection fails."""
    load_keras()
    from keras.src.backend import config
    from keras.src.utils import file_utils

    def refuse(*_: Any) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    with pytest.raises(StartError) as caught:
        resolve("mobilenet_v2", tmp_path)
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
    assert f"put the file {file} into {tmp_path}/keras/models" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_named_as_keras_stores_it_not_as_it_is_served() -> None:
    """NASNet's two files are served under other names."""
    error = Exception(
        "URL fetch failure on https://host/nasnet/NASNet-mobile.h5: None -- no"
    )
    assert "the file nasnet_mobile.h5 into" in str(
        applications._missing("NASNetMobile", error)
    )


def test_another_failure_keeps_its_first_line() -> None:
    """Such as a download that broke off."""
    error = ValueError("Incomplete or corrupted file detected.\nAnd more.")
    told = str(applications._missing("ResNet50", error))
    assert told.startswith("resnet50 could not be built")
    assert told.endswith("Incomplete or corrupted file detected.")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Builds networks without a download; lists what was built."""
    built: list[str] = []
    original = applications.build

    def build(function: str) -> Any:
        built.append(function)
        return original(function, None)

    monkeypatch.setattr(applications, "build", build)
    return built


def test_a_network_of_keras_is_built_once_and_then_known(
    tmp_path: Path, untrained: list[str]
) -> None:
    """The second look-up reads the record; its digest follows the weights."""
    first = resolve("MobileNet", tmp_path)
    second = resolve("mobilenet", tmp_path)
    assert untrained == ["MobileNet"]
    assert second == first
    assert (first.name, first.preprocessing.height) == ("mobilenet", 224)
    record = tmp_path / "models" / "mobilenet.json"
    changed = record.read_text().replace('"weights":"', '"weights":"0')
    record.write_text(changed)
    assert resolve("mobilenet", tmp_path).digest != first.digest
    record.write_text("{")
    with pytest.raises(StartError, match="delete it and start again"):
        resolve("mobilenet", tmp_path)


def test_a_record_of_another_keras_is_made_anew(
    tmp_path: Path, untrained: list[str]
) -> None:
    """The network is Keras' code, so another version may answer otherwise."""
    first = resolve("mobilenet", tmp_path)
    record = tmp_path / "models" / "mobilenet.json"
    record.write_text(record.read_text().replace('"keras":"', '"keras":"0.'))
    assert resolve("mobilenet", tmp_path) == first
    assert len(untrained) == 2


@pytest.mark.parametrize("function", ["ResNet50", "DenseNet121", "MobileNet"])
def test_a_network_brings_its_own_preprocessing(function: str) -> None:
    """BGR less a mean, a mean and a deviation a channel, and -1 to 1: Keras' three modes."""
    keras = load_keras()
    model = applications.build(function, None)
    builder = getattr(keras.applications, function)
    module = getattr(keras.applications, builder.__module__.rpartition(".")[2])
    network = next(layer for layer in model.layers if hasattr(layer, "layers"))
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    pixels = images.astype("float32")
    raw = np.asarray(
        network(pixels)
    )  # before: preprocess_input changes arrays in place
    expected = np.asarray(network(module.preprocess_input(pixels)))
    logits = keras.Model(model.input, model.get_layer("logits").output)
    # Random weights may shrink everything; what counts is relative to the largest logit.
    limit = 1e-4 * abs(expected).max()
    assert abs(np.asarray(logits(images)) - expected).max() <= limit
    assert abs(raw - expected).max() > 100 * limit
