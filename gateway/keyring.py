"""The keys that are valid now: read at the start, and again when their file has changed."""

import asyncio
from pathlib import Path
from typing import Final

from common import logs, process
from common.errors import StartError
from gateway import api_keys
from gateway.api_keys import Key

LOOK_S: Final = 0.25

log = logs.get(__name__)


class Keyring:
    """Knows the keys of a file."""

    def __init__(self, path: Path) -> None:
        """Reads the file; raises StartError where that fails."""
        self._path = path
        self._read_at = self._looked_at = self._state()
        self._keys = api_keys.read(path)
        self._task: asyncio.Task[None] | None = None

    def find(self, given: str) -> tuple[str, Key] | None:
        """The name and the line of a key that somebody has sent, if it is valid."""
        return api_keys.find(self._keys, given)

    def start(self) -> None:
        """Starts to look after the file."""
        self._task = asyncio.create_task(self._watch())
        process.essential(self._task)

    async def stop(self) -> None:
        """Stops that."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Reads the file again if it has changed, and not while it is being written.

        A file that cannot be read changes nothing: the last good keys stay valid, since a slip of an
        editor should neither lock everybody out nor let anybody in.
        """
        before, self._looked_at = self._looked_at, self._state()
        if self._looked_at != before or self._looked_at == self._read_at:
            return
        self._read_at = self._looked_at
        try:
            self._keys = api_keys.read(self._path)
        except StartError as error:
            log.error("the API keys stay as they were", reason=str(error))
            return
        log.info("API keys read", keys=len(self._keys))

    def _state(self) -> tuple[int, ...]:
        """What differs when the file does."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        # The mode as well: made unreadable is a change, and made readable again another.
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
