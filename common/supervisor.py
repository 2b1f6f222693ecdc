"""Children: started in order, started again when they die, renewed in turn, stopped in reverse.

`make run` uses it for server, inference and gateway; the inference and gateway parents use it for
their own processes. What happens to one of them is in `common.child`.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from common.child import Child, ChildFailed, End, Kept
from common.errors import StartError

READY_S: Final = (
    120.0  # for a fresh process; TensorFlow takes half a minute on a busy machine
)

__all__ = ["Child", "ChildFailed", "End", "Supervisor"]


class Supervisor:
    """Keeps children running until it is told to stop."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self._stopping = False

    async def start(self, child: Child) -> None:
        """Starts a child and waits until it is ready; from then on it is kept running.

        Raises:
            ChildFailed: it ended before it was ready the first time.
        """
        kept = Kept(child)
        self._kept.append(kept)
        await kept.start()

    async def renew(self) -> None:
        """Replaces each child's process by a fresh one, in turn: the old one stays until then.

        Raises:
            StartError: a fresh one did not become ready in time; its old one and the rest stay.
        """
        for old in list(self._kept):
            if self._stopping:
                return
            fresh = Kept(old.child)
            self._kept.append(fresh)
            try:
                async with asyncio.timeout(READY_S):
                    await fresh.start()
            except BaseException as error:
                fresh.kill()
                await fresh.stop()
                self._forget(fresh)
                if isinstance(error, TimeoutError):
                    raise StartError(f"{old.child.name} did not become ready") from None
                raise
            await old.stop()
            self._forget(old)

    def _forget(self, kept: Kept) -> None:
        if kept in self._kept:
            self._kept.remove(kept)

    def signal_to(self, names: Collection[str], number: int) -> None:
        """Hands a signal on to the children of these names that can hear it: those that are ready."""
        for kept in self._kept:
            if kept.child.name in names and kept.ready:
                kept.signal(number)

    async def stop(self) -> None:
        """Stops all children, the last started first, each within its bounded wait."""
        self._stopping = True
        while self._kept:
            await self._kept[-1].stop()
            self._kept.pop()

    async def stop_together(self) -> None:
        """Stops all children at once, for children that are alike."""
        self._stopping = True
        await asyncio.gather(*(one.stop() for one in self._kept))
        self._kept.clear()

    def kill(self) -> None:
        """Ends all children at once, without asking; `stop` still has to collect them."""
        for kept in self._kept:
            kept.kill()

    def pids(self) -> dict[str, int]:
        """The process of each child that runs."""
        return {
            kept.child.name: kept.pid for kept in self._kept if kept.pid is not None
        }
