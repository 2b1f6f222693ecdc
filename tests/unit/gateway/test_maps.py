"""Who asks for a map is let in where somebody makes them and few wait; a real server."""

from collections.abc import AsyncIterator

import pytest

from common import keys
from common.connections import Keeper
from common.errors import BrokerAway, NoExplainer, QueueFull
from gateway import maps as maps_module
from gateway.maps import Maps


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


async def there(link: Keeper, waiting: int = 0) -> None:
    await link.call("SET", keys.explainer("m"), b"")
    for _ in range(waiting):
        await link.call("XADD", keys.explanations("m"), "*", "h", "x")


async def test_where_somebody_looks_there_is_room(link: Keeper) -> None:
    await there(link, waiting=3)
    assert await Maps(link, "m", on=True).room() == 3


async def test_where_nobody_looks_none_waits_in_vain(link: Keeper) -> None:
    with pytest.raises(NoExplainer) as refused:
        await Maps(link, "m", on=True).room()
    assert refused.value.retry_after_s


async def test_of_another_model_nobody_looks(link: Keeper) -> None:
    await there(link)
    with pytest.raises(NoExplainer):
        await Maps(link, "another", on=True).room()


async def test_switched_off_is_off(link: Keeper) -> None:
    await there(link)
    with pytest.raises(NoExplainer) as refused:
        await Maps(link, "m", on=False).room()
    assert refused.value.retry_after_s is None


async def test_few_may_wait(link: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps_module, "MOST_WAITING", 4)
    await there(link, waiting=4)
    with pytest.raises(QueueFull) as refused:
        await Maps(link, "m", on=True).room()
    assert refused.value.retry_after_s


async def test_without_redis_it_is_away() -> None:
    link = Keeper("unix:///nowhere")
    with pytest.raises(BrokerAway):
        await Maps(link, "m", on=True).room()
