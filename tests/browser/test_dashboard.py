"""The live page: figures that move, a stream that drops and returns, and no JavaScript."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classifying import part
from tests.browser.conftest import Visit
from tests.browser.pictures import photo
from tests.browser.watch import Watch
from tests.support.system import System

FIGURES = ("rate", "p50", "p99", "waiting", "workers", "errors")
MOVES_MS = 20_000
NOT_ZERO = re.compile("[1-9]")
# What came before is of an hour ahead, as it is once the machine's clock has been set back.
AHEAD = """
window.EventSource = class extends EventSource {
  addEventListener(kind, then) {
    const ahead = ({ data }) => {
      const samples = JSON.parse(data).map((one) => ({ ...one, at: one.at + 3_600_000 }));
      then({ data: JSON.stringify(samples) });
    };
    super.addEventListener(kind, kind === "history" ? ahead : then);
  }
};
"""


@pytest.fixture
def live(visit: Visit) -> Page:
    """The live page, once figures come."""
    page = visit("/dashboard")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


@contextmanager
def load(system: System) -> Iterator[None]:
    """Pictures and what is none, one after another, for as long as this is open."""
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=system.url, timeout=30) as client:
            while not ended.is_set():
                for name in ("coffee.png", "rocket.jpg"):
                    body = photo(name, side=320)["buffer"]
                    client.post("/v1/classify", content=body)
                client.post("/v1/classify", content=b"no picture")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def figure(page: Page, name: str) -> Locator:
    """The number of a figure in the top row."""
    return part(page.locator(f"[data-figure={name}]"), "value")


def test_figures_move_while_pictures_are_classified(live: Page, system: System) -> None:
    expect(figure(live, "workers")).to_contain_text("2")
    with load(system):
        for name in ("rate", "p50", "p99", "errors"):
            expect(figure(live, name)).to_contain_text(NOT_ZERO, timeout=MOVES_MS)
        first = figure(live, "rate").inner_text()
        expect(figure(live, "rate")).not_to_have_text(first, timeout=MOVES_MS)
        expect(live.locator("#errors")).to_contain_text(
            re.compile("not.an.image|not a picture")
        )
    expect(figure(live, "rate")).to_have_text(
        re.compile(r"^\D*0(\.0)?\D*$"), timeout=MOVES_MS
    )


def test_charts_are_drawn_and_said_in_words(live: Page, system: System) -> None:
    with load(system):
        expect(figure(live, "rate")).to_contain_text(NOT_ZERO, timeout=MOVES_MS)
        for place in ("#latency", "#batches", "#costs"):
            drawn = live.locator(f"{place} svg").first
            expect(drawn).to_be_visible()
            shapes = drawn.locator("path, rect, polyline, polygon, circle, line")
            expect(shapes.nth(1)).to_be_attached(timeout=MOVES_MS)
            assert live.locator(place).inner_text().strip(), f"{place} has no words"
    for name in FIGURES:
        expect(live.locator(f"[data-figure={name}] svg.spark")).to_be_attached()
    rows = live.locator("#workers tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(re.compile("idle|working"))


def gateway(system: System) -> psutil.Process:
    (one,) = system.processes("gateway serve")
    return one


def test_a_stream_that_falls_silent(live: Page, system: System) -> None:
    """Greys out with its age, although the connection stands; then it goes on."""
    held = gateway(system)
    held.suspend()
    try:
        expect(live.locator("#live")).to_have_attribute("data-state", "stale")
        age = part(live.locator("#live"), "age")
        expect(age).to_contain_text(re.compile(r"\d+\s*(s|sec)"))
        before = age.inner_text()
        expect(age).not_to_have_text(before)
    finally:
        held.resume()
    expect(live.locator("#live")).to_have_attribute("data-state", "live")


def test_a_stream_that_is_cut(live: Page, watch: Watch, system: System) -> None:
    """By a gateway that dies: its successor's figures are shown without a reload."""
    watch.allow_cuts()
    watch.allow_statuses(503, path="/v1/live")
    gateway(system).kill()
    expect(live.locator("#live")).to_have_attribute("data-state", "stale")
    expect(live.locator("#live")).to_have_attribute(
        "data-state", "live", timeout=30_000
    )
    with load(system):
        expect(figure(live, "rate")).to_contain_text(NOT_ZERO, timeout=MOVES_MS)


def test_a_clock_that_is_set_back(visit: Visit, system: System) -> None:
    page = visit()
    page.context.add_init_script(AHEAD)
    page.goto("/dashboard")
    with load(system):
        expect(figure(page, "rate")).to_contain_text(NOT_ZERO, timeout=MOVES_MS)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_without_javascript_the_numbers_can_be_read(visit: Visit) -> None:
    page = visit("/dashboard", java_script_enabled=False)
    for name in FIGURES:
        expect(figure(page, name)).to_have_text(re.compile(r"\S"))
    expect(figure(page, "workers")).to_contain_text("2")
    expect(page.locator("#workers tbody tr")).to_have_count(2)
