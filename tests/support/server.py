"""An embedded server for tests that need Redis and nothing else."""

import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from common import embedded

START_S = 10
# Beside users who may do little, one who may do all.
ADMIN: Final = "user admin reset on >admin ~* &* +@all"


class Server:
    """The embedded server's program on a unix socket, nothing kept on disk.

    Attributes:
        url: for the user ``default``, who may do everything unless `users` says otherwise.
        admin_url: with `users`, for their ``admin``.
    """

    def __init__(self, *arguments: str, users: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pictor-test-")
        socket = Path(self._folder.name) / "redis.sock"
        self.url = f"unix://{socket}"
        self.admin_url = f"unix://admin:admin@{socket}" if users else self.url
        if users:
            acl_file = Path(self._folder.name) / "users.acl"
            acl_file.write_text(f"{users}\n{ADMIN}\n")
            arguments = ("--aclfile", str(acl_file), *arguments)
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
        # Signals as they are: Python ignores SIGXFSZ, so that a file limit is an error, not a death.
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, restore_signals=False
        )
        give_up_at = time.monotonic() + START_S
        with redis.Redis.from_url(self.admin_url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:  # not listening, or still reading its file
                    if time.monotonic() > give_up_at:
                        raise
                time.sleep(0.01)

    @property
    def folder(self) -> Path:
        """Where it keeps its files."""
        return Path(self._folder.name)

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
