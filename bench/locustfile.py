"""Load by Locust, as people and programs use the service: the page, pictures, feedback. `make load`.

Every picture's bytes are new to the cache. An answer counts as failed by its content, not only by its
status: the plain contract's three keys, and for one picture always the same answer.
"""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

if not __package__:  # Locust loads this file by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from locust import HttpUser, between, task

from bench.pictures import Picture, numbered, photographs

KEYS: Final = {"success", "prediction", "score"}
# Those that a page would be given; the others take longer to send than to classify.
PICTURES: Final = [one for one in photographs() if len(one.data) < 600_000]

turns = itertools.cycle(PICTURES)
numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))
answers: dict[str, tuple[str, float]] = {}  # the first for each picture


def complaint(picture: Picture, text: str) -> str:
    """What is wrong with an answer to `picture`; empty where nothing is."""
    try:
        answer = json.loads(text)
    except ValueError:
        return "not JSON"
    if not isinstance(answer, dict) or answer.keys() != KEYS:
        return "not the three keys"
    if answer["success"] is not True:
        return "no success"
    given = (answer["prediction"], answer["score"])
    first = answers.setdefault(picture.name, given)
    if given[0] != first[0] or abs(given[1] - first[1]) > 1e-3:
        return f"{picture.name}: {given}, earlier {first}"
    return ""


class Visitor(HttpUser):
    """Looks at the page, has pictures classified, and now and then reports."""

    wait_time = between(0.1, 0.5)

    @task(2)
    def index(self) -> None:
        self._expect(self.client.get("/", catch_response=True), 'name="file"')

    @task(10)
    def predict(self) -> None:
        picture = next(turns)
        data = numbered(picture.data, next(numbers))
        files = {"file": (picture.name, data, picture.media_type)}
        with self.client.post("/predict", files=files, catch_response=True) as response:
            if response.status_code != 200:
                code = response.headers.get("X-Error-Code", "")
                response.failure(f"{response.status_code} {code}")
            elif wrong := complaint(picture, response.text):
                response.failure(wrong)

    @task(1)
    def feedback(self) -> None:
        form = {"report": "from the load test"}
        answer = self.client.post("/feedback", data=form, catch_response=True)
        self._expect(answer, 'name="report"')

    def _expect(self, answer: Any, text: str) -> None:
        with answer as response:
            if response.status_code != 200:
                response.failure(str(response.status_code))
            elif text not in response.text:
                response.failure(f"a page without {text}")
