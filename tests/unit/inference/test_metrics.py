"""What is counted: named as Prometheus asks for, in base units, within bounds."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram

from inference import metrics

ALL = [
    one
    for one in vars(metrics).values()
    if isinstance(one, (Counter, Gauge, Histogram))
]


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m.describe()[0].name)
def test_a_metric_has_a_name_of_ours_and_says_what_it_is(
    metric: Counter | Gauge | Histogram,
) -> None:
    (family,) = metric.describe()
    assert re.fullmatch(r"pictor(_[a-z]+)+", family.name)
    assert family.documentation.endswith(".")
    if family.type == "histogram":
        assert family.name.endswith(("_seconds", "_images"))


def test_names_are_used_once() -> None:
    names = [metric.describe()[0].name for metric in ALL]
    assert len(set(names)) == len(names) >= 8
