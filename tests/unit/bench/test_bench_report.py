"""What was found is told whole: figures with their bars, every round, what failed, plots."""

import json
from pathlib import Path

from PIL import Image

from bench import plots, report
from bench.figures import Found, ratio
from bench.rates import LIMIT, PICTOR
from bench.report import number
from bench.waits import BULK, POISSON

THROUGHPUT = Found(
    figures=[
        ratio("limit", [95.0, 99.0], [100.0, 100.0]),
        ratio("mosec", [95.0, 99.0], [100.0, 100.0]),
        ratio("ray", [95.0, 99.0], [50.0, 50.0], "÷ Ray Serve"),
    ],
    rounds={
        PICTOR: [{"rate": 95.0, "errors": 0}, {"rate": 99.0, "errors": 2}],
        LIMIT: [{"rate": 100.0, "cores": 2.0}, {"rate": 100.0, "cores": 2.0}],
    },
    errors=2,
    wrong=1,
    notes=["A note."],
)
OPENLOOP = Found(
    rounds={
        POISSON: [{"latencies_ms": [10.0, 20.0, 30.0]}],
        BULK: [{"latencies_ms": [15.0, 25.0, 60.0]}],
    }
)
PARTS = {"throughput": THROUGHPUT, "openloop": OPENLOOP}
CONTEXT = {
    "date": "2026-01-01T00:00+00:00",
    "machine": {
        "cores": 2,
        "processor": "Some CPU",
        "kernel": "Linux 6",
        "python": "3.12",
    },
    "rounds": 2,
    "seconds": 8.0,
    "pictures": 40,
    "warnings": ["Others were here."],
    "pictor": {"text": "Pictor ran lite0."},
    "missing": {"Triton": "it is not installed"},
    "tried": {
        LIMIT: {
            "used": "inline",
            "why": "the best; swept 2026-01-01 on 2 cores (mosec 0.9)",
            "best": "inline",
            "tried": {
                "inline": {"rate": 90.0, "flaw": ""},
                "thread": {"rate": 99.0, "flaw": "3 errors"},
                "process": {"rate": 0.0, "flaw": "it failed\nbadly"},
            },
        },
        "Never swept": {"used": "2 × 1", "why": "its first candidate", "tried": {}},
    },
}


def test_the_report_shows_figures_bars_rounds_and_what_was_missing() -> None:
    text = report.as_markdown(PARTS, CONTEXT)
    for line in (
        "| **0.970** | 0.950 to 0.990 | ≥ 0.9 | met |",
        "| **0.970** | 0.950 to 0.990 | ≥ 1 | missed |",
        "| ÷ Ray Serve | **1.94** | 1.90 to 1.98 |  | no bar |",
        "| Pictor | 2 | 99.0 |  | 2 |",
        "| the limit | 1 | 100 | 2.00 |  |",
        "2 errors, 1 wrong answers",
        "**Others were here.**",
        "Pictor ran lite0.",
        "- A note.",
        "- Triton was left out: it is not installed.",
        "- the limit: inline, the best; swept 2026-01-01 on 2 cores (mosec 0.9).",
        "- Never swept: 2 × 1, its first candidate.",
        "| the limit | inline | 90.0 |  | best |",
        "| the limit | thread | 99.0 | 3 errors |  |",
        "| the limit | process | 0.000 | it failed |  |",
    ):
        assert line in text


def test_the_file_holds_every_round_and_every_figure(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    report.as_json(PARTS, CONTEXT, path)
    found = json.loads(path.read_text())
    assert found["machine"]["processor"] == "Some CPU"
    assert found["rounds"]["throughput"][PICTOR] == THROUGHPUT.rounds[PICTOR]
    assert [one["verdict"] for one in found["figures"]] == ["met", "missed", "no bar"]
    assert found["figures"][0]["bar"] == "≥ 0.9"


def test_numbers_are_short_and_never_powers_of_ten() -> None:
    numbers = (0.04, 0.9, 1.0, 20.0, 99.96, 1234.5, 0.00001)
    assert [number(one) for one in numbers] == [
        *("0.0400", "0.900", "1.00", "20.0", "100", "1234", "0.000"),
    ]


def test_plots_are_pictures(tmp_path: Path) -> None:
    for draw, found in ((plots.throughput, THROUGHPUT), (plots.latency, OPENLOOP)):
        path = tmp_path / f"{draw.__name__}.png"
        draw(found, "a test", path)
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.width > 1000
            assert len(image.convert("RGB").getcolors(image.width * image.height)) > 20
