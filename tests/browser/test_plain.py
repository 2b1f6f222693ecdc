"""The pages with JavaScript switched off."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.pictures import file, photo


@pytest.fixture
def plain(visit: Visit) -> Page:
    """The page to classify, without JavaScript."""
    return visit(java_script_enabled=False)


def send(page: Page, *files: object) -> None:
    """Chooses files and presses the form's button."""
    page.locator("#file").set_input_files(list(files))
    page.get_by_role("button", name="Classify").click()


def test_a_picture_is_answered(plain: Page) -> None:
    send(plain, photo("coffee.png"))
    expect(plain.locator("h1")).to_contain_text("espresso")
    expect(plain.get_by_alt_text("The picture you sent")).to_be_visible()
    expect(plain.locator("ol.bars li")).to_have_count(5)


def test_what_needs_javascript_is_not_offered(plain: Page) -> None:
    for button in ("files", "folder", "camera", "csv", "json", "pause"):
        expect(plain.locator(f"[data-do={button}]:visible")).to_have_count(0)
    expect(plain.locator("#folder:visible, #camera:visible")).to_have_count(0)


def test_an_answer_is_reported_as_wrong(plain: Page) -> None:
    send(plain, photo("rocket.jpg"))
    plain.get_by_label("What is it really?").fill("a rocket, told without scripts")
    plain.get_by_role("button", name="Report as wrong").click()
    expect(plain.get_by_role("status")).to_contain_text("Thank you")
    plain.goto("/feedback")
    expect(plain.get_by_text("a rocket, told without scripts")).to_be_visible()


def test_what_is_no_picture_is_refused_with_a_way_out(plain: Page) -> None:
    send(plain, file("notes.txt", "text/plain", b"nothing to be seen here"))
    message = plain.get_by_role("alert").filter(visible=True)
    expect(message).to_contain_text("not a picture")
    expect(message).to_contain_text("JPEG, PNG, GIF or WebP")
    expect(plain.locator("#file")).to_be_visible()
