"""What growth costs, by formula, and who is said to hold it back."""

import json
from pathlib import Path

import psutil
import pytest

from bench import growth_report
from bench.growth import Point, Window, flat, linear, per_byte
from bench.meter import Meter

CORES = 4


def window(
    rate: float = 1000.0, seconds: float = 2.0, batches: int = 1, **also: float
) -> Window:
    """One in which each part took so many processor seconds, by one process."""
    ended = int(rate * seconds)
    return Window(seconds, ended, ended, also, also, batches=batches, images=ended)


def point(size: int, *windows: Window, workers: int = 1, sweep: str = "x") -> Point:
    return Point(sweep, size, workers, (5.0, 0.2), list(windows))


def test_a_point_is_the_median_of_its_rounds() -> None:
    one = point(1, window(100, Redis=0.1), window(900, Redis=9), window(200, Redis=0.4))
    assert one.rate == 200
    assert one.rates == (100, 900)
    assert one.cost_ms("Redis") == pytest.approx(1000 * 0.4 / 400)


def test_a_gateways_cost_is_a_request_overs_http() -> None:
    seen = Window(1.0, 100, 20, {"gateway": 0.2, "Redis": 0.2}, {})
    assert seen.cost_ms("gateway") == pytest.approx(10)
    assert seen.cost_ms("Redis") == pytest.approx(2)
    assert Window(1.0, 100, 0, {"gateway": 0.2}, {}).cost_ms("gateway") == 0


def test_engines_are_at_work_as_long_as_their_batches_take() -> None:
    """80 batches of 50 images, 5 + 0.2 * 50 ms each: 1.2 s of the 2 * 2 s of two workers."""
    one = point(1, window(2000, batches=80), workers=2)
    assert one.batch == 50
    assert one.at_work == pytest.approx(1.2 / 4)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (window(2000, batches=200), "the engines"),  # 1.8 s of 2 s
        (window(gateway=1.8, client=0.4), "gateway: one process, 0.9 cores"),
        (
            Window(2, 2000, 0, {"workers": 6.0, "Redis": 1.4}, {"workers": 1.0}),
            "all 4 cores (workers 3.0)",
        ),
        (
            Window(2, 2000, 0, {"workers": 4.0}, {"workers": 1.0}, others=3.0),
            "all 4 cores (workers 2.0, others 1.5)",
        ),
        (window(gateway=1.0), "nothing by itself; most by gateway, 0.5 cores"),
    ],
)
def test_who_holds_back_is_named(seen: Window, said: str) -> None:
    assert point(1, seen).bottleneck(CORES) == said


def test_flat_is_told_by_cost_and_rate() -> None:
    first = point(0, window(1000, Redis=0.1))
    same = point(100_000, window(950, Redis=0.1))
    dear = point(100_000, window(500, Redis=0.1))
    assert [one.good for one in flat([first, same], ["Redis"])] == [True, True]
    cost, rate = flat([first, dear], ["Redis"])
    assert (cost.value, cost.good) == (pytest.approx(2), False)
    assert cost.formula == "x: Redis, cost per request at 100,000 ÷ at 0"
    assert (rate.value, rate.good) == (pytest.approx(0.5), False)


def test_linear_is_asked_only_while_the_engines_hold_back() -> None:
    one = point(1, window(1000, batches=300))
    two = point(2, window(1960, batches=600), workers=2)
    short = point(2, window(1500, batches=680), workers=2)
    last = point(16, window(4000, batches=800, gateway=2.0), workers=16)
    near, far = linear([one, two, last], CORES)
    assert (near.value, near.good) == (pytest.approx(0.98), True)
    assert near.formula.startswith("x: rate at 2 ÷ 2 × rate at 1 (holds back: the eng")
    assert (far.value, far.good) == (pytest.approx(0.25), None)
    assert [v.good for v in linear([one, short, last], CORES)] == [False, None]


def test_a_megabyte_costs_the_slope() -> None:
    small = point(10_000, window(100, Redis=0.2))
    large = point(5_010_000, window(100, Redis=2.2))
    (verdict,) = per_byte([small, large], ["Redis"])
    assert verdict.value == pytest.approx(2.0)
    assert verdict.good is None


def test_the_report_holds_every_point_and_verdict(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep = "backlog, fed through Redis"
    points = [
        point(size, window(rate, Redis=0.1), sweep=sweep)
        for size, rate in ((0, 1234), (100_000, 600))
    ]
    points[1].spread = [30, 34]
    growth_report.write(points, tmp_path, 1, 2.0)
    text = (tmp_path / "scale.md").read_text()
    assert "| 0 | 1,234 (1,234 to 1,234) |" in text
    assert "Redis, cost per request at 100,000 ÷ at 0 | 2.06 | NO |" in text
    assert "100000: 30, 34" in text
    told = json.loads((tmp_path / "scale.json").read_text())
    assert [one["rate"] for one in told["points"]] == [1234, 600]
    assert len(told["verdicts"]) == 3
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("cores", [0.0, 100.0])
def test_the_report_says_whether_others_were_at_work(cores: float) -> None:
    seen = Window(2, 100, 0, {"Redis": 0.1}, {}, others=2 * cores)
    text = growth_report.markdown([point(1, seen)], 1, 2.0)
    assert ("these ratios are worth little" in text) == (cores > 0)


def test_the_meter_tells_a_parts_time_from_this_process_own() -> None:
    with psutil.Popen(["sh", "-c", "while :; do :; done"]) as busy:
        try:
            meter = Meter({"busy": [busy.pid]})
            while busy.cpu_times().user < 0.5:
                pass
            spent, busiest, _ = meter.since()
        finally:
            busy.kill()
    assert spent["busy"] == busiest["busy"] == pytest.approx(0.5, abs=0.2)
    assert spent.keys() == {"busy", "client"}
