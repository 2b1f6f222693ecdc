"""axe-core looks at every state, light and dark; it finds nothing."""

import pytest
from axe_playwright_python.sync_playwright import Axe, AxeResults

from tests.browser.conftest import Visit
from tests.browser.states import STATES, UNUSED
from tests.browser.watch import Watch
from tests.support.system import System

OPTIONS = {"resultTypes": ["violations"]}


def found(results: AxeResults) -> list[str]:
    """For each rule that is broken, how often, and some of the elements that do."""
    lines = []
    for rule in results.response["violations"]:
        nodes = rule["nodes"]
        lines.append(f"{rule['id']}: {len(nodes)} times, {rule['help']}")
        lines += [f"  {one['target']} {one['html'][:160]}" for one in nodes[:5]]
        lines += [f"  {nodes[0].get('failureSummary')}"]
    return lines


@pytest.mark.timeout(180)
@pytest.mark.parametrize("state", STATES)
def test_no_violations(
    visit: Visit,
    watch: Watch,
    system: System,
    request: pytest.FixtureRequest,
    state: str,
) -> None:
    at = request.getfixturevalue("fresh") if state in UNUSED else system
    watch.allow_statuses(400, 415)
    watch.allow_cuts()
    page = visit(at=at, color_scheme="light", reduced_motion="reduce")
    STATES[state](page, at)
    axe = Axe()
    light = found(axe.run(page, options=OPTIONS))
    page.emulate_media(color_scheme="dark")
    dark = found(axe.run(page, options=OPTIONS))
    assert not light, "light:\n" + "\n".join(light)
    assert not dark, "dark:\n" + "\n".join(dark)
