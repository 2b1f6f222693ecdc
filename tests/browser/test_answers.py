"""What is shown of an answer, sorting many, taking them away, and the keyboard alone."""

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classifying import (
    all_done,
    answered,
    card,
    cards,
    choose,
    names,
    part,
    press,
)
from tests.browser.conftest import Visit
from tests.browser.pictures import broken, file, photo, photos
from tests.browser.watch import Watch

STAGES = ("upload", "queue", "decode", "inference", "reply")
AWKWARD = 'a "quoted", strange; name.jpg'
FORMULA = "=1+1.jpg"
PHONE = {"width": 390, "height": 844}
LEFT_OF = """(inputs) => inputs.map((one) => [one.dataset.name, one.dataset.label])"""


@pytest.fixture
def gallery(page: Page, watch: Watch) -> Page:
    """Sixteen pictures of eight kinds, one of them with an awkward name, and a broken one."""
    watch.allow_statuses(400)
    coffee = photo("coffee.png")["buffer"]
    odd = [file(name, "image/jpeg", coffee) for name in (AWKWARD, FORMULA)]
    choose(page, [*photos(16), *odd, broken()])
    all_done(page, 18)
    expect(cards(page, "failed")).to_have_count(1)
    return page


def set_threshold(page: Page, percent: int) -> None:
    """Moves the slider that says from where on one is sure."""
    page.locator("#threshold").fill(str(percent))


def score(one: Locator) -> float:
    """The score that a card shows, in percent."""
    found = re.search(r"(\d+(?:\.\d+)?)\s*%", part(one, "score").text_content() or "")
    assert found is not None
    return float(found[1])


def test_five_bars_with_readable_names(page: Page) -> None:
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    bars = one.locator("ol.bars li")
    expect(bars).to_have_count(5)
    shown = [
        float(re.findall(r"(\d+(?:\.\d+)?)\s*%", text)[-1])
        for text in bars.all_inner_texts()
    ]
    assert shown == sorted(shown, reverse=True)
    assert 0 < sum(shown) <= 101
    expect(part(one, "score")).to_contain_text(re.compile(r"sure.*%|%.*sure", re.S))
    assert not any("_" in text.split("\n")[0] for text in bars.all_inner_texts())


def test_where_the_time_went(page: Page) -> None:
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    expect(part(one, "time")).to_be_hidden()
    press(one, "time")
    for stage in STAGES:
        expect(part(one, "time")).to_contain_text(re.compile(stage, re.I))
    expect(part(one, "time")).to_contain_text(re.compile(r"\d+(\.\d+)?\s*ms"))


def test_those_that_a_person_should_look_at_come_first(gallery: Page) -> None:
    set_threshold(gallery, 60)
    order = gallery.locator("section.group").filter(visible=True)
    groups = order.evaluate_all("(all) => all.map((one) => one.dataset.group)")
    assert groups[0] == "unsure"
    assert groups[-1] == "failed"
    assert "espresso" in groups
    espresso = gallery.locator("section.group[data-group=espresso]")
    inside = espresso.locator("article.card").count()
    expect(espresso.get_by_role("heading").first).to_contain_text(str(inside))
    assert all(score(one) < 60.05 for one in in_group(gallery, "unsure"))
    assert all(score(one) >= 59.95 for one in in_group(gallery, "espresso"))


def in_group(page: Page, name: str) -> list[Locator]:
    found = page.locator(f'section.group[data-group="{name}"] article.card').all()
    assert found
    return found


def test_the_threshold_moves_them(gallery: Page) -> None:
    unsure = gallery.locator("section.group[data-group=unsure] article.card")
    set_threshold(gallery, 0)
    expect(unsure.filter(visible=True)).to_have_count(0)
    set_threshold(gallery, 100)
    expect(unsure).to_have_count(18)
    expect(cards(gallery)).to_have_count(19)


@pytest.mark.parametrize("kind", ["sure", "unsure", "failed", "running"])
def test_filters(gallery: Page, kind: str) -> None:
    set_threshold(gallery, 60)
    everything = set(names(gallery))
    chip = gallery.locator(f"[data-filter={kind}]")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    left = set(names(gallery))
    if kind == "running":
        assert not left
    elif kind == "failed":
        assert left == {"broken.jpg"}
    else:
        scores = [score(card(gallery, name)) for name in left]
        assert scores
        assert all((one >= 59.95) == (kind == "sure") for one in scores)
    gallery.locator("[data-filter=all]").click()
    assert set(names(gallery)) == everything


def test_find_by_name_and_by_category(gallery: Page) -> None:
    find = gallery.locator("#find")
    find.fill("chelsea")
    expect(cards(gallery).filter(visible=True)).to_have_count(2)
    find.fill("espresso")
    expect(cards(gallery).filter(visible=True)).to_have_count(4)
    find.fill("there is no such thing")
    expect(cards(gallery).filter(visible=True)).to_have_count(0)
    find.fill("")
    expect(cards(gallery).filter(visible=True)).to_have_count(19)


def downloaded(page: Page, kind: str, folder: Path) -> str:
    """What a button downloads."""
    with page.expect_download() as got:
        press(page.locator("#sort"), kind)
    assert got.value.suggested_filename.endswith(f".{kind}")
    path = folder / f"taken.{kind}"
    got.value.save_as(path)
    return path.read_text("utf-8-sig")


def test_what_is_shown_can_be_taken_away(gallery: Page, tmp_path: Path) -> None:
    """All of it, as CSV and JSON; then only what a filter leaves."""
    rows = list(csv.DictReader(downloaded(gallery, "csv", tmp_path).splitlines()))
    entries = json.loads(downloaded(gallery, "json", tmp_path))
    shown = dict(cards(gallery).evaluate_all(LEFT_OF))
    assert len(rows) == len(entries) == len(shown) == 19
    assert named(entries) == set(shown)
    as_text = {name.removeprefix("'") for name in named(rows)}
    assert as_text == set(shown)
    assert not any(name.startswith("=") for name in named(rows)), "a formula"
    for one in [*rows, *entries]:
        name = next(value for value in values(one) if value.endswith(".jpg"))
        label = shown[name.removeprefix("'")]
        assert label is None or label in values(one)
    gallery.locator("#find").fill("chelsea")
    expect(cards(gallery).filter(visible=True)).to_have_count(2)
    rows = list(csv.DictReader(downloaded(gallery, "csv", tmp_path).splitlines()))
    assert named(rows) == set(names(gallery))


def values(entry: dict[str, object]) -> list[str]:
    """All texts in an entry, however deep."""
    found: list[str] = []
    for value in entry.values():
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += values(value)
        elif isinstance(value, list):
            found += [t for one in value if isinstance(one, dict) for t in values(one)]
    return found


def named(entries: list[dict[str, object]]) -> set[str]:
    """The files' names in a download."""
    return {next(v for v in values(one) if v.endswith(".jpg")) for one in entries}


def test_the_answer_is_there_without_scrolling_on_a_phone(visit: Visit) -> None:
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    for name in ("best", "score"):
        box = part(one, name).bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= PHONE["height"]
    assert page.evaluate("() => scrollY") == 0


def test_by_the_keyboard_alone(page: Page) -> None:
    """From the first Tab to a judgement and a map, with the focus to be seen at each step."""
    press_until_focused(page, page.locator("[data-do=files]:visible").first)
    with page.expect_file_chooser() as opened:
        page.keyboard.press("Enter")
    opened.value.set_files(photos(3))
    all_done(page, 3)
    first, second = (cards(page).nth(number) for number in (0, 1))
    press_until_focused(page, page.locator("article.card:focus"))
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    outline = second.evaluate("(one) => getComputedStyle(one).outlineStyle")
    shadow = second.evaluate("(one) => getComputedStyle(one).boxShadow")
    assert outline != "none" or shadow != "none", "the focus can be seen"
    page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    page.keyboard.press("r")
    expect(part(first, "reported")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("w")
    typed = second.get_by_role("combobox")
    expect(typed).to_be_focused()
    page.keyboard.press("Escape")
    expect(part(second, "correct")).to_be_hidden()
    within = "(one) => one.contains(document.activeElement)"
    assert second.evaluate(within), "the focus has not left the card"
    page.keyboard.press("w")
    page.keyboard.type("espresso")
    expect(second.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    press_until_focused(page, second.locator("[data-do=send]"))
    page.keyboard.press("Enter")
    expect(part(second, "reported")).to_be_visible()


def press_until_focused(page: Page, wanted: Locator) -> None:
    """Presses Tab until the element has the focus."""
    for _ in range(40):
        if wanted.count() and wanted.evaluate(
            "(one) => one === document.activeElement"
        ):
            break
        page.keyboard.press("Tab")
    expect(wanted).to_be_focused()
