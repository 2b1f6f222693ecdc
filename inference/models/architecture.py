"""EfficientNet-Lite 0, 1 and 2 in Keras; ``weights`` fills them, ``lite`` puts the two together.

EfficientNet (Tan and Le, 2019, arXiv:1905.11946) without squeeze-and-excite and with ReLU6 instead
of swish. The stage table, the scaling and every constant are those of TensorFlow's own
``efficientnet/lite/efficientnet_lite_builder.py``.
"""

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .backend import load_keras

if TYPE_CHECKING:
    import keras

CLASSES: Final = 1000
STEM_FILTERS: Final = 32  # not scaled by width in the lite networks
HEAD_FILTERS: Final = 1280  # likewise
BATCH_NORM_EPSILON: Final = 1e-3
FILTER_DIVISOR: Final = 8


class Scale(NamedTuple):
    """How one variant grows from lite0.

    Attributes:
        width: factor on the filters of every stage.
        depth: factor on the repeats of every stage but the first and the last.
        size: height and width of the input, pixels.
    """

    width: float
    depth: float
    size: int


class Stage(NamedTuple):
    """Inverted residual blocks of one shape; filters and repeats are lite0's."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


SCALES: Final = {
    0: Scale(1.0, 1.0, 224),
    1: Scale(1.0, 1.1, 240),
    2: Scale(1.1, 1.2, 260),
}
STAGES: Final = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def build_efficientnet_lite(variant: int) -> "keras.Model":
    """Builds an untrained network.

    Args:
        variant: 0, 1 or 2.

    Returns:
        uint8 [N, H, W, 3] RGB in 0..255 to float32 [N, 1000] probabilities. The layer before the
        softmax is called ``logits``.
    """
    keras = load_keras()
    layers = keras.layers
    scale = SCALES[variant]
    image = keras.Input((scale.size, scale.size, 3), dtype="uint8", name="image")
    # (x - 127) / 128, exact in float32 either way: the factors are powers of two.
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="rescale")(
        image
    )
    x = _convolve(x, STEM_FILTERS, kernel=3, stride=2, name="stem")
    block = 0
    for index, stage in enumerate(STAGES):
        for repeat in range(_repeats(stage.repeats, scale.depth, index)):
            stride = stage.stride if repeat == 0 else 1
            filters = _filters(stage.filters, scale.width)
            x = _block(x, stage, filters, stride, f"block{block}")
            block += 1
    x = _convolve(x, HEAD_FILTERS, kernel=1, stride=1, name="head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(CLASSES, name="logits")(x)
    answer = layers.Softmax(name="predictions")(logits)
    return keras.Model(image, answer, name=f"efficientnet_lite{variant}")


def _filters(filters: int, width: float) -> int:
    """Filters after scaling: the nearest multiple of 8 that loses at most a tenth."""
    scaled = filters * width
    rounded = max(
        FILTER_DIVISOR,
        int(scaled + FILTER_DIVISOR / 2) // FILTER_DIVISOR * FILTER_DIVISOR,
    )
    return rounded + FILTER_DIVISOR if rounded < 0.9 * scaled else rounded


def _repeats(repeats: int, depth: float, stage: int) -> int:
    """Blocks of a stage after scaling; the first and the last keep theirs."""
    fixed = stage in (0, len(STAGES) - 1)
    return repeats if fixed else math.ceil(repeats * depth)


def _block(x: Any, stage: Stage, filters: int, stride: int, name: str) -> Any:
    """One inverted residual: expand, depthwise, project, and the shortcut where shapes allow."""
    layers = load_keras().layers
    shortcut, inputs = x, x.shape[-1]
    if stage.expansion != 1:
        x = _convolve(
            x, inputs * stage.expansion, kernel=1, stride=1, name=f"{name}_expand"
        )
    x = layers.DepthwiseConv2D(
        stage.kernel,
        stride,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(x)
    x = _normalise(x, f"{name}_depthwise")
    x = layers.ReLU(max_value=6.0, name=f"{name}_depthwise_relu6")(x)
    x = _convolve(x, filters, kernel=1, stride=1, name=f"{name}_project", relu=False)
    if stride == 1 and inputs == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _convolve(
    x: Any, filters: int, *, kernel: int, stride: int, name: str, relu: bool = True
) -> Any:
    """Convolution, batch normalisation and, unless it projects, ReLU6."""
    layers = load_keras().layers
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    x = _normalise(x, name)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x) if relu else x


def _normalise(x: Any, name: str) -> Any:
    layer = load_keras().layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn"
    )
    return layer(x)
