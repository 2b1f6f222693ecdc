"""A whole Pictor, started as a user would, on free ports and in a folder of its own."""

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
START_S = (
    90  # the longest a start may take where TensorFlow is imported by every worker
)
STOP_S = 30


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def environment(**settings: object) -> dict[str, str]:
    """This process's environment with these PICTOR_* settings and no others."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PICTOR_")
    }
    return kept | {
        f"PICTOR_{name.upper()}": str(value) for name, value in settings.items()
    }


class System:
    """``python -m common`` as a child process; a context manager that leaves nothing running."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.port = free_port()
        self.metrics_port = free_port()
        self.data_dir = folder
        self.url = f"http://127.0.0.1:{self.port}"
        self.metrics_url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        self.lines: list[str] = []
        self._heard: queue.Queue[str | None] = queue.Queue()
        own = {
            "port": self.port,
            "worker_metrics_port": self.metrics_port,
            "data_dir": folder,
        }
        self.environment = environment(**own | settings)
        self.process: subprocess.Popen[str]

    @property
    def redis_url(self) -> str:
        """The embedded server's address."""
        return f"unix://{self.data_dir / 'redis' / 'redis.sock'}"

    def __enter__(self) -> Self:
        self.launch()
        self.wait_for("ready after")
        return self

    def launch(self) -> None:
        """Starts it, without waiting."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "common"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                self._heard.put(line)
        self._heard.put(None)

    def wait_for(self, text: str, timeout_s: float = START_S) -> None:
        """Returns when a line of output holds the text; fails when it ends before that."""
        while True:
            line = self._heard.get(timeout=timeout_s)
            if line is None:
                raise AssertionError(
                    f"ended before it said {text!r}:\n{''.join(self.lines)}"
                )
            if text in line:
                return

    def processes(self, words: str) -> list[psutil.Process]:
        """Its descendants whose command line holds these words."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in found if words in _line(one)]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ends it as Ctrl-C does; its exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            left = psutil.Process(self.process.pid).children(recursive=True)
            running = [" ".join(one.cmdline()) for one in left]
            said = "".join(self.lines[-40:])
            raise AssertionError(f"it does not stop: {running}\n{said}") from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is not None:
            return
        left = psutil.Process(self.process.pid).children(recursive=True)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()  # what a test has stopped cannot end
        try:
            self.stop()
        finally:
            self.process.kill()
            self.process.wait()
            for one in (p for p in left if p.is_running()):
                one.kill()


def with_model(data_dir: Path, models: Path) -> Path:
    """A data folder in which the converted model lies already."""
    shutil.copytree(models, data_dir / "models", dirs_exist_ok=True)
    return data_dir


def metric(url: str, name: str) -> float:
    """The sum of a metric's samples at an address, as `total` has it."""
    return total(urllib.request.urlopen(url, timeout=10).read().decode(), name)


def total(text: str, name: str) -> float:
    """The sum of a metric's samples, over all labels; 0 where it has not been counted yet."""
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def pids(system: System) -> set[int]:
    """Workers and gateways."""
    parts = system.processes("inference worker") + system.processes("gateway serve")
    return {one.pid for one in parts}


def _line(process: psutil.Process) -> str:
    """Its command line; empty once it has ended, as it may while it is looked at."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
