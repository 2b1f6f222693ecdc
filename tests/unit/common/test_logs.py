"""Logging: lines on standard error, for as long as somebody reads them, and no secret in them."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.system import ROOT

SPEAKS = """
import sys
from common import logs
logs.set_up("part", "info")
log = logs.get("test")
for number in range(3):
    log.info("a line", number=number)
    sys.stdin.readline()
print("went on")
"""

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


def test_lines_are_json_where_there_is_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKS],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["number"] for line in lines] == [0, 1, 2]
    assert {line["process"] for line in lines} == {"part"}


def test_work_goes_on_when_nobody_reads_the_log() -> None:
    """Whoever logs to a pipe whose reader has died must not fail for that."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", SPEAKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
    ) as speaker:
        os.close(writing)
        assert b"a line" in os.read(reading, 4096)
        os.close(reading)
        said, _ = speaker.communicate("\n" * 3, timeout=30)
    assert said == "went on\n"
    assert speaker.returncode == 0
