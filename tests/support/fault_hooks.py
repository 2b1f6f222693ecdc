"""Real faults inside the parts, for tests: this file's text is the ``sitecustomize`` of a system.

Python imports it in each of the system's processes before anything else (`tests.support.faults` sees to
that). It touches only the process that a fault is for, told by its command line, and breaks it for real
when it meets a picture that holds a mark.
"""

import io
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

MARK = b"pictor-fault:"
MARKED = re.compile(MARK + rb"([a-z]+)")
MAGENTA = (255, 0, 255)
NEAR = 1024  # bytes from a file's start


def abort() -> None:
    os.abort()


def eat_memory() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))


def loop_for_ever() -> None:
    while True:
        pass


def sleep_for_ever() -> None:
    while True:
        time.sleep(3600)


DECODER_FAULTS = {
    b"abort": abort,
    b"memory": eat_memory,
    b"loop": loop_for_ever,
    b"sleep": sleep_for_ever,
}


def in_decoder() -> None:
    """A marked picture breaks the decoder once its header has been read, where codecs do."""
    from PIL import ImageFile

    load = ImageFile.ImageFile.load

    def load_or_break(image: ImageFile.ImageFile) -> Any:
        head = image.fp.getvalue()[:NEAR] if isinstance(image.fp, io.BytesIO) else b""
        if (found := MARKED.search(head)) is not None:
            DECODER_FAULTS[found[1]]()
        return load(image)

    ImageFile.ImageFile.load = load_or_break  # type: ignore[assignment]


def in_worker() -> None:
    """The engine aborts on a picture that is all magenta; with FAULT_ENGINE_MS it only waits.

    A waiting engine takes that many milliseconds an image, as if it ran elsewhere.
    """
    import numpy as np

    from inference.engine import Images, LiteRTEngine, Probabilities

    run = LiteRTEngine.run
    wait_s = float(os.environ.get("FAULT_ENGINE_MS", "0")) / 1000

    def run_or_break(engine: LiteRTEngine, images: Images) -> Probabilities:
        if (images[:, ::16, ::16] == MAGENTA).all(axis=(1, 2, 3)).any():
            os.abort()
        if not wait_s:
            return run(engine, images)
        time.sleep(wait_s * len(images))
        return np.full((len(images), engine.classes), 1 / engine.classes, np.float32)

    LiteRTEngine.run = run_or_break  # type: ignore[method-assign]


# Words of a command line, and what is broken in such a process.
HOOKS: dict[tuple[str, ...], Callable[[], None]] = {
    ("-m", "inference.decoder_process"): in_decoder,
    ("-m", "inference", "worker"): in_worker,
}

for words, hook in HOOKS.items():
    if " ".join(words) in " ".join(sys.orig_argv):
        hook()
