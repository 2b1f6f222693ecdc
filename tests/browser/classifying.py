"""What a person does on the page to classify, and what is to be seen there."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import FilePayload, JSHandle, Locator, Page, expect

Files = Sequence[FilePayload]

TRANSFER = """(files) => {
  const carried = new DataTransfer();
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    carried.items.add(new File([bytes], name, { type }));
  }
  return carried;
}"""


def choose(page: Page, files: Files | Path, button: str = "files") -> None:
    """Presses one of the buttons, and takes these files (or this folder) in the chooser that opens."""
    with page.expect_file_chooser() as opened:
        page.locator(f"[data-do={button}]:visible").first.click()
    given = files if isinstance(files, Path) else list(files)
    opened.value.set_files(given)


def transfer(page: Page, files: Files) -> JSHandle:
    """The files as a drag or the clipboard carries them."""
    carried = [
        {
            "name": one["name"],
            "type": one["mimeType"],
            "data": base64.b64encode(one["buffer"]).decode(),
        }
        for one in files
    ]
    return page.evaluate_handle(TRANSFER, carried)


def drop(page: Page, files: Files, onto: str = "body") -> None:
    """Drags files over the page and lets go."""
    carried = transfer(page, files)
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event(onto, kind, {"dataTransfer": carried})


def card(page: Page, name: str) -> Locator:
    """The card of the file of this name."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return page.locator(f'article.card[data-name="{quoted}"]')


def cards(page: Page, state: str = "") -> Locator:
    """All cards, or those in a state."""
    return page.locator(
        f"article.card[data-state={state}]" if state else "article.card"
    )


def answered(page: Page, name: str, wait_s: float = 15) -> Locator:
    """The card of this name, once it has its answer."""
    one = card(page, name)
    expect(one).to_have_attribute("data-state", "done", timeout=wait_s * 1000)
    return one


def all_done(page: Page, count: int, wait_s: float = 30) -> None:
    """Returns when so many have their answers."""
    expect(cards(page, "done")).to_have_count(count, timeout=wait_s * 1000)


def part(within: Page | Locator, name: str) -> Locator:
    """A named part of a card or of the bar."""
    return within.locator(f"[data-part={name}]")


def press(within: Page | Locator, name: str) -> None:
    """Presses a named button."""
    within.locator(f"[data-do={name}]:visible").first.click()


def shows(place: Locator, number: int) -> None:
    """The place shows this number, and no other."""
    expect(place).to_have_text(re.compile(rf"^\D*{number}\D*$"))


def names(page: Page, state: str = "") -> list[str]:
    """The names on the cards that can be seen."""
    visible = cards(page, state).filter(visible=True)
    return visible.evaluate_all("(all) => all.map((one) => one.dataset.name)")
