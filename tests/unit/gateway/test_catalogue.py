"""What is served, as the workers say it."""

from collections.abc import AsyncIterator

import pytest

from common import keys, wire
from common.connections import Keeper
from common.errors import NoWorker
from gateway import catalogue
from gateway.admission import Admission, State


def worker(name: str, model: str = "lite0", engine: str = "litert") -> wire.Worker:
    return wire.Worker(1, name, model, "d1", engine, 2.0, 10.0, images_per_s=50)


def test_nobody_serves_nothing() -> None:
    assert catalogue.models([]).models == []


def test_workers_of_one_model_count_together() -> None:
    slow = wire.Worker(1, "c", "lite0", "d1", "litert", 4.0, 20.0, images_per_s=25)
    found = catalogue.models([worker("a"), worker("b"), slow]).models
    assert found == [
        catalogue.Model("lite0", "d1", "litert", 3, 125.0, 2.67, 13.33)
    ]  # fmt: skip


def test_other_models_and_engines_are_listed_apart() -> None:
    workers = [worker("a"), worker("b", "own"), worker("c", engine="tensorflow")]
    found = catalogue.models(workers).models
    assert [(m.name, m.engine) for m in found] == [
        *(("lite0", "litert"), ("lite0", "tensorflow"), ("own", "litert"))
    ]


LABELS = (
    wire.Label("n02109961", "Eskimo_dog", "Eskimo dog, husky"),
    wire.Label("n02123045", "tabby", "tabby, tabby cat"),
    wire.Label("", "Straße", "street"),
)


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    await link.call("SET", keys.labels("d1"), wire.encode(LABELS))
    yield link
    await link.close()


@pytest.fixture
def admission(link: Keeper) -> Admission:
    admission = Admission(link, "lite0", {})
    admission.state = State(workers=(worker("a"),))
    return admission


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Eskimo_dog", "tabby", "Straße"]),
        ("eskimo_DOG", ["Eskimo_dog"]),
        ("  husky ", ["Eskimo_dog"]),
        ("tabby  cat", ["tabby"]),
        ("n0212", ["tabby"]),
        ("STRASSE", ["Straße"]),
        ("zebra", []),
    ],
)
async def test_labels_are_found_by_any_of_their_names(
    link: Keeper, admission: Admission, text: str, found: list[str]
) -> None:
    labels = await catalogue.labels(link, admission, text)
    assert labels.model == "lite0"
    assert [label.label for label in labels.labels] == found


async def test_nobody_knows_the_labels_before_a_worker_is_there(
    link: Keeper, admission: Admission
) -> None:
    await link.call("DEL", keys.labels("d1"))
    with pytest.raises(NoWorker):
        await catalogue.labels(link, admission, "")
    admission.state = State()
    with pytest.raises(NoWorker):
        await catalogue.labels(link, admission, "")
