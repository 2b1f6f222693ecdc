"""The gateway process: connections fit into what the system allows."""

import subprocess
import sys

import pytest

from tests.support.system import ROOT

ASKS = """
import resource, sys
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from gateway.__main__ import possible_connections
print(possible_connections(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [
        (256, 1024, 512, (512, 640)),  # the soft limit is raised
        (1024, 1024, 512, (512, 1024)),  # and never lowered
        (256, 1024, 4096, (896, 1024)),  # the hard one is what there is
    ],
)
def test_connections_fit_into_the_limit_on_open_files(
    soft: int, hard: int, wanted: int, expected: tuple[int, int]
) -> None:
    command = [sys.executable, "-c", ASKS, *map(str, (soft, hard, wanted))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    connections, limit = map(int, done.stdout.split()[-2:])
    assert (connections, limit) == expected
    assert ("ulimit" in done.stdout + done.stderr) == (connections < wanted)
