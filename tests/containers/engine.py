"""A container engine as the tests use it: Docker here, Podman, which is used alike, in `podman`."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class UnavailableError(Exception):
    """No container can be run here, and why."""


def run(
    command: list[str], timeout_s: float, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, without input; its output is one text."""
    return subprocess.run(
        command,
        check=False,
        timeout=timeout_s,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


class Engine:
    """Docker."""

    def __init__(self) -> None:
        self.command = ["docker"]
        self.build_options: list[str] = []
        self.environment = dict(os.environ)

    def answers(self) -> bool:
        """Whether there is an engine behind the command."""
        found = shutil.which(self.command[0]) is not None
        return found and self.run("info", timeout_s=20).returncode == 0

    def start(self) -> None:
        """Makes it ready.

        Raises:
            UnavailableError: it cannot be.
        """

    def stop(self) -> None:
        """Ends what `start` started."""

    def run(
        self, *arguments: str, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """One command of the engine's."""
        return run(
            [*self.command, *arguments], timeout_s, env=self.environment, cwd=ROOT
        )

    def build(
        self, part: str, target: str, tag: str, **arguments: object
    ) -> subprocess.CompletedProcess[str]:
        """Builds a stage of a part's Dockerfile from the top of the repository."""
        pairs = [f"{name}={value}" for name, value in arguments.items()]
        return self.run(
            *("build", *self.build_options, "-f", f"{part}/Dockerfile"),
            *("--target", target, "-t", tag),
            *(word for pair in pairs for word in ("--build-arg", pair)),
            ".",
            timeout_s=1500,
        )

    def image(self, tag: str) -> dict[str, Any]:
        """An image's configuration, its HEALTHCHECK as ``Healthcheck``, and its ``Size`` in bytes."""
        (found,) = json.loads(self.run("image", "inspect", tag).stdout)
        health = found["Config"].get("Healthcheck") or found.get("Healthcheck")
        return {**found["Config"], "Healthcheck": health, "Size": found["Size"]}

    def compose(self, folder: Path, *arguments: str, timeout_s: float = 300) -> str:
        """Runs docker-compose on the files in a folder; its output.

        Raises:
            AssertionError: it failed.
        """
        plugin = run([*self.command, "compose", "version"], 20).returncode == 0
        program = [*self.command, "compose"] if plugin else ["docker-compose"]
        files = [word for name in sorted(folder.glob("*.yml")) for word in ("-f", name)]
        with (folder / "output").open("w+") as output:
            process = subprocess.Popen(
                [*program, *map(str, files), *arguments],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            give_up_at = time.monotonic() + timeout_s
            try:
                while process.poll() is None and time.monotonic() < give_up_at:
                    self.meanwhile()
                    time.sleep(0.5)
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            said = output.read()
        assert process.returncode == 0, f"{arguments}: {said}"
        return said

    def meanwhile(self) -> None:
        """What has to happen again and again while containers start."""
