"""What a run needs of those who classify: `client.collection.remote` and `client.collection.local`."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final, Protocol

import msgspec

from client.collection.records import Content

GROUP_BYTES: Final = 4_000_000  # of pictures that are handed over together


class Picture(msgspec.Struct, frozen=True):
    """A file's bytes, read and not yet classified.

    Attributes:
        number: of the file in the ledger.
        digest: SHA-256, 32 bytes.
    """

    number: int
    digest: bytes
    data: bytes


class Failed(msgspec.Struct, frozen=True):
    """A picture that was refused: a stable slug, and what to do about it."""

    code: str
    reason: str


class Ended(msgspec.Struct, frozen=True):
    """What became of a picture."""

    number: int
    digest: bytes
    outcome: Content | Failed


class Answerer(Protocol):
    """Classifies pictures; an async context manager.

    Attributes:
        model_digest: of the model that answers, once it is known; empty before.
        trouble: what it waits for that may never come, such as a server that is away; empty: nothing.
    """

    model_digest: str

    @property
    def trouble(self) -> str: ...

    def classify(self, pictures: AsyncIterable[Picture]) -> AsyncGenerator[Ended, None]:
        """Classifies pictures as they come, a bounded number at a time; ends come in no order.

        Raises:
            client.errors.ClientError: it cannot go on; pictures that have not ended are left to do.
        """


async def groups(
    pictures: AsyncIterable[Picture], most: int
) -> AsyncGenerator[list[Picture], None]:
    """Pictures in groups of up to `most`, none larger than GROUP_BYTES but that of one picture."""
    group: list[Picture] = []
    size = 0
    async for picture in pictures:
        if group and (len(group) == most or size + len(picture.data) > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(picture)
        size += len(picture.data)
    if group:
        yield group
