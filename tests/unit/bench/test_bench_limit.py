"""The limit is the machine's own."""

from bench.limit import shared
from common.settings import usable_cores


def test_a_limit_without_a_tenth_of_the_cores_shared_them() -> None:
    cores = usable_cores()
    assert not shared(0.95 * cores)
    assert shared(0.85 * cores)
