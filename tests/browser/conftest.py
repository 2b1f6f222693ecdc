"""One whole Pictor and one Chromium for the session; a fresh browser context for each test."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.watch import Watch
from tests.support import faults
from tests.support.figures import figures, pytest_terminal_summary
from tests.support.system import System, with_model

__all__ = ["figures", "pytest_terminal_summary"]

Visit = Callable[..., Page]
Start = Callable[..., System]

WAIT_MS = 15_000  # a busy machine is slow, not wrong
SWITCHES = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-sandbox",  # which Chromium lacks under root
]

expect.set_options(timeout=WAIT_MS)


def chromium() -> str:
    """Where the browser is; without one the tests are skipped, in continuous integration they fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "there is no Chromium; on Debian: apt install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield running
        running.close()


@pytest.fixture(scope="session")
def start(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Start:
    """Makes systems with settings of their own; the browser comes first, as nothing is to be done without."""

    def made(engine_ms: int = 0, **settings: object) -> System:
        folder = with_model(tmp_path_factory.mktemp("data"), prepared / "models")
        own: dict[str, object] = {"engine": "litert", "workers": 1}
        system = System(folder, **own | settings)
        if engine_ms:
            faults.install(system, tmp_path_factory.mktemp("hooks"))
            system.environment["FAULT_ENGINE_MS"] = str(engine_ms)
        return system

    return made


@pytest.fixture(scope="session")
def system(start: Start) -> Iterator[System]:
    """The system that most tests share: two workers, settings as they are shipped."""
    with start(workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def fresh(start: Start) -> Iterator[System]:
    """A system that nobody has used."""
    with start() as running:
        yield running


@pytest.fixture(autouse=True)
def watch(browser: Browser) -> Iterator[Watch]:
    """Sees what goes wrong behind the pages' backs; nothing may, in any test."""
    watching = Watch()
    yield watching
    assert not (found := watching.problems()), "\n".join(found)


@pytest.fixture
def visit(browser: Browser, watch: Watch, system: System) -> Iterator[Visit]:
    """Opens a page in a context of its own; takes a context's options, `at` for another system."""
    made: list[BrowserContext] = []

    def begin(path: str = "/", at: System | None = None, **options: Any) -> Page:
        url = (at or system).url
        watch.origins.add(url)
        context = browser.new_context(base_url=url, **options)
        made.append(context)
        watch.over(context)
        page = context.new_page()
        # From now on no chooser opens for real, whoever is waiting for one.
        page.on("filechooser", lambda _: None)
        page.goto(path)
        return page

    yield begin
    for context in made:
        context.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    """The page to classify, wide."""
    return visit(viewport={"width": 1280, "height": 900})
