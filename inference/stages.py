"""What a worker is put together from (`inference.start`), for the one that moves entries between them."""

from dataclasses import dataclass

from common.connections import Keeper
from common.process import Reporter
from inference.ahead import Ahead
from inference.batcher import Batcher
from inference.batches import Batches
from inference.consumer import Consumer
from inference.pace import Pace
from inference.presence import Presence
from inference.publisher import Publisher
from inference.results import Results


@dataclass(frozen=True)
class Stages:
    """A worker's parts, each with its one job."""

    link: Keeper
    consumer: Consumer
    batcher: Batcher
    batches: Batches
    publisher: Publisher
    presence: Presence
    results: Results
    reporter: Reporter
    pace: Pace
    ahead: Ahead
