"""Figures that tests measure, shown at the end of a run."""

from collections.abc import Callable

import pytest

Figures = Callable[..., None]


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Keeps figures for the summary at the end of the run."""

    def keep(**values: object) -> None:
        for name, value in values.items():
            shown = f"{value:.1f}" if isinstance(value, float) else value
            record_property(name.replace("_", " "), shown)

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of each test."""
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if report.when == "call" and report.user_properties
    ]
    if reports:
        terminalreporter.section("figures")
    for report in reports:
        shown = "; ".join(f"{name} {value}" for name, value in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid.partition('::')[2]}: {shown}")
