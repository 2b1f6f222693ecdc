"""``python -m bench.accuracy FOLDER``: how many labelled pictures a running Pictor gets right.

The folder's files are named ``<wnid>_<label>.JPEG``; the wnid is the truth. Measured: the answers of
``POST /v1/classify``, through every stage. With ``--keras`` and ``--engines`` also, in this process and
on the pixels that the decoder makes of the same files: whether the Keras model answers alike, and how
far the two engines are apart. Not measured: speed.
"""

import argparse
import asyncio
import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

if not __package__:  # run as bench/accuracy.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench import pictures, reference
from bench.connection import Address, Connection, Form
from bench.pictures import Picture
from common.errors import StartError
from common.settings import Settings, usable_cores
from inference.models.spec import ModelSpec
from inference.tensorflow_engine import TensorFlowEngine

TOP_K: Final = 5
AGREEMENT: Final = 1e-4  # of a probability, between engines
SCORE_ROUNDING: Final = 5e-7  # answers have six digits
CHUNK: Final = 16  # images at once in process
RANGES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.01)
_NAME: Final = re.compile(r"(n\d{8})_")

Rows = NDArray[np.float32]


class Prediction(msgspec.Struct):
    """What is needed of the full contract's answer."""

    wnid: str
    score: float


class Classified(msgspec.Struct):
    """The same."""

    predictions: list[Prediction]


@dataclass(frozen=True)
class Answer:
    """What the system said of a picture, and the truth."""

    picture: Picture
    truth: str
    predictions: list[Prediction]

    @property
    def first(self) -> Prediction:
        return self.predictions[0]

    @property
    def right(self) -> bool:
        return self.first.wnid == self.truth

    @property
    def among_five(self) -> bool:
        return any(one.wnid == self.truth for one in self.predictions)


def truth(name: str) -> str:
    """The wnid that a file's name states.

    Raises:
        ValueError: it states none.
    """
    if (match := _NAME.match(name)) is None:
        raise ValueError(f"{name}: expected a name such as n02109961_Eskimo_dog.JPEG")
    return match[1]


async def ask(
    address: Address, given: Sequence[Picture], connections: int
) -> list[Answer]:
    """The system's answers, in the order of the pictures.

    Raises:
        OSError: it cannot be reached, or refuses a picture.
    """
    answers: dict[int, Answer] = {}
    left = iter(enumerate(given))

    async def client() -> None:
        connection = Connection(address)
        for number, picture in left:  # which all clients draw from
            form = Form(address, f"/v1/classify?top_k={TOP_K}", picture.media_type)
            reply = await connection.send(*form.parts(picture.data))
            if reply.status != 200:
                text = reply.body.decode(errors="replace")
                raise OSError(f"{picture.name}: {reply.status} {text}")
            found = msgspec.json.decode(reply.body, type=Classified).predictions
            answers[number] = Answer(picture, truth(picture.name), found)
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return [answers[number] for number in sorted(answers)]


def show_calibration(answers: Sequence[Answer]) -> None:
    """Prints for ranges of the score how often the answer was right."""
    print("score        pictures  right")
    for low, high in itertools.pairwise(RANGES):
        hits = [one.right for one in answers if low <= one.first.score < high]
        share = f"{100 * sum(hits) / len(hits):4.0f} %" if hits else "   -"
        print(f"{low:.1f} to {min(high, 1.0):.1f}  {len(hits):8}  {share}")


def in_process(
    settings: Settings, spec: ModelSpec, given: Sequence[Picture]
) -> NDArray[np.uint8]:
    """All pictures as the network gets them: uint8 [N, height, width, 3], 0 to 255."""
    return np.stack([reference.pixels(settings, spec, one.data) for one in given])


def keras_rows(spec: ModelSpec, images: NDArray[np.uint8]) -> Rows:
    """The reference: float32 [N, classes], 0 to 1, from the Keras model as it is built."""
    model = spec.build()
    rows = [np.asarray(model(chunk, training=False)) for chunk in _chunks(images)]
    return cast(Rows, np.concatenate(rows))


def compare_with_keras(
    spec: ModelSpec, answers: Sequence[Answer], rows: Rows
) -> tuple[int, float]:
    """In how many pictures the best category differs, and by how much a score at most."""
    column = {label.wnid: number for number, label in enumerate(spec.labels)}
    different, largest = 0, 0.0
    for answer, row in zip(answers, rows, strict=True):
        different += spec.labels[int(row.argmax())].wnid != answer.first.wnid
        for one in answer.predictions:
            largest = max(largest, abs(one.score - float(row[column[one.wnid]])))
    return different, largest


def engines_apart(
    settings: Settings, spec: ModelSpec, images: NDArray[np.uint8]
) -> float:
    """The largest difference between two engines' probabilities."""
    threads = usable_cores()
    litert = msgspec.structs.replace(settings, engine="litert")
    one = reference.engine(litert, reference.prepared(litert), threads)
    other = TensorFlowEngine(spec, threads, "float32")
    chunks = _chunks(images)
    return max(float(np.abs(one.run(c) - other.run(c)).max()) for c in chunks)


def _chunks(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [images[at : at + CHUNK] for at in range(0, len(images), CHUNK)]


def main() -> int:
    settings = Settings.load()
    options = _parse(settings)
    try:
        given = pictures.load(options.folder)
        address = Address.of(options.url)
        answers = asyncio.run(ask(address, given, options.connections))
    except (OSError, ValueError) as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2
    top1, top5 = (
        sum(one.right for one in answers),
        sum(one.among_five for one in answers),
    )
    print(f"top-1 {top1} of {len(answers)}, top-5 {top5} of {len(answers)}")
    show_calibration(answers)
    passed = top1 >= options.at_least_top1 and top5 >= options.at_least_top5
    try:
        passed &= _compare(options, settings, answers)
    except StartError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2
    return 0 if passed else 1


def _compare(
    options: argparse.Namespace, settings: Settings, answers: Sequence[Answer]
) -> bool:
    """Prints the comparisons asked for; whether all agree."""
    if not (options.keras or options.engines):
        return True
    spec = reference.prepared(settings)
    images = in_process(settings, spec, [one.picture for one in answers])
    agreed = True
    if options.engines:  # first: TensorFlow's threads are set once a process
        apart = engines_apart(settings, spec, images)
        print(f"LiteRT and TensorFlow: at most {apart:.1e} apart")
        agreed &= apart <= AGREEMENT
    if options.keras:
        different, apart = compare_with_keras(spec, answers, keras_rows(spec, images))
        print(
            f"Keras in process: {different} of {len(answers)} best categories differ, "
            f"scores by at most {apart:.1e}"
        )
        agreed &= not different and apart <= AGREEMENT + SCORE_ROUNDING
    return agreed


def _parse(settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.accuracy", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--url", default=f"http://127.0.0.1:{settings.port}")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--keras", action="store_true", help="compare with Keras")
    parser.add_argument("--engines", action="store_true", help="compare both engines")
    parser.add_argument("--at-least-top1", type=int, default=0, metavar="N")
    parser.add_argument("--at-least-top5", type=int, default=0, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
