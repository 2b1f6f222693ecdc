"""What is known of an answer counts, and a category is one of the model's."""

from collections.abc import AsyncIterator

import pytest

from common import keys, wire
from common.connections import Keeper
from common.errors import BadParameter
from gateway import feedback_facts
from gateway.admission import Admission, State
from gateway.feedback_facts import Facts

ID = f"0-{'a' * 32}"
CLAIMED = Facts("tabby", 0.25, "d0", b"c" * 32)
LABELS = (
    wire.Label("n02109961", "Eskimo_dog", "Eskimo dog, husky"),
    wire.Label("n02110185", "Siberian_husky", "Siberian husky"),
    wire.Label("n03126707", "crane", "crane"),
    wire.Label("n02012849", "crane", "crane"),
)


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


def success(**fields: object) -> wire.Success:
    made: dict[str, object] = {
        "owner": "",
        "predictions": (wire.Prediction("n", "cup", "cup", 0.75),),
        "digest": b"p" * 32,
    }
    return wire.Success(
        1, ID, model="m", model_digest="d1", **(made | fields)  # type: ignore[arg-type]
    )


async def known(link: Keeper, ended: wire.Ended | bytes, owner: str = "") -> Facts:
    data = ended if isinstance(ended, bytes) else wire.encode(ended)
    await link.call("SET", keys.result(ID), data)
    return await feedback_facts.of(link, ID, owner, CLAIMED)


async def test_what_is_known_wins(link: Keeper) -> None:
    assert await known(link, success()) == Facts("cup", 0.75, "d1", b"p" * 32)


async def test_of_what_is_gone_the_claim_counts(link: Keeper) -> None:
    assert await feedback_facts.of(link, ID, "", CLAIMED) == CLAIMED


async def test_anothers_result_is_as_if_it_were_not_there(link: Keeper) -> None:
    of_alice = success(owner="alice")
    assert await known(link, of_alice) == CLAIMED
    assert await known(link, of_alice, "bob") == CLAIMED
    assert (await known(link, of_alice, "alice")).answered == "cup"


@pytest.mark.parametrize(
    "ended",
    [
        wire.Failure(1, ID, "", "broken-image"),
        wire.Expired(1, ID, ""),
        success(predictions=()),
        b"\xc1",
    ],
    ids=["failure", "expired", "nothing", "damaged"],
)
async def test_what_says_nothing_of_a_category_changes_nothing(
    link: Keeper, ended: wire.Ended | bytes
) -> None:
    assert await known(link, ended) == CLAIMED


async def test_a_worker_of_before_did_not_say_which_picture(link: Keeper) -> None:
    assert (await known(link, success(digest=b""))).digest == CLAIMED.digest


@pytest.mark.parametrize(("said", "score"), [(1.0000001, 1.0), (-0.5, 0.0)])
async def test_a_score_is_a_probability(
    link: Keeper, said: float, score: float
) -> None:
    best = (wire.Prediction("n", "cup", "cup", said),)
    assert (await known(link, success(predictions=best))).score == score


async def test_categories_are_those_of_the_model_that_answered(link: Keeper) -> None:
    """Or, where nobody knows those any more, of the one that is served."""
    admission = Admission(link, "lite0", {})
    assert await feedback_facts.labels(link, admission, "") == ()
    assert await feedback_facts.labels(link, admission, "d1") == ()
    worker = wire.Worker(1, "w", "lite0", "d2", "litert", 2.0, 10.0, images_per_s=50)
    admission.state = State(workers=(worker,))
    await link.call("SET", keys.labels("d2"), wire.encode(LABELS))
    assert await feedback_facts.labels(link, admission, "d1") == LABELS
    await link.call("SET", keys.labels("d1"), wire.encode(LABELS[:1]))
    assert await feedback_facts.labels(link, admission, "d1") == LABELS[:1]


def test_a_label_is_one_of_the_models() -> None:
    feedback_facts.check("Eskimo_dog", LABELS)
    feedback_facts.check("", LABELS)
    feedback_facts.check("anything", ())
    for wrong in ("eskimo dog", "Eskimo dog", "husky"):
        with pytest.raises(BadParameter, match="/v1/labels"):
            feedback_facts.check(wrong, LABELS)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("husky", "Eskimo_dog"),
        (" eskimo_DOG ", "Eskimo_dog"),
        ("Siberian  husky", "Siberian_husky"),
        ("crane", "crane"),
        ("a husky", ""),
        ("", ""),
        ("It is a cat, and not mine", ""),
    ],
)
def test_a_category_may_be_named_in_words(text: str, label: str) -> None:
    assert feedback_facts.named(text, LABELS) == label


@pytest.mark.parametrize(
    ("text", "is_one"),
    [(ID, True), ("0-1", False), (ID + "\n", False), ("", False), (ID + "a", False)],
)
def test_an_id_is_one(text: str, is_one: bool) -> None:
    assert feedback_facts.is_id(text) == is_one
