"""The one place that imports Keras, and only when a model is really built."""

import os
import sys
from types import ModuleType


def load_keras() -> ModuleType:
    """Imports Keras over TensorFlow (about 5 s the first time).

    The environment is set before the import, since both read it while they load: ``~/.keras`` may
    name another backend, and TensorFlow logs start-up chatter below level 3 (errors are raised).
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    # ~/.keras/keras.json may ask for others, with which no image here fits.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    if not sys.stdout.isatty():
        keras.config.disable_interactive_logging()  # a bar that redraws itself fills a log
    module: ModuleType = keras
    return module
