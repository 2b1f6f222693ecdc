"""The live figures of a running system: they begin with what was, move with what happens, and end."""

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.live import MOST_WATCHERS
from tests.support.events import Sample, watching
from tests.support.pictures import distinct, photograph
from tests.support.system import System, metric, with_model

pytestmark = pytest.mark.one_engine

COFFEE = photograph("coffee.png")
PICTURES = 24
AT_ONCE = 4
STOPPED_S = 8  # with nothing under way but streams; a stop takes 2 s without them


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[System]:
    """A system with two gateways, whose Redis and workers may be hurt."""
    data_dir = with_model(tmp_path_factory.mktemp("live"), prepared / "models")
    with System(data_dir, engine="litert", workers=2, gateways=2) as running:
        yield running


def classify(url: str, pictures: list[bytes]) -> None:
    """Has pictures classified, a few at once, each on a connection of its own."""

    def one(picture: bytes) -> None:
        answer = httpx.post(f"{url}/v1/classify", content=picture, timeout=60)
        assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(AT_ONCE) as clients:
        list(clients.map(one, pictures))


@contextlib.contextmanager
def beside(url: str, pictures: list[bytes]) -> Iterator[None]:
    """Has pictures classified meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(classify, url, pictures)
        yield
        working.result()


def total(samples: list[Sample], figure: str) -> float:
    """What a figure a second comes to over samples, the first one left out."""
    seconds = [
        (after["at"] - before["at"]) / 1000
        for before, after in itertools.pairwise(samples)
    ]
    return sum(
        sample[figure] * each for sample, each in zip(samples[1:], seconds, strict=True)
    )


def states(sample: Sample) -> dict[str, str]:
    return {worker["name"]: worker["state"] for worker in sample["workers"]}


def test_it_begins_with_what_was_and_goes_on(system: System) -> None:
    with watching(system.url) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["Cache-Control"] == "no-store"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in stream.headers
        first = stream.event()
        assert first.name == "history"
        times = [sample["at"] for sample in first.data]
        for _ in range(2):
            event = stream.event()
            assert (event.name, event.data["at"]) == ("sample", event.id)
            times.append(event.id)
    assert times == sorted(set(times))
    assert first.id in times
    assert abs(times[-1] / 1000 - time.time()) < 60


def test_who_comes_back_hears_what_is_newer(system: System) -> None:
    with watching(system.url) as stream:
        stream.event()
        seen = stream.until(lambda samples: len(samples) == 2)
    last = seen[0]["at"]
    with watching(system.url, **{"Last-Event-ID": str(last)}) as stream:
        times = [sample["at"] for sample in stream.event().data]
    assert times[0] == seen[1]["at"]
    assert min(times) > last


def test_figures_move_while_pictures_are_classified(system: System) -> None:
    pictures = [distinct(COFFEE) for _ in range(PICTURES)]

    def done(samples: list[Sample]) -> bool:
        batches = sum(
            int(size) * count
            for sample in samples
            for size, count in sample["batches"].items()
        )
        return batches >= PICTURES and total(samples, "rate") > PICTURES - 1

    with watching(system.url) as stream:
        stream.event()
        stream.until(len)  # from here on differences are known
        with beside(system.url, pictures):
            seen = stream.until(done)
    assert total(seen, "asked") == pytest.approx(PICTURES, abs=2)
    last = max(seen, key=lambda sample: sample["rate"])
    assert 0 < last["p50_ms"] <= last["p99_ms"] <= 30_000
    for stage in ("upload", "queue", "decode", "inference", "reply"):
        assert any(sample["stages_ms"][stage] > 0 for sample in seen), stage
    assert "working" in {state for sample in seen for state in states(sample).values()}
    assert len(seen[-1]["workers"]) == 2
    for worker in seen[-1]["workers"]:
        assert worker["fixed_ms"] + worker["image_ms"] > 0
        assert worker["images_per_s"] > 0
        assert all(size >= 1 and ms > 0 for size, ms in worker["points"])
        assert worker["points"]


@pytest.mark.alone
def test_known_pictures_and_errors_are_told_by_kind(system: System) -> None:
    picture = distinct(COFFEE)
    with watching(system.url) as stream:
        stream.event()
        stream.until(len)
        classify(system.url, [picture])
        classify(system.url, [picture])
        broken = httpx.post(f"{system.url}/predict", content=b"nothing", timeout=60)
        assert broken.status_code == 400
        form = {"file": b"nothing"}
        page = httpx.post(system.url, files=form, timeout=60)  # told on the page
        assert page.status_code == 302
        assert httpx.get(f"{system.url}/nothing").status_code == 404

        def done(samples: list[Sample]) -> bool:
            codes = [code for sample in samples for code in sample["errors"]]
            return "not-found" in codes and total(samples, "cached") > 0

        seen = stream.until(done)
    refused = sum(sample["errors"].get("not-an-image", 0) for sample in seen)
    assert refused == pytest.approx(2, rel=0.2)  # a second, of a second or so


def test_the_page_has_the_figures_in_it(client: httpx.Client) -> None:
    page = client.get("/dashboard")
    assert page.status_code == 200
    assert 'id="live"' in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "style=" not in page.text


def test_the_stream_is_described_and_its_head_is_short(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "/dashboard" not in paths
    answers = paths["/v1/live"]["get"]["responses"]
    assert list(answers["200"]["content"]) == ["text/event-stream"]
    assert "Retry-After" in answers["503"]["headers"]
    head = client.head("/v1/live")
    assert head.status_code == 200
    assert head.headers["Content-Type"] == "text/event-stream"


def test_one_too_many_is_refused_and_who_leaves_makes_room(system: System) -> None:
    metrics = f"{system.url}/metrics"

    def wait_for(count: int) -> None:
        give_up_at = time.monotonic() + 10
        while (found := metric(metrics, "pictor_watchers")) != count:
            assert time.monotonic() < give_up_at, found

    wait_for(0)
    with contextlib.ExitStack() as watchers:
        streams = [
            watchers.enter_context(watching(system.url)) for _ in range(MOST_WATCHERS)
        ]
        assert {stream.event().name for stream in streams} == {"history"}
        assert metric(metrics, "pictor_watchers") == MOST_WATCHERS
        refused = httpx.get(f"{system.url}/v1/live")
        assert refused.status_code == 503
        assert refused.json()["type"] == "no-stream"
        assert int(refused.headers["Retry-After"]) > 0
    wait_for(0)
    with watching(system.url) as stream:
        assert stream.event().name == "history"


def test_figures_are_those_of_all_gateways(pair: System) -> None:
    pictures = [distinct(COFFEE) for _ in range(PICTURES)]
    with watching(pair.url) as stream:
        stream.event()
        stream.until(len)
        with beside(pair.url, pictures):
            seen = stream.until(lambda samples: total(samples, "asked") > PICTURES - 1)
    assert total(seen, "asked") == pytest.approx(PICTURES, abs=1)


def test_a_worker_that_dies_is_lost_and_another_comes(pair: System) -> None:
    with watching(pair.url) as stream:
        stream.event()
        before = states(stream.until(len)[-1])
        pair.processes("inference worker")[0].kill()
        seen = stream.until(lambda samples: "lost" in states(samples[-1]).values())
        (lost,) = [name for name, state in states(seen[-1]).items() if state == "lost"]
        assert lost in before
        seen = stream.until(lambda samples: lost not in states(samples[-1]))
        assert len(states(seen[-1])) == 2


def test_samples_go_on_while_redis_is_away(pair: System) -> None:
    (server,) = pair.processes("valkey-server")
    with watching(pair.url) as stream:
        stream.event()
        server.suspend()
        try:
            seen = stream.until(lambda samples: samples[-1]["away"])
        finally:
            server.resume()
        assert len(seen[-1]["workers"]) >= 2
        stream.until(lambda samples: not samples[-1]["away"])


def test_a_renewal_ends_streams_and_they_are_taken_up_by_the_next(pair: System) -> None:
    with watching(pair.url) as stream:
        last = stream.event().id
        (parent,) = [
            one for one in pair.processes("-m gateway") if "serve" not in one.cmdline()
        ]
        parent.send_signal(signal.SIGUSR1)
        for event in stream.events():
            last = event.id
    with watching(pair.url, **{"Last-Event-ID": str(last)}) as stream:
        assert stream.event().name == "history"
        assert stream.event().id > last
    pair.wait_for("renewed")


def test_an_open_stream_does_not_hold_up_a_stop(pair: System) -> None:
    """The last test of this system."""
    with contextlib.ExitStack() as watchers:
        streams = [watchers.enter_context(watching(pair.url)) for _ in range(4)]
        ended = threading.Barrier(len(streams) + 1)

        def read(at: int) -> None:
            list(streams[at].events())
            ended.wait(STOPPED_S)

        for at in range(len(streams)):
            threading.Thread(target=read, args=(at,), daemon=True).start()
        began = time.monotonic()
        pair.process.send_signal(signal.SIGTERM)
        ended.wait(STOPPED_S)
        assert pair.process.wait(STOPPED_S) == 0
        assert time.monotonic() - began < STOPPED_S
    assert "a bug" not in "".join(pair.lines)
