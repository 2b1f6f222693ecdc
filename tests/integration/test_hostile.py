"""Over a thousand hostile and broken files, and a hundred hostile forms: a clear answer to each.

None is answered by a 5xx, none ends a worker or a gateway, and a good picture is classified right all
the while. What they are stands in `tests.support.corpus`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from common.errors import BY_CODE
from tests.support import corpus
from tests.support.corpus.forms import forms
from tests.support.pictures import distinct, photograph
from tests.support.system import System, metric, pids, with_model

AT_ONCE = 16
PLAIN_FAILURE = {"success": False, "prediction": None, "score": None}
# What may be said of a picture that is sent whole; 429 and 503 are nobody's fault.
REFUSALS = {
    *("no-file", "empty-file", "not-an-image", "broken-image", "unsupported-format"),
    *("too-large", "too-many-pixels", "undecodable"),
}


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[System]:
    data_dir = with_model(tmp_path_factory.mktemp("hostile"), prepared / "models")
    with System(data_dir, engine="litert", workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def files() -> list[tuple[str, bytes]]:
    """All of them with their names; to make them takes seconds."""
    return list(corpus.files())


async def test_hostile_files_get_a_clear_answer(
    system: System, files: list[tuple[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file once, at one of the two faces in turn; each form at both."""
    assert len(files) >= 1000
    requests = [
        (("/predict", "/v1/classify")[number % 2], name, "", data)
        for number, (name, data) in enumerate(files)
    ]
    for name, kind, body in forms():
        requests += [(path, name, kind, body) for path in ("/predict", "/v1/classify")]
    before = pids(system)
    codes = await send_all(system, requests)
    deaths = metric(system.metrics_url, "pictor_decoder_deaths_total")
    with capsys.disabled():
        print(  # noqa: T201 - figures for whoever runs it
            f"\n{len(requests)} hostile: {dict(codes)}, deaths {deaths:.0f}"
        )
    assert pids(system) == before, "a worker or a gateway was started again"
    assert codes["good"] > 50
    assert codes["undecodable"] >= deaths, "who kills a decoder is told so"
    text = "".join(system.lines)
    assert text.count("an image ended its decoder") == deaths
    assert "died between images" not in text
    assert "a bug" not in text
    assert "Traceback" not in text


async def send_all(
    system: System, requests: list[tuple[str, str, str, bytes]]
) -> "Counter[str]":
    """Sends all, AT_ONCE at a time, with a good picture after each twentieth; what was said."""
    codes: Counter[str] = Counter()
    turn = asyncio.Semaphore(AT_ONCE)
    good = photograph("coffee.png")
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:

        async def send(path: str, name: str, kind: str, body: bytes) -> None:
            async with turn:
                answer = await client.post(
                    path,
                    content=body,
                    headers={b"Content-Type": kind.encode("latin-1")} if kind else {},
                )
            codes[checked(path, name, answer)] += 1

        async def send_good() -> None:
            async with turn:
                answer = await client.post("/predict", content=distinct(good))
            assert answer.json()["prediction"] == "espresso"
            codes["good"] += 1

        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                group.create_task(send(*request))
                if number % 20 == 0:
                    group.create_task(send_good())
        await send_good()
    return codes


def checked(path: str, name: str, answer: httpx.Response) -> str:
    """The code of an answer that keeps the contract; empty for a success."""
    assert answer.status_code < 500, (name, answer.status_code, answer.text)
    said = answer.json()
    if answer.status_code == 200:
        label = said["prediction"] if path == "/predict" else said["predictions"][0]
        assert label, name
        return "classified"
    code = answer.headers["X-Error-Code"]
    assert code in REFUSALS, (name, code)
    assert answer.status_code == BY_CODE[code].status, name
    if path == "/predict":
        assert said == PLAIN_FAILURE, name
    else:
        assert said["type"] == code, name
        assert answer.headers["Content-Type"] == "application/problem+json"
    return str(code)


def test_the_corpus_is_the_same_every_time(files: list[tuple[str, bytes]]) -> None:
    """So that what fails once can be looked at; and no two files are meant to be one."""
    assert list(corpus.files()) == files
    assert len({name for name, _ in files}) == len(files)
