"""The embedded server's program in one durability mode, in a folder of its own, to be measured and killed."""

import asyncio
from pathlib import Path
from typing import Final, Literal

from common import connections, embedded
from common.connections import Keeper
from common.settings import Settings

Durability = Literal["none", "everysec", "always"]
START_S: Final = 60.0  # reading a large append-only file takes its time
MAXMEMORY_MB: Final = 4096
ADMIN: Final = "user admin reset on >admin ~* &* +@all\n"


class Server:
    """Started, killed and started again as often as wanted; what it keeps lies in ``folder``.

    Attributes:
        url: for Pictor's user.
        admin_url: for one who may do everything.
    """

    def __init__(self, folder: Path, durability: Durability, *arguments: str) -> None:
        self.folder = folder
        self.settings = Settings(
            data_dir=str(folder),
            durability=durability,
            redis_maxmemory_mb=MAXMEMORY_MB,
        )
        path = embedded.socket_path(self.settings.data_path)
        self.url = embedded.url(path)
        self.admin_url = embedded.url(path).replace("://", "://admin:admin@", 1)
        self._command = (*embedded.command(self.settings, path), *arguments)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        embedded.prepare(self.settings)
        with (self.folder / "redis" / embedded.ACL_FILE).open("a") as users:
            users.write(ADMIN)
        self._process = await asyncio.create_subprocess_exec(*self._command)
        await connections.check(self.url, START_S)

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Ends it in order, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def files(self) -> list[Path]:
        """The append-only file's parts."""
        return sorted((self.folder / "redis" / "appendonlydir").glob("*"))

    def disk_bytes(self) -> int:
        """What they take; one may go while they are counted."""
        total = 0
        for path in self.files():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total


async def info(link: Keeper, section: str) -> dict[str, str]:
    """The fields of a section of INFO."""
    text = (await link.call("INFO", section)).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them keeps (nearest rank); 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if values else 0.0
