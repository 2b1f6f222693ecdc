"""Whether what the network looked at can be asked for: somebody is there to say it, and few wait."""

from typing import Final

from common import keys
from common.connections import Keeper
from common.errors import BrokerAway, NoExplainer, QueueFull
from common.link import LinkLost, ReplyError

MOST_WAITING: Final = 64  # entries; soft by as many as come at once
AGAIN_S: Final = 5.0  # when some of them will have ended


class Maps:
    """The way to those who make maps, of one model."""

    def __init__(self, link: Keeper, model: str, *, on: bool) -> None:
        """Nothing is asked yet.

        Args:
            link: to Redis, off the hot path.
            model: its name there.
            on: maps are given at all.
        """
        self._link, self._on = link, on
        self._stream, self._there = keys.explanations(model), keys.explainer(model)

    async def room(self) -> int:
        """Lets in one more who asks.

        Returns:
            How many wait before it.

        Raises:
            NoExplainer: nobody is there who would make a map.
            QueueFull: too many wait for theirs.
            BrokerAway: Redis does not say.
        """
        if not self._on:
            raise NoExplainer
        commands = (("EXISTS", self._there), ("XLEN", self._stream))
        try:
            there, waiting = await self._link.calls(commands)
        except (LinkLost, ReplyError) as error:
            raise BrokerAway(retry_after_s=1) from error
        if not there:
            raise NoExplainer(retry_after_s=AGAIN_S)
        if waiting >= MOST_WAITING:
            raise QueueFull(retry_after_s=AGAIN_S)
        return int(waiting)
