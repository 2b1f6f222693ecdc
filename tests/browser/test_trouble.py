"""Gateways that die, full queues, lost connections, and people who change their minds."""

import re
import signal
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Dialog, Page, Request, Response, expect

from tests.browser.classifying import (
    all_done,
    answered,
    card,
    cards,
    choose,
    names,
    part,
    press,
    shows,
)
from tests.browser.conftest import Start, Visit
from tests.browser.pictures import broken, photo, photos
from tests.browser.watch import Watch
from tests.support.figures import Figures
from tests.support.system import System

ASKS = "/v1/classify"
ENGINE_MS = 150
EARLY_S = 0.05  # clocks of two processes


@pytest.fixture(scope="module")
def slow(start: Start) -> Iterator[System]:
    """One worker that takes its time for each picture."""
    with start(engine_ms=ENGINE_MS, cache_ttl_s=0) as running:
        yield running


@pytest.fixture(scope="module")
def narrow(start: Start) -> Iterator[System]:
    """The same, where hardly anybody may wait."""
    room = {"max_backlog_interactive": 1, "max_backlog_bulk": 1}
    with start(engine_ms=ENGINE_MS, cache_ttl_s=0, **room) as running:
        yield running


def gateway(system: System) -> psutil.Process:
    """The process that answers the browser."""
    (one,) = system.processes("gateway serve")
    return one


def under_way(page: Page, count: int = 1) -> None:
    """Returns when at least so many have their answers."""
    expect(cards(page, "done").nth(count - 1)).to_be_attached()


def test_a_gateway_killed_in_the_middle(
    page: Page, watch: Watch, system: System
) -> None:
    """What it had is sent again; all finish."""
    watch.allow_cuts()
    watch.allow_statuses(404, path="/v1/results")
    watch.allow_statuses(503)
    choose(page, photos(60))
    under_way(page, 5)
    killed = gateway(system)
    killed.kill()
    all_done(page, 60, wait_s=60)
    assert gateway(system).pid != killed.pid
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_gateway_replaced_in_the_middle(
    page: Page, watch: Watch, system: System
) -> None:
    """It leaves in order; all finish."""
    watch.allow_cuts()
    choose(page, photos(60))
    under_way(page, 5)
    gateway(system).send_signal(signal.SIGTERM)
    all_done(page, 60, wait_s=60)


@pytest.mark.timeout(180)
def test_a_full_queue_is_waited_for(
    visit: Visit, watch: Watch, narrow: System, figures: Figures
) -> None:
    """The page says so, stays away as long as it was told to, and all finish."""
    watch.allow_statuses(429)
    page = visit(at=narrow)
    refusals: list[Response] = []
    asked: list[Request] = []

    def keep(response: Response) -> None:
        if response.status == 429:
            refusals.append(response)

    page.on("response", keep)
    page.on("request", lambda one: asked.append(one) if ASKS in one.url else None)
    choose(page, photos(16))
    expect(page.locator("#trouble")).to_contain_text(
        re.compile(r"queue is full.*\d+\s?s", re.I | re.S)
    )
    all_done(page, 16, wait_s=90)
    assert refusals
    begun = [one.timing["startTime"] / 1000 for one in asked]
    early = 0
    for refusal in refusals:
        timing = refusal.request.timing
        at = (timing["startTime"] + timing["responseStart"]) / 1000
        until = at + int(refusal.headers["retry-after"]) - EARLY_S
        early += sum(at + EARLY_S < one < until for one in begun)
    figures(asked=len(asked), refused=len(refusals), asked_too_early=early)
    assert early == 0
    expect(page.locator("#trouble")).to_be_hidden()


def test_the_connection_is_lost_and_comes_back(
    visit: Visit, watch: Watch, slow: System
) -> None:
    watch.allow_cuts()
    page = visit(at=slow)
    choose(page, photos(20))
    under_way(page, 2)
    page.context.set_offline(True)
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text(re.compile("connection|offline", re.I))
    expect(trouble).to_contain_text(re.compile(r"\d+ of 20"))
    sent = page.locator(":is([data-state=running], [data-state=queued])")
    said = part(sent, "status").all_inner_texts()
    assert said
    assert set(said) == {"Waits for the connection"}
    expect(cards(page, "failed")).to_have_count(0)
    page.context.set_offline(False)
    all_done(page, 20)
    expect(trouble).to_be_hidden()


def test_cancelled_is_left_alone(visit: Visit, watch: Watch, slow: System) -> None:
    watch.allow(r"^failed: .* net::ERR_ABORTED")
    page = visit(at=slow)
    choose(page, photos(30))
    under_way(page, 2)
    press(page.locator("#bar"), "cancel")
    shows(part(page, "left"), 0)
    expect(cards(page, "cancelled").first).to_be_visible()
    ended = len(names(page, "done")) + len(names(page, "cancelled"))
    assert ended == 30
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    name = names(page, "cancelled")[0]
    press(card(page, name), "retry")
    answered(page, name)
    assert len([url for url in asked if ASKS in url]) == 1


def test_paused_and_resumed(visit: Visit, slow: System) -> None:
    """What is at the server is finished, nothing more is sent; then all."""
    page = visit(at=slow)
    choose(page, photos(20))
    under_way(page, 1)
    pause = page.locator("#bar [data-do=pause]")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    expect(cards(page, "queued")).to_have_count(0)
    expect(cards(page, "running")).to_have_count(0)
    done, waiting = len(names(page, "done")), len(names(page, "waiting"))
    assert waiting > 0
    assert done + waiting == 20
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if ASKS in one.url else None)
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "false")
    all_done(page, 20)
    assert len(asked) == waiting


def test_the_failed_are_tried_again(page: Page, watch: Watch) -> None:
    """Each by its button, and all by one; those that have an answer are left alone."""
    watch.allow_statuses(400)
    choose(page, [broken("one.jpg"), *photos(3), broken("two.jpg")])
    all_done(page, 3)
    expect(cards(page, "failed")).to_have_count(2)
    with page.expect_response(f"**{ASKS}*") as again:
        press(card(page, "one.jpg"), "retry")
    assert again.value.status == 400
    expect(card(page, "one.jpg")).to_have_attribute("data-state", "failed")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if ASKS in one.url else None)
    with page.expect_response(f"**{ASKS}*"):
        press(page.locator("#bar"), "retry-failed")
    expect(cards(page, "failed")).to_have_count(2)
    shows(part(page, "failed"), 2)
    assert len(asked) == 2
    expect(cards(page, "done")).to_have_count(3)


def test_a_reload_in_the_middle_is_asked_about(
    visit: Visit, watch: Watch, slow: System
) -> None:
    watch.allow(r"^failed: .* net::ERR_ABORTED")
    page = visit(at=slow)
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    choose(page, photos(20))
    under_way(page, 1)
    page.reload()
    assert asked == ["beforeunload"]
    expect(cards(page)).to_have_count(0)
    choose(page, [photo("coffee.png")])
    answered(page, "coffee.jpg")
    page.reload()
    assert asked == ["beforeunload"]
