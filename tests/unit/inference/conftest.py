"""A decoder, for those who try it."""

from collections.abc import AsyncIterator

import pytest

from inference.decoder import Decoder
from tests.support.decoders import LARGEST, MOST, RECIPE


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(RECIPE, max_batch=8, max_pixels=MOST, max_bytes=LARGEST)
    await decoder.start()
    yield decoder
    await decoder.close()
