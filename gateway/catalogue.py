"""What is served, as the workers say it: models and their categories. The gateway knows neither."""

from collections.abc import Sequence

import msgspec

from common import keys, wire
from common.connections import Keeper
from common.errors import NoWorker
from gateway.admission import Admission


class Model(msgspec.Struct, frozen=True):
    """A model and those who serve it.

    ``images_per_s`` is what all its workers reach together; a batch of n images takes one of them
    ``fixed_ms + image_ms * n``.
    """

    name: str
    digest: str
    engine: str
    workers: int
    images_per_s: float
    fixed_ms: float
    image_ms: float


class Models(msgspec.Struct, frozen=True):
    """What is served."""

    models: list[Model]


class Label(msgspec.Struct, frozen=True):
    """A category: WordNet id, label as Keras spells it, readable words."""

    wnid: str
    label: str
    description: str


class Labels(msgspec.Struct, frozen=True):
    """Categories of a model, in the order of its outputs."""

    model: str
    labels: list[Label]


def models(workers: Sequence[wire.Worker]) -> Models:
    """The models that these workers serve."""
    groups: dict[tuple[str, str, str], list[wire.Worker]] = {}
    for worker in workers:
        groups.setdefault(
            (worker.model, worker.model_digest, worker.engine), []
        ).append(worker)
    return Models(
        [
            Model(
                name,
                digest,
                engine,
                len(group),
                round(sum(worker.images_per_s for worker in group), 1),
                round(sum(worker.fixed_ms for worker in group) / len(group), 2),
                round(sum(worker.image_ms for worker in group) / len(group), 2),
            )
            for (name, digest, engine), group in sorted(groups.items())
        ]
    )


async def labels(link: Keeper, admission: Admission, text: str) -> Labels:
    """The categories of the model that is served whose names hold a text; all for an empty one.

    Raises:
        NoWorker: no worker has said yet what it serves.
        LinkLost, ReplyError: Redis did not answer.
    """
    workers = admission.state.workers
    if not workers:
        raise NoWorker(retry_after_s=5)
    data = await link.call("GET", keys.labels(workers[0].model_digest))
    if data is None:
        raise NoWorker(retry_after_s=2)
    wanted = " ".join(text.replace("_", " ").casefold().split())
    found = [
        Label(label.wnid, label.label, label.description)
        for label in wire.read_labels(data)
        if wanted in _names(label)
    ]
    return Labels(workers[0].model, found)


def _names(label: wire.Label) -> str:
    return f"{label.label} {label.description} {label.wnid}".replace(
        "_", " "
    ).casefold()
