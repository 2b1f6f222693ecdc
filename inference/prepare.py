"""``python -m inference.prepare MODEL DATA_DIR [--engine KIND]``: makes a model ready to serve.

The inference parent runs this before its workers, in a process of its own, since building and
converting take TensorFlow and a gigabyte that nobody needs afterwards. One line a stage goes to
stdout. If it fails, one line on stderr says why, and the exit status is not 0.
"""

import argparse
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from common.errors import StartError
from common.parent import end_with_parent
from common.process import EXIT_CANNOT_START

from .engine import EngineKind, choose
from .models import catalogue, conversion
from .native import stderr_into

# Without a byte; Keras sets none and would wait for ever.
DOWNLOAD_TIMEOUT_S: Final = 30.0
LOG_NAME: Final = "prepare.log"


def main(arguments: list[str] | None = None) -> int:
    """Prepares a model.

    Args:
        arguments: of the command line, or None for this process's.

    Returns:
        The exit status: 0, or EXIT_CANNOT_START if the model cannot be served.
    """
    options = _parse(arguments)
    end_with_parent(signal.SIGKILL)  # converting hears no other signal
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with stderr_into(options.data_dir / "models" / LOG_NAME):
            _prepare(options.model, options.data_dir, options.engine)
    except (StartError, OSError) as error:
        # OSError: the data directory is full or cannot be written.
        print(f"pictor: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    return 0


def _prepare(model: str, data_dir: Path, engine: Literal["auto"] | EngineKind) -> None:
    with _stage(f"looking up {model}"):
        spec = catalogue.resolve(model, data_dir)
    if choose(engine) == "tensorflow":
        with _stage(f"building {spec.name}"):
            spec.build()
        print(f"ready: {spec.name}", flush=True)
    else:
        print(f"ready: {conversion.convert(spec, data_dir, _stage)}", flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m inference.prepare", description=__doc__
    )
    parser.add_argument("model", metavar="MODEL", help="a name, or a folder")
    parser.add_argument("data_dir", metavar="DATA_DIR", type=Path)
    parser.add_argument(
        "--engine", choices=("auto", "litert", "tensorflow"), default="auto"
    )
    return parser.parse_args(arguments)


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Prints a stage as it starts, and on the same line what it took."""
    start = time.monotonic()
    print(f"{name} ...", end=" ", flush=True)
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
