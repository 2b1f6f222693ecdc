"""Right or wrong, said beneath an answer and seen on the page of reports."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classifying import answered, choose, part, press
from tests.browser.pictures import photo
from tests.support.system import System


@pytest.fixture
def coffee(page: Page) -> Locator:
    """The card of the coffee, answered."""
    choose(page, [photo("coffee.png")])
    return answered(page, "coffee.jpg")


def correct(one: Locator, typed: str, keep: bool = False) -> str:
    """Says that an answer was wrong, and chooses the right category by typing; its name."""
    press(one, "wrong")
    field = one.get_by_role("combobox")
    expect(field).to_be_focused()
    field.press_sequentially(typed)
    option = one.get_by_role("option").first
    expect(option).to_contain_text(re.compile(typed, re.I))
    name = option.inner_text()
    option.click()
    if keep:
        part(one, "keep").check()
    press(one, "send")
    expect(part(one, "reported")).to_be_visible()
    return name


def exported(page: Page, name: str, folder: Path) -> Path:
    """What a link on the page of reports downloads."""
    with page.expect_download() as got:
        page.locator(f'a[href="/feedback/{name}"]').click()
    path = folder / name
    got.value.save_as(path)
    return path


def reports(page: Page, folder: Path) -> list[dict[str, object]]:
    """All reports, as they are exported."""
    page.goto("/feedback")
    lines = exported(page, "export.jsonl", folder).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_right_is_one_press(page: Page, coffee: Locator, tmp_path: Path) -> None:
    before = len(reports(page.context.new_page(), tmp_path))
    press(coffee, "right")
    expect(part(coffee, "reported")).to_be_visible()
    after = reports(page, tmp_path)
    assert len(after) == before + 1
    assert any(
        one["verdict"] == "right" and "espresso" in one.values() for one in after
    )
    expect(part(page, "counts")).to_contain_text("espresso")
    expect(part(page, "recent")).to_contain_text(re.compile("right", re.I))


def test_wrong_with_the_correct_category(page: Page, coffee: Locator) -> None:
    name = correct(coffee, "teapot")
    assert "teapot" in name
    expect(part(coffee, "reported")).to_contain_text("teapot")
    page.goto("/feedback")
    expect(part(page, "counts")).to_contain_text("espresso")
    expect(part(page, "matrix")).to_contain_text("teapot")
    expect(part(page, "recent")).to_contain_text("teapot")
    expect(part(page, "calibration").first).to_be_visible()


def test_the_category_is_found_by_the_keyboard(page: Page, coffee: Locator) -> None:
    press(coffee, "wrong")
    field = coffee.get_by_role("combobox")
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("siamese")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    active = field.get_attribute("aria-activedescendant")
    assert active
    expect(page.locator(f"[id='{active}']")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).to_have_value(re.compile("siamese", re.I))


def test_undo_takes_it_back(page: Page, coffee: Locator, tmp_path: Path) -> None:
    correct(coffee, "wool")
    press(coffee, "undo")
    expect(part(coffee, "reported")).to_be_hidden()
    expect(coffee.locator("[data-do=right]")).to_be_visible()
    page.goto("/feedback")
    expect(part(page, "recent")).not_to_contain_text("wool")
    assert not any("wool" in one.values() for one in reports(page, tmp_path))


def test_a_picture_is_kept_only_when_one_says_so(page: Page, tmp_path: Path) -> None:
    """Asked for in so many words; in the zip under its correct category, and gone with its report."""
    kept, let_go = photo("coffee.png", "kept.jpg"), photo("coffee.png", "let-go.jpg")
    choose(page, [kept, let_go])
    for one in (kept, let_go):
        answered(page, one["name"])
    first, second = (
        page.locator(f'[data-name="{n}"]') for n in ("kept.jpg", "let-go.jpg")
    )
    press(first, "wrong")
    expect(part(first, "keep")).not_to_be_checked()
    page.keyboard.press("Escape")
    with page.expect_response(re.compile("/v1/feedback/.*/picture")) as stored:
        correct(first, "consomme", keep=True)
    assert stored.value.status == 201
    correct(second, "consomme")
    digests = [hashlib.sha256(one["buffer"]).hexdigest() for one in (kept, let_go)]
    looking = page.context.new_page()
    looking.goto("/feedback")
    expect(part(looking, "keeping")).to_contain_text("30 days")
    held = zipped(looking, tmp_path)
    assert f"consomme/{digests[0]}.jpg" in held
    assert held[f"consomme/{digests[0]}.jpg"] == kept["buffer"]
    assert not any(digests[1] in name for name in held)
    press(first, "undo")
    expect(part(first, "reported")).to_be_hidden()
    assert not any(digests[0] in name for name in zipped(looking, tmp_path))


def zipped(page: Page, folder: Path) -> dict[str, bytes]:
    """The kept pictures by their names in the zip."""
    data = exported(page, "pictures.zip", folder).read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_a_report_in_words(page: Page, system: System) -> None:
    page.goto("/feedback")
    page.get_by_role("textbox").first.fill("The <b>buttons</b> are fine.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").first).to_contain_text("Thank you")
    page.goto("/feedback")
    expect(part(page, "recent")).to_contain_text("The <b>buttons</b> are fine.")
