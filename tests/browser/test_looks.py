"""Each page in each of its states at three widths, light and dark: a picture to be looked at, nothing cut off.

The pictures lie in ``tests/browser/shots``, or where SHOTS says.
"""

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.states import STATES, UNUSED
from tests.browser.watch import Watch
from tests.support.system import System

SHOTS = Path(os.environ.get("SHOTS") or Path(__file__).with_name("shots"))
WIDTHS = {390: 844, 820: 1180, 1440: 900}

# Elements that stick out on the right, apart from what scrolls by itself.
STICKS_OUT = """() => {
  const wide = document.documentElement;
  if (wide.scrollWidth <= wide.clientWidth) return [];
  const all = [...document.querySelectorAll("body *")];
  const out = all.filter((one) => one.getBoundingClientRect().right > wide.clientWidth + 1);
  return [`${wide.scrollWidth} px`, ...out.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
}"""


# Cards far from the window are not painted, nor are their pictures made.
ALL_PAINTED = """() => {
  const style = new CSSStyleSheet();
  style.replaceSync(".card { content-visibility: visible !important }");
  document.adoptedStyleSheets.push(style);
  return document.documentElement.scrollHeight;
}"""
NOT_MADE = ".card [data-part=thumb][width='4']:not([hidden])"


def paint_all(page: Page) -> None:
    """Has the whole page painted, and not only what a window of this height shows."""
    page.mouse.move(0, 0)
    height = page.evaluate(ALL_PAINTED)
    page.set_viewport_size({"width": 390, "height": 4 * height})
    expect(page.locator(NOT_MADE)).to_have_count(0)


def shoot(page: Page, name: str) -> None:
    """Takes a picture of the whole page, which shows something."""
    data = page.screenshot(full_page=True, animations="disabled")
    (SHOTS / f"{name}.png").write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 16, f"{name} is blank"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("state", STATES)
def test_widths_and_schemes(
    visit: Visit,
    watch: Watch,
    system: System,
    request: pytest.FixtureRequest,
    state: str,
) -> None:
    at = request.getfixturevalue("fresh") if state in UNUSED else system
    SHOTS.mkdir(parents=True, exist_ok=True)
    watch.allow_statuses(400, 415)
    watch.allow_cuts()
    page = visit(at=at, reduced_motion="reduce")
    STATES[state](page, at)
    paint_all(page)
    wrong = []
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            shoot(page, f"{state}-{width}-{scheme}")
        if out := page.evaluate(STICKS_OUT):
            wrong.append(f"{width}: {out}")
    assert not wrong, "\n".join(wrong)
