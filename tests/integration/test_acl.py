"""A whole system lives with what it is granted in Redis."""

import re

import httpx

from common import acl
from common.connections import Keeper
from tests.support.pictures import distinct, photograph
from tests.support.system import System

# The server's own, at its start: its module for scripts reads its settings.
OWN = {"config|get"}


async def test_everything_works_and_nothing_is_refused(
    system: System, async_client: httpx.AsyncClient
) -> None:
    """Answers, the cache, both lanes, reports, labels; Redis itself counts what was asked."""
    picture = distinct(photograph("coffee.png"))
    requests = [
        ("/predict", {"files": {"file": picture}}),
        ("/predict", {"files": {"file": picture}}),
        ("/v1/classify?lane=bulk", {"content": distinct(picture)}),
        ("/feedback", {"data": {"report": "fine"}}),
    ]
    for path, sent in requests:
        assert (await async_client.post(path, **sent)).status_code == 200
    for path in ("/", "/feedback", "/v1/labels?q=husky", "/v1/models", "/readyz"):
        assert (await async_client.get(path)).status_code == 200
    unknown = await async_client.get(f"/v1/results/0-{'0' * 32}")
    assert unknown.status_code == 404
    keeper = Keeper(system.redis_url)
    info = (await keeper.call("INFO", "commandstats")).decode()
    await keeper.close()
    stats = dict(re.findall(r"cmdstat_(\S+):.*rejected_calls=(\d+)", info))
    assert {"xadd", "xreadgroup", "publish", "xack", "xgroup|create"} <= stats.keys()
    assert stats.keys() <= acl.granted() | OWN
    assert set(stats.values()) == {"0"}
