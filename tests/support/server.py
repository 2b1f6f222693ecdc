"""An embedded server for tests that need Redis and nothing else."""

import asyncio
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from common import connections, embedded


class Server:
    """The embedded server's program on a unix socket, nothing kept on disk."""

    def __init__(self, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pictor-test-")
        socket = Path(self._folder.name) / "redis.sock"
        self.url = f"unix://{socket}"
        self._command = [
            *(embedded.binary(), "--port", "0", "--unixsocket", str(socket)),
            *(
                "--dir",
                self._folder.name,
                "--save",
                "",
                "--appendonly",
                "no",
                *arguments,
            ),
        ]
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it and returns once it answers."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        asyncio.run(connections.check(self.url, patience_s=10))

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()
