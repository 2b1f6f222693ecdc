"""A collection's report, opened as a file: narrow and wide, light and dark; it needs nothing else."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from client.collection import report
from client.collection.ledger import Ledger
from tests.browser.test_axe import OPTIONS, found
from tests.support import ledgers

SIZES = (390, 1440)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "answers.csv.ledger"
    ledgers.generated(path, 2_000)
    with Ledger(path) as ledger:
        report.write(folder / "answers.csv", ledger, folder / "report.html", 50)
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_it_fits_and_axe_finds_nothing(
    browser: Browser, page_file: Path, width: int, scheme: str
) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        bypass_csp=True,  # axe is a script
    ) as context:
        page = context.new_page()
        page.goto(page_file.as_uri())
        for summary in page.locator("summary").all():
            summary.click()
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0
        assert not (broken := found(Axe().run(page, options=OPTIONS))), "\n".join(
            broken
        )


def test_it_asks_nobody_for_anything_and_its_style_is_taken(
    browser: Browser, page_file: Path
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(page_file.as_uri())
        page.get_by_role("link", name="Failures").click()
        assert page.get_by_text("1 file is left to do.").is_visible()
        assert [url for url in asked if not url.startswith("data:")] == [
            page_file.as_uri()
        ]
        assert said == []
        box = page.locator("main").bounding_box()
        assert box is not None
        assert box["x"] > 0  # in the middle, as the style has it
