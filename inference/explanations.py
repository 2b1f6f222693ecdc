"""How an entry ends that asks what the network looked at: known already, refused, or with a map.

What is known by content costs neither decoder nor network. The Keras model (`inference.activation_maps`) is
built when the first map is really to be made.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from common import keys, logs, wire
from common.connections import Keeper, memory_share
from common.errors import StartError
from common.wire import MAX_TOP_K
from inference import metrics
from inference.activation_maps import ActivationMaps, NoMap, Row, scaled
from inference.batches import ImageDecoder
from inference.entries import Entry
from inference.models.preprocessing import Preprocessing
from inference.presence import CACHE_SHARE
from inference.publisher import Ending
from inference.results import Best, Results

CANNOT: Final = "no-explainer"
Box = tuple[float, float, float, float]
Made = TypeVar("Made")

log = logs.get(__name__)


class Explanations:
    """Makes endings with maps, for one model.

    Attributes:
        has_room: Redis has memory for more than results, as of the last entry.
    """

    def __init__(
        self,
        link: Keeper,
        decoder: ImageDecoder,
        open_maps: Callable[[], ActivationMaps],
        preprocessing: Preprocessing,
        results: Results,
        *,
        classes: int,
        keep_best: bool,
    ) -> None:
        """Nothing is built yet.

        Args:
            link: to Redis.
            decoder: has been started.
            open_maps: builds the network; raises as `ActivationMaps.open`. It is called at most once.
            preprocessing: of the network.
            results: of the model that is served.
            classes: of the network.
            keep_best: the network's probabilities are those that the engine answers.
        """
        self._link, self._decoder, self._open = link, decoder, open_maps
        self._preprocessing, self._results = preprocessing, results
        self._classes, self._keep_best = classes, keep_best
        self._maps: ActivationMaps | None = None
        self._cannot = ""  # why there are no maps
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="maps")
        self.has_room = True

    def close(self) -> None:
        """Ends the network's thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def ending(self, entry: Entry) -> Ending:
        """How an entry ends.

        Raises:
            LinkLost, ReplyError: Redis does not say what is known already.
        """
        now, info = await self._link.calls((("TIME",), ("INFO", "memory")))
        self.has_room = memory_share(info) < CACHE_SHARE
        now_ms = int(now[0]) * 1000 + int(now[1]) / 1000
        if expired := self._results.expired([entry], now_ms):
            return expired[0]
        if not 1 <= entry.request.explain <= min(MAX_TOP_K, self._classes):
            return self._results.failure(entry, "bad-parameter")
        best = await self._known(entry)
        look = None if best is None else await self._kept(entry, best)
        if best is not None and look is not None:
            timing = wire.Timing()
            return self._results.explained(entry, best, timing, look, cached=True)
        waited_s = now_ms / 1000 - entry.arrived_ms / 1000
        return await self._made(entry, best, max(0.0, waited_s))

    async def _made(self, entry: Entry, best: Best | None, waited_s: float) -> Ending:
        started = time.perf_counter()
        if not await self._ready():
            return self._results.failure(entry, CANNOT)
        decoding = time.perf_counter()
        (decoded,), pixels = await self._decoder.decode([(entry.image, 0)])
        if decoded.code:
            return self._results.failure(entry, decoded.code)
        box = self._preprocessing.kept(decoded.height, decoded.width)
        looking = time.perf_counter()
        try:
            found, look = await self._in_thread(
                lambda: self._look(pixels, entry.request.explain, best, box)
            )
        except Exception:  # whatever the network does, others still want their maps
            log.exception("no map could be made", id=entry.request.id)
            return self._results.failure(entry, CANNOT)
        ended = time.perf_counter()
        metrics.MAP.observe(ended - looking)
        timing = wire.Timing(
            (waited_s + decoding - started) * 1000,
            (looking - decoding) * 1000,
            (ended - looking) * 1000,
            batch=1,
        )
        keep_best = self._keep_best and best is None
        return self._results.explained(entry, found, timing, look, keep_best=keep_best)

    def _look(
        self, pixels: NDArray[np.uint8], rank: int, best: Best | None, box: Box
    ) -> tuple[Best, wire.Map]:
        """The categories, those that were answered before where there are such, and the map of one."""
        assert self._maps is not None

        def ranked(row: Row) -> Best:
            return best or self._results.best(row)

        row, grid = self._maps.of(pixels, lambda row: ranked(row)[rank - 1][0])
        rows, columns = grid.shape
        look = wire.Map(
            *(wire.VERSION, rank, rows, columns, scaled(grid)),
            *(box, self._maps.method),
        )
        return ranked(row), look

    async def _ready(self) -> bool:
        """Whether there is a network to ask; it is built now if need be."""
        if self._maps is None and not self._cannot:
            started = time.perf_counter()
            try:
                self._maps = await self._in_thread(self._open)
                seconds = round(time.perf_counter() - started, 1)
                log.info("maps", method=self._maps.method, built_in_s=seconds)
            except (StartError, NoMap) as error:
                self._cannot = str(error)
                log.error("there are no maps of this network", reason=self._cannot)
            except Exception as error:  # it will not be another network next time
                self._cannot = repr(error)
                log.exception("there are no maps of this network")
        return self._maps is not None

    async def _known(self, entry: Entry) -> Best | None:
        """The categories, where they have been answered before."""
        if not self._results.may_be_cached(entry):
            return None
        digest = self._results.model_digest
        data = await self._link.call("GET", keys.cache(digest, entry.request.digest))
        try:
            best = () if data is None else wire.read_known(data).best
        except wire.WireError:  # another version's
            return None
        fits = all(0 <= place < self._classes for place, _ in best)
        return best if fits and len(best) >= entry.request.explain else None

    async def _kept(self, entry: Entry, best: Best) -> wire.Map | None:
        """The map of the category of the rank that is asked for, where it has been made before."""
        rank, digest = entry.request.explain, self._results.model_digest
        key = keys.map_of(digest, entry.request.digest, best[rank - 1][0])
        data = await self._link.call("GET", key)
        try:
            look = None if data is None else wire.read_map(data)
        except wire.WireError:  # another version's; it will be written anew
            return None
        return None if look is None else msgspec.structs.replace(look, rank=rank)

    async def _in_thread(self, work: Callable[[], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
