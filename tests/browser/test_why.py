"""What the network looked at, over the picture."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classifying import answered, choose, part, press
from tests.browser.pictures import photo

FIRST_MAP_S = 60  # its process is started for it

# Opacity and colour over the canvas: what of it is seen, and where its middle is.
LOOK = """(canvas) => {
  const { width, height } = canvas;
  const seen = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const values = new Set();
  let covered = 0;
  for (let i = 0; i < seen.length; i += 4) {
    values.add(seen.slice(i, i + 4).join());
    covered += seen[i + 3];
  }
  const opacity = Number(getComputedStyle(canvas).opacity);
  return { width, height, values: values.size, strength: covered * opacity };
}"""


@pytest.fixture
def explained(page: Page) -> Locator:
    """The card of the coffee, with its map."""
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    press(one, "why")
    shown = part(one, "map")
    expect(shown).to_have_attribute("data-state", "shown", timeout=FIRST_MAP_S * 1000)
    return one


@pytest.mark.timeout(180)
def test_the_map_of_the_best_category(explained: Locator) -> None:
    shown = part(explained, "map")
    expect(shown).to_have_attribute("data-label", "espresso")
    expect(shown).to_be_visible()
    look = shown.evaluate(LOOK)
    assert look["width"] > 0
    assert look["values"] > 10
    assert look["strength"] > 0


def test_it_lies_over_the_picture(explained: Locator) -> None:
    over, under = (part(explained, name).bounding_box() for name in ("map", "thumb"))
    assert over is not None
    assert under is not None
    assert over["x"] >= under["x"] - 1
    assert over["y"] >= under["y"] - 1
    assert over["x"] + over["width"] <= under["x"] + under["width"] + 1
    assert over["y"] + over["height"] <= under["y"] + under["height"] + 1


def test_its_strength_is_for_the_person_to_say(explained: Locator) -> None:
    shown, slider = part(explained, "map"), part(explained, "strength")
    strengths = []
    for share in ("min", "max"):
        slider.fill(slider.get_attribute(share) or {"min": "0", "max": "100"}[share])
        strengths.append(shown.evaluate(LOOK)["strength"])
    assert strengths[0] < 0.2 * strengths[1]


def test_another_category_by_its_bar(page: Page, explained: Locator) -> None:
    second = explained.locator("ol.bars li").nth(1)
    before = part(explained, "map").evaluate(LOOK)
    second.click()
    shown = part(explained, "map")
    expect(shown).not_to_have_attribute("data-label", "espresso")
    expect(shown).to_have_attribute("data-state", "shown")
    label = shown.get_attribute("data-label")
    assert label
    expect(second).to_contain_text(label)
    assert shown.evaluate(LOOK) != before


def test_it_goes_away_again(page: Page, explained: Locator) -> None:
    explained.focus()
    page.keyboard.press("Escape")
    expect(part(explained, "map")).to_be_hidden()
    page.keyboard.press("y")
    expect(part(explained, "map")).to_be_visible()
