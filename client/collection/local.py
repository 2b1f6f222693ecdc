"""Pictures to processes of this one's own, one a core: no server, no Redis."""

import asyncio
import math
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from client.collection.answering import Ended, Failed, Picture, groups
from client.collection.local_child import Child, LocalError
from client.collection.local_model import NOT_INSTALLED
from client.collection.records import Content
from client.many import outcomes
from common import formats
from common.errors import StartError, from_code
from common.settings import Settings

if TYPE_CHECKING:
    from client.collection.local_process import Result

TOGETHER: Final = 8  # pictures; the rate is flat from 4 on (docs/performance.md)
IN_HAND: Final = 3  # batches a process: one with the engine, two on their way
START_S: Final = 120.0  # on a busy machine


class Local:
    """An `Answerer`: processes laid out as this machine was calibrated, or one a core.

    Attributes:
        model: its name.
        model_digest: known once it has been entered.
        trouble: never any; what goes wrong ends it.
    """

    trouble = ""

    def __init__(self, settings: Settings, *, top_k: int) -> None:
        """Nothing is started yet.

        Args:
            settings: model, engine, data folder and bounds.
            top_k: how many predictions, at least 1.
        """
        self._settings, self._top_k = settings, top_k
        self._children: list[Child] = []
        self._together = TOGETHER
        self.model = self.model_digest = ""

    async def __aenter__(self) -> Self:
        """Prepares the model if need be, and returns when all processes are warm.

        Raises:
            StartError: the model cannot be had; the message says what to do.
            LocalError: a process did not come up.
        """
        try:
            settings, processes, threads = await asyncio.to_thread(
                _prepared, self._settings
            )
            self._together = min(TOGETHER, settings.max_batch or TOGETHER)
            for _ in range(processes):
                child = await Child.start(settings, threads, self._top_k)
                self._children.append(child)
            async with asyncio.timeout(START_S):
                said = [await child.ready for child in self._children]
        except BaseException as error:
            await self.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                raise LocalError(f"no process is ready after {START_S:g} s") from error
            raise
        self.model, self.model_digest = said[0].model, said[0].model_digest
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes, once they have done what they have in hand."""
        for child in self._children:
            child.hang_up()
        for child in self._children:
            await child.gone()
        self._children.clear()

    async def classify(
        self, pictures: AsyncIterable[Picture]
    ) -> AsyncGenerator[Ended, None]:
        """As `Answerer.classify`; raises LocalError where a process dies."""
        given = groups(pictures, self._together)
        at_once = IN_HAND * len(self._children)
        async with aclosing(outcomes(self._several, given, at_once)) as source:
            async for ends in source:
                for ended in ends:
                    yield ended

    async def _several(self, pictures: Sequence[Picture]) -> list[Ended]:
        codes = [formats.refused(one.data) for one in pictures]  # as a gateway does
        data = [one.data for one, code in zip(pictures, codes, strict=True) if not code]
        following = iter(await self._asked(data))
        return [
            Ended(
                *(one.number, one.digest),
                _failed(code) if code else self._outcome(one, next(following)),
            )
            for one, code in zip(pictures, codes, strict=True)
        ]

    async def _asked(self, pictures: Sequence[bytes]) -> "list[Result]":
        """What becomes of each: of those who have nothing to do, each has its part of the work."""
        idle = [one for one in self._children if not one.waiting]
        asked = idle or [min(self._children, key=lambda one: len(one.waiting))]
        size = max(1, math.ceil(len(pictures) / len(asked)))
        parts = [pictures[at : at + size] for at in range(0, len(pictures), size)]
        answers = await asyncio.gather(*map(Child.ask, asked, parts))
        return [result for answer in answers for result in answer]

    def _outcome(self, picture: Picture, result: "Result") -> Content | Failed:
        if result.code:
            return _failed(result.code)
        return Content(
            digest=picture.digest,
            size=len(picture.data),
            predictions=result.predictions,
            model=self.model,
            model_digest=self.model_digest,
            ms=result.ms,
            looks=result.looks,
        )


def _failed(code: str) -> Failed:
    return Failed(code, from_code(code).detail)


def _prepared(settings: Settings) -> tuple[Settings, int, int]:
    """The settings of each process, how many there are, and their engines' threads.

    The model is converted first, if it was not yet; raises StartError where it cannot be had.
    """
    import subprocess

    try:
        from inference import layout
        from inference.engine import choose, gpu
        from inference.models import catalogue, conversion
    except ImportError as error:
        raise StartError(f"{NOT_INSTALLED} ({error})") from None

    spec = catalogue.resolve(settings.model, settings.data_path)
    kind = choose(settings.engine)
    if kind == "litert" and conversion.cached(spec, settings.data_path) is None:
        command = (sys.executable, "-m", "inference.prepare", settings.model)
        done = subprocess.run(
            (*command, str(settings.data_path)), check=False, stdout=sys.stderr
        )
        if done.returncode:
            raise StartError(f"{settings.model} could not be prepared")
    stored = layout.stored(
        *(settings.data_path, spec.digest, kind, settings.precision), gpu=gpu()
    )
    chosen = layout.chosen(settings, stored, gpu=gpu() and kind == "tensorflow")
    return layout.as_set(settings, chosen), chosen.shape.processes, chosen.shape.threads
