"""Schemathesis over ``/openapi.json`` of a running system: no 5xx, nothing that the document does not say."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.pictures import photograph
from tests.support.system import ROOT, System, pids, with_model

SEED = 1
EXAMPLES = 60  # an operation
LONGEST_S = 60


def test_the_api_is_what_its_document_says(prepared: Path, tmp_path: Path) -> None:
    """All operations, all checks; with good and bad parameters, headers, bodies and methods."""
    data_dir = with_model(tmp_path / "data", prepared / "models")
    with System(data_dir, engine="litert", workers=2) as system:
        before = pids(system)
        answer = httpx.post(
            f"{system.url}/v1/classify", content=photograph("coffee.png"), timeout=30
        )
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
