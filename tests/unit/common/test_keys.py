"""Names in Redis: exactly as the design lists them, and a partition's in one slot."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import keys, wire

ID = "0-" + "a1" * 16
DIGEST = bytes(range(32))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (
            keys.requests("lite0", "interactive"),
            "pictor:{0}:requests:lite0:interactive",
        ),
        (keys.requests("lite0", "bulk"), "pictor:{0}:requests:lite0:bulk"),
        (keys.result(ID), f"pictor:{{0}}:result:{ID}"),
        (keys.pending(ID), f"pictor:{{0}}:pending:{ID}"),
        (keys.cache("d1", DIGEST), f"pictor:{{0}}:cache:d1:{DIGEST.hex()}"),
        (keys.explanations("lite0"), "pictor:{0}:requests:lite0:explain"),
        (keys.explainer("lite0"), "pictor:{0}:explainer:lite0"),
        (keys.map_of("d1", DIGEST, 7), f"pictor:{{0}}:map:d1:{DIGEST.hex()}:7"),
        (keys.workers(), "pictor:{0}:workers"),
        (keys.worker("w"), "pictor:{0}:worker:w"),
        (keys.labels("d1"), "pictor:{0}:labels:d1"),
        (keys.dead(), "pictor:{0}:dead"),
        (keys.quota("ab12", 29), "pictor:{0}:quota:ab12:29"),
        (keys.FEEDBACK, "pictor:feedback"),
        (keys.KEPT, "pictor:feedback:kept"),
        (keys.GROUP, "workers"),
    ],
)
def test_names_are_those_of_the_design(name: str, written: str) -> None:
    assert name == written


def tag(name: str) -> str:
    """The hash tag, as Redis Cluster finds it."""
    return name.split("{", 1)[1].split("}", 1)[0]


@pytest.mark.parametrize("partitions", [1, 7])
@given(digest=st.binary(min_size=32, max_size=32))
def test_all_that_a_request_touches_shares_a_slot(
    partitions: int, digest: bytes
) -> None:
    """Also once there is more than one partition."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "PARTITIONS", partitions)
        request_id = wire.new_id(digest)
        partition = keys.partition_of(digest)
        assert 0 <= partition < partitions
        assert {
            tag(keys.requests("m", "bulk", partition)),
            tag(keys.explanations("m", partition)),
            tag(keys.map_of("d1", digest, 7)),
            tag(keys.result(request_id)),
            tag(keys.pending(request_id)),
            tag(keys.cache("d1", digest)),
        } == {str(partition)}


@given(st.binary(min_size=32, max_size=32))
def test_an_id_is_its_partition_and_128_random_bits(digest: bytes) -> None:
    first, second = wire.new_id(digest), wire.new_id(digest)
    assert re.fullmatch(r"0-[0-9a-f]{32}", first)
    assert first != second
