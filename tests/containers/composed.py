"""docker-compose.yml, running, as the tests look at it."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.containers.engine import Engine


@dataclass
class Composed:
    """A running project; its files lie in ``folder``."""

    engine: Engine
    folder: Path
    project: str
    port: int

    def compose(self, *arguments: str) -> str:
        return self.engine.compose(self.folder, "-p", self.project, *arguments)

    def up(self, *arguments: str) -> None:
        self.compose("up", "-d", "--no-build", *arguments)

    def containers(self, part: str) -> list[str]:
        """Names of the part's containers, running or not."""
        listed = self.engine.run(
            *("ps", "--all", "--format", "{{.Names}}"),
            *("--filter", f"label=com.docker.compose.project={self.project}"),
            *("--filter", f"label=com.docker.compose.service={part}"),
        )
        return listed.stdout.split()

    def inside(self, container: str, *command: str) -> str:
        """The output of a command run in a container."""
        return self.engine.run("exec", container, *command).stdout

    def comes_true(self, path: str, text: str, within_s: float = 15) -> bool:
        """Whether a page says this text in time; nobody may be listening yet."""
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            with contextlib.suppress(httpx.TransportError):
                if text in httpx.get(f"http://127.0.0.1:{self.port}{path}").text:
                    return True
            time.sleep(0.2)
        return False

    def classify(self, picture: bytes) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.port}/predict",
            files={"file": ("picture", picture)},
            timeout=30,
        )
