"""What the benches count, and what they call right."""

import pytest

from bench.accuracy import Answer, Prediction, truth
from bench.clients import Expected, Round
from bench.figures import BARS
from bench.pictures import Picture

PICTURE = Picture("n02109961_Eskimo_dog.JPEG", b"\xff\xd8")


def test_a_files_name_states_the_truth() -> None:
    assert truth(PICTURE.name) == "n02109961"
    with pytest.raises(ValueError, match="holiday"):
        truth("holiday.jpg")


def test_top_five_counts_what_top_one_misses() -> None:
    answer = Answer(PICTURE, "n02", [Prediction("n01", 0.5), Prediction("n02", 0.3)])
    assert not answer.right
    assert answer.among_five


@pytest.mark.parametrize(
    ("body", "right"),
    [
        (b'{"success": true, "prediction": "Eskimo_dog", "score": 0.6402}', True),
        (b'{"success": true, "prediction": "Eskimo_dog", "score": 0.6502}', False),
        (b'{"success": true, "prediction": "tench", "score": 0.6402}', False),
        (b'{"success": false, "prediction": null, "score": null}', False),
    ],
)
def test_only_a_pictures_own_answer_agrees(body: bytes, right: bool) -> None:
    assert Expected(PICTURE, "Eskimo_dog", 0.64019).agrees(body) is right


def test_percentiles_are_latencies_that_were_seen() -> None:
    seen = Round(2.0, latencies_ms=[float(n) for n in range(100, 0, -1)])
    assert seen.rate == 50
    assert [seen.percentile(q) for q in (0.0, 0.5, 0.99, 1.0)] == [1, 51, 100, 100]


def test_large_pictures_are_measured_in_processor_time_in_process() -> None:
    assert "processor time, in process ÷" in BARS["large"].title
