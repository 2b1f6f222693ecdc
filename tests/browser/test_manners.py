"""Focus that is never lost, odd names, text that is pasted, narrow windows, colours of the system's own."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.classifying import all_done, answered, card, cards, choose, part
from tests.browser.conftest import Visit
from tests.browser.pictures import broken, file, photo, photos
from tests.browser.watch import Watch

ODD = (
    "<img src=x onerror=alert(1)>.jpg",
    f"{'x' * 200}.jpg",
    "\u0635\u0648\u0631\u0629.jpg",  # written from right to left
    "a\u202egpj.exe.jpg",  # and this turns what comes after it
    "${1}`'.jpg",
)
NARROW = {"width": 320, "height": 512}  # 1280 wide at 400 % (WCAG 1.4.10)
WIDER = "() => document.documentElement.scrollWidth - innerWidth"
# As an office program copies cells: their text, and a picture of them.
PASTED = """([place, data]) => {
  const carried = new DataTransfer();
  carried.setData("text/plain", "mug");
  if (data) {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    carried.items.add(new File([bytes], "image.png", { type: "image/png" }));
  }
  const event = { clipboardData: carried, bubbles: true, cancelable: true };
  document.querySelector(place).dispatchEvent(new ClipboardEvent("paste", event));
}"""
COLOUR = "(one) => getComputedStyle(one).backgroundColor"


def test_tab_reaches_the_card_that_is_shown_first(page: Page) -> None:
    """Also after they were put in their groups; where somebody has been is kept."""
    choose(page, photos(5))
    all_done(page, 5)
    unsure = page.locator("section.group[data-group=unsure]")
    expect(unsure).to_be_visible()
    shown = page.locator("article.card")
    expect(shown.first).not_to_have_attribute("data-name", "000-coffee.jpg")
    expect(shown.first).to_have_attribute("tabindex", "0")
    shown.nth(2).focus()
    page.locator("#find").focus()
    page.locator("#threshold").fill("100")
    expect(unsure.locator("article.card")).to_have_count(5)
    expect(page.locator('article.card[tabindex="0"]')).to_have_count(1)
    expect(card(page, "000-coffee.jpg")).to_have_attribute("tabindex", "-1")


def test_the_focus_stays_near_a_button_that_goes(page: Page, watch: Watch) -> None:
    watch.allow_statuses(400)
    watch.allow(r"^failed: .* net::ERR_ABORTED")
    bar = page.locator("#bar")
    choose(page, [*photos(40), broken()])
    bar.locator("[data-do=cancel]").press("Enter")
    expect(bar).to_be_focused()
    bar.locator("[data-do=retry-failed]").press("Enter")
    expect(bar).to_be_focused()
    all_done(page, 40, wait_s=60)
    failed = card(page, "broken.jpg")
    failed.locator("[data-do=retry]").press("Enter")
    expect(failed).to_be_focused()


def test_odd_names_are_text_and_stay_in_their_place(page: Page) -> None:
    coffee = photo("coffee.png")["buffer"]
    text = file("\u202ename.txt", "text/plain", b"hello")
    choose(page, [*(file(name, "image/jpeg", coffee) for name in ODD), text])
    all_done(page, len(ODD))
    assert page.locator("#cards img").count() == 0
    assert page.evaluate(WIDER) <= 0
    for name in ODD:
        expect(card(page, name).locator(".file")).to_have_text(name)
    # Isolated: what comes after the name is not turned with it.
    reason = part(cards(page, "failed"), "reason")
    expect(reason).to_have_text(re.compile("^\u2068\u202ename.txt\u2069 is not"))


def test_text_that_is_pasted_is_text(page: Page) -> None:
    data = photo("coffee.png")["buffer"]
    choose(page, [file("one.jpg", "image/jpeg", data), photo("coffee.png", "two.jpg")])
    all_done(page, 2)
    page.evaluate(PASTED, ["body", ""])
    page.evaluate(PASTED, ["#find", "AAAA"])
    expect(cards(page)).to_have_count(2)
    page.evaluate(PASTED, ["body", "AAAA"])
    expect(cards(page)).to_have_count(3)


@pytest.mark.parametrize("path", ["/", "/feedback", "/dashboard"])
def test_a_narrow_window_scrolls_one_way(visit: Visit, path: str) -> None:
    page = visit(path, viewport=NARROW)
    if path == "/":
        choose(page, photos(3))
        all_done(page, 3)
        one = cards(page).first
        one.locator("[data-do=wrong]").click()
        part(one, "correct").get_by_role("combobox").fill("cof")
        expect(one.get_by_role("option").first).to_be_visible()
    assert page.evaluate(WIDER) <= 0


def test_where_the_system_sets_the_colours_bars_and_choices_are_seen(
    visit: Visit,
) -> None:
    page = visit(forced_colors="active")
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    ground = page.locator("body").evaluate(COLOUR)
    assert one.locator(".meter i").first.evaluate(COLOUR) != ground
    one.locator("[data-do=wrong]").click()
    part(one, "correct").get_by_role("combobox").fill("cup")
    first, second = (one.get_by_role("option").nth(number) for number in (0, 1))
    expect(first).to_have_attribute("aria-selected", "true")
    assert first.evaluate(COLOUR) != second.evaluate(COLOUR)


def test_a_folder_is_dropped(page: Page, tmp_path: Path) -> None:
    """A real one, by the browser's own drag and drop; a folder is one whatever its name."""
    tree = tmp_path / "tree.jpg"
    for folder, count in (("deep/er", 2), ("many", 130)):
        place = tree / folder
        place.mkdir(parents=True)
        for one in photos(count, side=64):
            (place / one["name"]).write_bytes(one["buffer"])
    (tree / "notes.txt").write_text("no picture")
    (tree / ".DS_Store").write_text("nothing of anybody's")
    single = tmp_path / "single.jpg"
    single.write_bytes(photo("coffee.png")["buffer"])
    carried = {"items": [], "files": [str(tree), str(single)], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send(
            "Input.dispatchDragEvent", {"type": kind, "x": 9, "y": 9, "data": carried}
        )
    all_done(page, 133, wait_s=60)
    expect(cards(page)).to_have_count(133)
    expect(page.locator("#left-out")).to_have_text(re.compile(r"^1 other file "))
