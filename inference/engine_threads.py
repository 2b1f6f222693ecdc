"""The threads that an engine computes in: one for people's batches, one for collections'.

A collection's leaves the core to everybody else who wants it: another worker's engine with a person's
picture, gateways, Redis. Two threads, since anybody may raise a niceness and few may take it back; one of
them at a time has work.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

NICENESS: Final = 10  # beside people's work a tenth of a core, where all are busy

Given = TypeVar("Given")
Made = TypeVar("Made")


class EngineThreads:
    """Both, of one engine."""

    def __init__(self) -> None:
        self._people = ThreadPoolExecutor(1, "engine")
        self._behind = ThreadPoolExecutor(1, "engine-behind", _behind)

    async def run(
        self, work: Callable[[Given], Made], given: Given, *, behind: bool
    ) -> Made:
        """What `work` makes of something; `behind` all others who want the core, or beside them."""
        thread = self._behind if behind else self._people
        return await asyncio.get_running_loop().run_in_executor(thread, work, given)

    def close(self) -> None:
        """Ends them, once they have done what they have."""
        self._people.shutdown()
        self._behind.shutdown()


def _behind() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process's
        with contextlib.suppress(OSError):  # not allowed: then beside all others
            os.nice(NICENESS)
