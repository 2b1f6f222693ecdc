"""Pictor's client: pictures to categories through a running Pictor, one or a whole collection.

::

    async with Client("http://127.0.0.1:8000") as pictor:
        answer = await pictor.classify("dog.jpeg")
        print(answer.best.label, answer.best.score)

        async for outcome in pictor.classify_many(Path("photos").glob("*.jpg")):
            print(outcome.picture, outcome.answer or outcome.error)

`SyncClient` is the same for programs without asyncio. It waits when the server asks it to, tries again
when a connection fails, and never has more under way than it was told.
"""

from client.answers import Answer, Map, Outcome, Prediction
from client.asynchronous import Client
from client.errors import (
    BadAddress,
    BadAnswer,
    ClientError,
    PatienceOver,
    Refused,
    Unreadable,
)
from client.synchronous import SyncClient

__all__ = [
    "Answer",
    "BadAddress",
    "BadAnswer",
    "Client",
    "ClientError",
    "Map",
    "Outcome",
    "PatienceOver",
    "Prediction",
    "Refused",
    "SyncClient",
    "Unreadable",
]
