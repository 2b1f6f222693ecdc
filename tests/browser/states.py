"""The states in which the pages are looked at, each by its name."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.browser.classifying import (
    all_done,
    answered,
    card,
    cards,
    choose,
    drop,
    part,
    press,
)
from tests.browser.pictures import HEIC, broken, file, photo, photos
from tests.support.system import System

FIRST_MAP_S = 60  # its process is started for it
REPORTED = (  # answered, and what it really was
    ("coffee.png", ""),
    ("coffee.png", "cup"),
    ("coffee.png", "cup"),
    ("chelsea.png", ""),
    ("chelsea.png", "tabby"),
    ("rocket.jpg", ""),
    ("rocket.jpg", "missile"),
    ("camera.png", ""),
)


def classify_empty(page: Page, system: System) -> None:
    page.goto("/")
    expect(page.locator("[data-do=files]:visible").first).to_be_visible()


def classify_one(page: Page, system: System) -> None:
    page.goto("/")
    choose(page, [photo("coffee.png")])
    answered(page, "coffee.jpg")


def classify_time(page: Page, system: System) -> None:
    classify_one(page, system)
    press(page, "time")
    expect(part(page, "time").first).to_be_visible()


def classify_why(page: Page, system: System) -> None:
    classify_one(page, system)
    press(page, "why")
    expect(part(page, "map")).to_have_attribute(
        "data-state", "shown", timeout=FIRST_MAP_S * 1000
    )


def classify_wrong(page: Page, system: System) -> None:
    classify_one(page, system)
    press(page, "wrong")
    page.keyboard.type("dog")
    expect(page.get_by_role("option").first).to_be_visible()


def classify_reported(page: Page, system: System) -> None:
    classify_one(page, system)
    press(page, "right")
    expect(part(page, "reported")).to_be_visible()


def classify_many(page: Page, system: System) -> None:
    page.goto("/")
    choose(page, [*photos(15), broken()])
    all_done(page, 15)
    expect(cards(page, "failed")).to_have_count(1)


def classify_refused(page: Page, system: System) -> None:
    page.goto("/")
    drop(page, [file("photo.heic", "image/heic", HEIC)])
    expect(card(page, "photo.heic")).to_have_attribute("data-state", "failed")


def classify_offline(page: Page, system: System) -> None:
    page.goto("/")
    page.context.set_offline(True)
    choose(page, photos(6))
    expect(page.locator("#trouble")).to_contain_text(
        re.compile("connection|offline", re.I)
    )


def feedback_empty(page: Page, system: System) -> None:
    page.goto("/feedback")
    expect(part(page, "recent")).to_be_visible()


def feedback(page: Page, system: System) -> None:
    with httpx.Client(base_url=system.url, timeout=30) as client:
        for name, really in REPORTED:
            body = photo(name, side=320)["buffer"]
            answer = client.post("/v1/classify", content=body).json()
            verdict = {"id": answer["id"], "verdict": "wrong" if really else "right"}
            label = {"label": really} if really else {}
            client.post("/v1/feedback", json=verdict | label).raise_for_status()
    page.goto("/feedback")
    expect(part(page, "matrix")).to_contain_text("cup")


def dashboard_idle(page: Page, system: System) -> None:
    page.goto("/dashboard")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def dashboard(page: Page, system: System) -> None:
    """Some seconds after many pictures."""
    dashboard_idle(page, system)
    with httpx.Client(base_url=system.url, timeout=30) as client:
        for one in photos(60, side=320):
            client.post("/v1/classify", content=one["buffer"])
        client.post("/v1/classify", content=b"no picture")
    errors = part(page.locator("[data-figure=errors]"), "value")
    expect(errors).to_contain_text(re.compile("[1-9]"))


def docs(page: Page, system: System) -> None:
    page.goto("/docs")
    expect(page.get_by_text("/v1/classify").first).to_be_visible()


State = Callable[[Page, System], None]

# States of a system that nobody has used yet; their order matters to nobody else.
UNUSED: dict[str, State] = {
    "feedback-empty": feedback_empty,
    "dashboard-idle": dashboard_idle,
}
USED: dict[str, State] = {
    "classify-empty": classify_empty,
    "classify-one": classify_one,
    "classify-time": classify_time,
    "classify-why": classify_why,
    "classify-wrong": classify_wrong,
    "classify-reported": classify_reported,
    "classify-many": classify_many,
    "classify-refused": classify_refused,
    "classify-offline": classify_offline,
    "feedback": feedback,
    "dashboard": dashboard,
    "docs": docs,
}
STATES = UNUSED | USED
