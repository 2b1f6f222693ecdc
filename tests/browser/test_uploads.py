"""Each way in which pictures come to the page, and what is no picture."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.classifying import (
    all_done,
    answered,
    card,
    cards,
    choose,
    drop,
    names,
    part,
    shows,
)
from tests.browser.conftest import Visit
from tests.browser.pictures import (
    HEIC,
    PDF,
    broken,
    file,
    huge,
    photo,
    photos,
    png,
    saved,
)
from tests.browser.watch import Watch

COPY = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const picture = new Blob([bytes], { type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


def test_one_is_chosen(page: Page) -> None:
    choose(page, [photo("coffee.png")])
    one = answered(page, "coffee.jpg")
    expect(one).to_have_attribute("data-label", "espresso")
    expect(part(one, "best")).to_contain_text("espresso", ignore_case=True)
    expect(part(one, "thumb")).to_be_visible()
    expect(page.locator("#bar")).to_be_hidden()


def test_many_are_chosen(page: Page) -> None:
    choose(page, photos(6))
    all_done(page, 6)
    expect(page.locator("#bar")).to_be_visible()
    choose(page, [photo("coffee.png", "later.jpg")])
    answered(page, "later.jpg")
    expect(cards(page)).to_have_count(7)


def test_a_card_is_there_at_once(page: Page) -> None:
    choose(page, [photo("coffee.png")])
    expect(card(page, "coffee.jpg")).to_be_visible(timeout=1000)


def test_some_are_dropped(page: Page) -> None:
    drop(page, photos(3))
    all_done(page, 3)
    drop(page, [photo("coffee.png", "onto-the-cards.jpg")], onto="#cards")
    answered(page, "onto-the-cards.jpg")


def test_a_folder(page: Page, tmp_path: Path) -> None:
    folder = saved(tmp_path / "holiday", photos(3))
    saved(folder / "second day", [photo("coffee.png", "cup.jpg")])
    choose(page, folder, button="folder")
    all_done(page, 4)
    assert sorted(Path(name).name for name in names(page))[-1] == "cup.jpg"


def test_one_is_pasted(visit: Visit) -> None:
    """By the real clipboard and the keyboard."""
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.locator("h1").click()
    page.evaluate(COPY, png("coffee.png"))
    page.keyboard.press("Control+V")
    expect(cards(page, "done")).to_have_attribute("data-label", "espresso")


def test_one_is_taken_with_the_camera(page: Page) -> None:
    expect(page.locator("#camera")).to_have_attribute("capture", "environment")
    choose(page, [photo("coffee.png", "camera.jpg")], button="camera")
    answered(page, "camera.jpg")


def test_the_same_file_twice_is_two_cards(page: Page) -> None:
    twice = photo("coffee.png")
    choose(page, [twice])
    answered(page, "coffee.jpg")
    choose(page, [twice])
    expect(cards(page, "done")).to_have_count(2)


@pytest.mark.timeout(180)
def test_two_hundred_with_a_broken_and_a_huge_one(page: Page, watch: Watch) -> None:
    """All end: 198 with an answer, two with a reason that says what to do."""
    watch.allow_statuses(400, 422)
    files = photos(198, side=320)
    files.insert(50, broken())
    files.insert(120, huge())
    choose(page, files)
    expect(cards(page)).to_have_count(200)
    all_done(page, 198, wait_s=120)
    expect(cards(page, "failed")).to_have_count(2)
    assert sorted(names(page)) == sorted(one["name"] for one in files)
    expect(part(card(page, "broken.jpg"), "reason")).to_contain_text(
        re.compile("damaged|cut off")
    )
    expect(part(card(page, "huge.png"), "reason")).to_contain_text(
        re.compile("pixel.*scale|scale.*pixel", re.I | re.S)
    )
    bar = page.locator("#bar")
    shows(part(bar, "done"), 198)
    shows(part(bar, "failed"), 2)
    shows(part(bar, "left"), 0)
    labels = cards(page, "done").evaluate_all(
        "(all) => all.map((one) => one.dataset.label)"
    )
    assert all(labels)
    coffee = page.locator('article.card[data-name$="-coffee.jpg"]')
    assert set(coffee.evaluate_all("(all) => all.map((one) => one.dataset.label)")) == {
        "espresso"
    }


@pytest.mark.parametrize(
    ("name", "kind", "data", "says"),
    [
        ("photo.heic", "image/heic", HEIC, "HEIC"),
        ("really-heic.jpg", "image/jpeg", HEIC, "HEIC"),
        ("notes.txt", "text/plain", b"nothing to be seen here", "not a picture"),
        ("paper.pdf", "application/pdf", PDF, "PDF|not a picture"),
        ("letter.jpg", "image/jpeg", b"nothing to be seen here", "not a picture"),
        ("empty.png", "image/png", b"", "empty|nothing in it"),
    ],
    ids=["heic", "heic-as-jpg", "text", "pdf", "text-as-jpg", "empty"],
)
def test_what_is_no_picture_is_refused_with_a_way_out(
    page: Page, watch: Watch, name: str, kind: str, data: bytes, says: str
) -> None:
    watch.allow_statuses(400, 415)
    drop(page, [file(name, kind, data), photo("coffee.png")])
    refused = card(page, name)
    expect(refused).to_have_attribute("data-state", "failed")
    expect(refused).to_contain_text(name)
    reason = part(refused, "reason")
    expect(reason).to_contain_text(re.compile(says))
    expect(reason).to_contain_text(re.compile("JPEG|PNG|choose|drop", re.I))
    answered(page, "coffee.jpg")


def test_a_file_over_the_limit_does_not_travel(page: Page, tmp_path: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url))
    path = tmp_path / "large.jpg"
    path.write_bytes(photo("coffee.png")["buffer"] + bytes(21_000_000))
    choose(page, path)
    refused = card(page, "large.jpg")
    expect(refused).to_have_attribute("data-state", "failed")
    expect(part(refused, "reason")).to_contain_text("20 MB")
    assert not [url for url in sent if "/v1/classify" in url]
