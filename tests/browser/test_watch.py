"""The watch that all these tests rely on sees what it is there for."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.watch import Watch

BREACHES = {
    "console: broken": "() => console.error('broken')",
    "script: thrown": "() => { setTimeout(() => { throw new Error('thrown'); }); }",
    "console: policy violated: script-src": """() => {
      const one = document.createElement("script");
      one.textContent = "1";
      document.body.append(one);
    }""",
    "console: policy violated: style-src": """() => {
      const one = document.createElement("p");
      one.setAttribute("style", "color: red");
    }""",
    "console: policy violated: img-src": """() => {
      const one = new Image();
      one.src = "http://192.0.2.1/";
      document.body.append(one);
    }""",
    "console: Failed to load resource: the server responded with a status of 404": "() => { fetch('/v1/results/0-0'); }",
}


@pytest.mark.parametrize("line", BREACHES)
def test_it_sees(page: Page, watch: Watch, line: str) -> None:
    if line.startswith("script: "):
        with page.context.expect_event("weberror"):
            page.evaluate(BREACHES[line])
    else:
        with page.expect_console_message(lambda said: line[9:] in said.text):
            page.evaluate(BREACHES[line])
    assert any(one.startswith(line) for one in watch.problems()), watch.problems()
    watch.allow("")


def test_it_sees_who_leaves_the_machine(visit: Visit, watch: Watch) -> None:
    page = visit()
    watch.origins.clear()
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    assert any(one.startswith("left the machine") for one in watch.problems())
    watch.allow("^left the machine")


def test_it_sees_what_fails(page: Page, watch: Watch) -> None:
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.evaluate("() => { fetch('/healthz').catch(() => {}); }")
    assert any(one.startswith("failed: GET") for one in watch.problems())
    watch.allow_cuts()
