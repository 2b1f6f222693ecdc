"""The classic acceptance script, run as its users run it."""

import os
import subprocess
import sys

from tests.support.system import ROOT, System


def test_the_script_passes_against_a_running_system(system: System) -> None:
    done = subprocess.run(
        [sys.executable, "tests/test_integration.py"],
        cwd=ROOT,
        env=os.environ | {"API_URL": system.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr
    assert done.stderr.rstrip().endswith("OK")
