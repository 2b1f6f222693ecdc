"""What is written down: never the variables of a traceback, which may be secrets."""

import subprocess
import sys

import pytest

from tests.support.system import ROOT

FAILS = """
import sys
from common import logs
class Terminal:
    def __init__(self, stream): self.stream = stream
    def isatty(self): return {terminal}
    def __getattr__(self, name): return getattr(self.stream, name)
sys.stderr = Terminal(sys.stderr)
logs.set_up("test", "debug")
def connect(address):
    raise RuntimeError("no luck")
try:
    connect("redis://:" + "pass" + "word-7" + "@host")
except RuntimeError as error:
    logs.get("x").error("a bug", exc_info=error)
    import logging
    logging.getLogger("library").error("its bug", exc_info=error)
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_traceback_shows_no_variables(terminal: bool) -> None:
    """At a terminal rich would show them, if it is installed, and Keras brings it."""
    done = subprocess.run(
        [sys.executable, "-c", FAILS.format(terminal=terminal)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("RuntimeError: no luck") == 2
    assert "in connect" in done.stderr
    assert "password-7" not in done.stderr
