"""Schemathesis over ``/openapi.json`` of a running system: no 5xx, nothing that the document does not say."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.pictures import distinct, photograph
from tests.support.system import ROOT, System, pids, with_model

SEED = 1
EXPLAINER_S = 60  # to load TensorFlow, which the first who asks for a map waits for
EXAMPLES = 60  # an operation
LONGEST_S = 60


def await_map(url: str) -> None:
    """Returns once a map comes within the deadline, so that what is asked next is answered as usual."""
    until = time.monotonic() + EXPLAINER_S
    while time.monotonic() < until:
        asking = f"{url}/v1/classify?explain=1"
        picture = distinct(photograph("coffee.png"))
        if httpx.post(asking, content=picture, timeout=30).status_code == 200:
            return
    raise AssertionError(f"no map within {EXPLAINER_S} s")


@pytest.mark.alone
def test_the_api_is_what_its_document_says(prepared: Path, tmp_path: Path) -> None:
    """All operations, all checks; with good and bad parameters, headers, bodies and methods."""
    data_dir = with_model(tmp_path / "data", prepared / "models")
    with System(data_dir, engine="litert", workers=2) as system:
        before = pids(system)
        answer = httpx.post(
            f"{system.url}/v1/classify", content=photograph("coffee.png"), timeout=30
        )
        await_map(system.url)
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *(
                    "--config-file",
                    str(ROOT / "tests/support/schemathesis.toml"),
                    "run",
                ),
                f"{system.url}/openapi.json",
                *("--seed", str(SEED), "--max-examples", str(EXAMPLES)),
                *("--checks", "all", "--continue-on-failure", "--no-color"),
                *("--exclude-path", "/v1/live"),  # it never ends: see test_live
            ],
            cwd=tmp_path,  # it writes a folder of its own
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "RESULT_ID": answer.json()["id"],
                "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks",
            },
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert pids(system) == before
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "WARNINGS" not in run.stdout, run.stdout[-4000:]
    assert "a bug" not in "".join(system.lines)
