"""What the decoder process may use; tried in processes of their own, since limits are for good."""

import os
import signal
import subprocess
import sys
import time

import pytest

from inference import sandbox

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is bounded on Linux alone"
)
MEGABYTE = 1 << 20
START = "from inference.sandbox import Sandbox; box = Sandbox(1_000_000)\n"


def run(code: str, *, as_nobody: bool = False) -> subprocess.CompletedProcess[str]:
    """What becomes of a process that runs this in the sandbox."""
    imports = "import ctypes, os, resource, socket, time\n"
    drop = "os.setgid(65534); os.setuid(65534)\n" if as_nobody else ""
    return subprocess.run(
        [sys.executable, "-c", imports + START.replace("\n", f"\n{drop}") + code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "door",
    [
        "open('/etc/hostname')",
        "open('/tmp/pictor-sandbox-test', 'w')",
        "socket.socket()",
        "socket.socketpair()",
        "os.pipe()",
        "os.memfd_create('x')",
    ],
)
def test_nothing_can_be_opened(door: str) -> None:
    done = run(door)
    assert done.returncode == 1
    assert "Too many open files" in done.stderr


def test_what_is_inherited_is_of_no_use_for_more() -> None:
    """Only the standard streams and its own memory's size; no core dump, no new rights."""
    done = run(
        "print([fd for fd in range(64) if not ctypes.CDLL(None).fcntl(fd, 1) < 0])\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))\n"
        "print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))"
    )
    assert done.stdout.splitlines() == ["[0, 1, 2, 3]", "(0, 0) 0", "1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is to be played")
def test_it_cannot_multiply() -> None:
    """Root could; the images' user is none."""
    assert "BlockingIOError" in run("os.fork()", as_nobody=True).stderr


@pytest.mark.parametrize(
    ("pixels", "fits_mb", "bursts_mb"), [(0, 60, 90), (10_000_000, 290, 330)]
)
def test_memory_follows_from_the_pixels(
    pixels: int, fits_mb: int, bursts_mb: int
) -> None:
    begin = f"box.begin(0); box.opened({pixels})\n"
    assert run(f"{begin}bytes({fits_mb * MEGABYTE})").returncode == 0
    assert "MemoryError" in run(f"{begin}bytes({bursts_mb * MEGABYTE})").stderr


def test_between_pictures_memory_is_not_bounded() -> None:
    """An upload may be larger than what its picture needs."""
    code = f"box.begin(0); box.opened(1); box.end(); bytes({400 * MEGABYTE})"
    assert run(code).returncode == 0


@pytest.mark.parametrize(
    ("deed", "number"),
    [("while True: pass", signal.SIGPROF), ("time.sleep(60)", signal.SIGALRM)],
)
def test_time_ends_by_the_processor_and_by_the_wall(
    deed: str, number: signal.Signals
) -> None:
    started = time.monotonic()
    done = run(f"box.begin(0)\n{deed}")
    assert done.returncode in {-number, -signal.SIGALRM}
    assert time.monotonic() - started < sandbox.wall_s(0) + 2


def test_time_that_was_left_over_is_taken_back() -> None:
    wait_s = sandbox.wall_s(0) + 0.3
    assert run(f"box.begin(0); box.end(); time.sleep({wait_s})").returncode == 0


def test_the_largest_picture_has_time_within_the_deadline() -> None:
    assert sandbox.wall_s(0) <= 3
    assert sandbox.cpu_s(64_000_000) < sandbox.wall_s(64_000_000) < 10


FIRST_PROCESS = """
import ctypes, os, socket
import msgspec
from inference import decoder_process
from inference.decoder_memory import Layout, shared_file
from inference.models.preprocessing import Preprocessing

def fork():
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)  # PR_GET_DUMPABLE
    os._exit(0)

os.fork = fork
layout = Layout.of(1, 8 * 8 * 3, 1000)
encode = lambda one: msgspec.json.encode(one).decode()
ours, theirs = socket.socketpair()
socket.send_fds(ours, [b"+"], [ours.fileno()])
decoder_process.main(
    [str(theirs.detach()), str(shared_file(layout.size)), encode(layout),
     encode(Preprocessing(height=8, width=8)), "1000"]
)
"""


def test_nobody_may_trace_the_process_that_decoders_are_forked_from() -> None:
    """One of them that was taken over could take over all that follow."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PROCESS],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
