"""Starting, stopping, and what stands in the way of either. Each test has a system of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.pictures import distinct, photograph
from tests.support.system import ROOT, System, environment, free_port, with_model


@pytest.fixture
def data_dir(tmp_path: Path, prepared: Path) -> Path:
    """A data folder with the model in it."""
    return with_model(tmp_path / "data", prepared / "models")


def test_ctrl_c_ends_everything(data_dir: Path) -> None:
    """Status 0, no process left, and the same folder serves the next start."""
    for _ in range(2):
        with System(data_dir, workers=1) as system:
            started = psutil.Process(system.process.pid).children(recursive=True)
            assert len(started) >= 6, "server, two parents, worker, decoder, gateway"
            assert system.stop() == 0
            assert [one for one in started if one.is_running()] == []


def test_ctrl_c_while_it_starts(data_dir: Path) -> None:
    system = System(data_dir, workers=1)
    system.launch()
    system.wait_for("starting inference")
    started = psutil.Process(system.process.pid).children(recursive=True)
    assert system.stop() == 0
    assert [one for one in started if one.is_running()] == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's parent-death signal is Linux'"
)
def test_a_killed_supervisor_leaves_no_orphans(data_dir: Path) -> None:
    with System(data_dir, workers=1) as system:
        started = psutil.Process(system.process.pid).children(recursive=True)
        system.process.kill()
        system.process.wait()
        _, alive = psutil.wait_procs(started, timeout=20)
        assert alive == []


def test_resident_memory_when_warm(data_dir: Path) -> None:
    """A LiteRT worker stays below 300 MB and never loads TensorFlow; the gateway below 120 MB."""
    with System(data_dir, workers=1) as system:
        for _ in range(20):
            picture = distinct(photograph("coffee.png"))
            assert (
                httpx.post(f"{system.url}/predict", files={"file": picture}).status_code
                == 200
            )
        (worker,) = system.processes("inference worker")
        (gateway,) = system.processes("gateway serve")
        assert worker.memory_info().rss < 300e6
        assert gateway.memory_info().rss < 120e6
        if sys.platform == "linux":
            assert "libtensorflow" not in Path(f"/proc/{worker.pid}/maps").read_text()
            assert "numpy" not in Path(f"/proc/{gateway.pid}/maps").read_text()


@pytest.mark.parametrize("part", ["inference worker", "gateway serve"])
async def test_a_part_that_is_asked_to_stop_finishes_what_it_has(
    data_dir: Path, part: str
) -> None:
    """SIGTERM under load: every request is answered, and another process takes its place."""
    with System(data_dir, workers=1) as system:
        (process,) = system.processes(part)
        limits = httpx.Limits(max_connections=24)
        async with httpx.AsyncClient(
            base_url=system.url, timeout=60, limits=limits
        ) as client:

            async def one() -> httpx.Response:
                picture = distinct(photograph("coffee.png"))
                return await client.post("/v1/classify", content=picture)

            tasks = [asyncio.create_task(one()) for _ in range(24)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            process.send_signal(signal.SIGTERM)
            answers = await asyncio.gather(*tasks)
            labels = [one.json()["predictions"][0]["label"] for one in answers]
            assert labels == ["espresso"] * 24
            await asyncio.to_thread(process.wait, 20)
            again = await client.post(
                "/predict", files={"file": photograph("coffee.png")}
            )
            assert again.json()["prediction"] == "espresso"
        assert [one.pid for one in system.processes(part)] != [process.pid]


def test_a_worker_killed_leaves_no_decoder_and_is_replaced(data_dir: Path) -> None:
    with System(data_dir, workers=1) as system:
        (worker,) = system.processes("inference worker")
        first, decoder = system.processes("inference.decoder_process")
        worker.kill()
        first.wait(10)
        decoder.wait(10)
        answer = httpx.post(
            f"{system.url}/predict",
            files={"file": photograph("coffee.png")},
            timeout=60,
        )
        assert answer.json()["prediction"] == "espresso"
        assert {first, decoder}.isdisjoint(system.processes("decoder_process"))


def test_settings_come_from_the_environment_and_dotenv(
    tmp_path: Path, prepared: Path
) -> None:
    """``.env`` in the folder it is started from; the environment wins."""
    data_dir = with_model(tmp_path / "data", prepared / "models")
    port = free_port()
    (tmp_path / ".env").write_text(
        f"UID=1000\nPICTOR_PORT=1\nPICTOR_DATA_DIR={data_dir}\nPICTOR_WORKERS=1\n"
        f"PICTOR_WORKER_METRICS_PORT={free_port()}\nPICTOR_MAX_UPLOAD_MB=0.001\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "common"],
        cwd=tmp_path,
        env=environment(port=port) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout as output:
            ready = next(line for line in output if "ready after" in line)
            assert f":{port}" in ready
            answer = httpx.post(
                f"http://127.0.0.1:{port}/predict", content=bytes(100_000)
            )
            assert answer.status_code == 413
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _occupied() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _written(folder: Path, text: str) -> Path:
    file = folder / "keys.toml"
    file.write_text(text)
    return file


CANNOT_START: dict[str, tuple[Callable[[Path, int], dict[str, object]], str]] = {
    "wrong value": (lambda folder, port: {"workers": "many"}, "PICTOR_WORKERS='many'"),
    "misspelt name": (
        lambda folder, port: {"wokers": 1},
        "did you mean PICTOR_WORKERS?",
    ),
    "unknown model": (lambda folder, port: {"model": "resnet51"}, "resnet50"),
    "model without weights": (lambda folder, port: {"model": "mobilenet_v2"}, ".keras"),
    "port taken": (lambda folder, port: {"port": port}, "PICTOR_PORT"),
    "metrics port taken": (
        lambda folder, port: {"worker_metrics_port": port},
        "PICTOR_WORKER_METRICS_PORT",
    ),
    "Redis away": (
        lambda folder, port: {"redis_url": f"redis://u:secret@127.0.0.1:{free_port()}"},
        "Redis at redis://127.0.0.1",
    ),
    "no Redis there": (
        lambda folder, port: {"redis_url": f"redis://127.0.0.1:{port}"},
        "Redis at",
    ),
    "no address": (
        lambda folder, port: {"redis_url": "127.0.0.1:6379"},
        "PICTOR_REDIS_URL",
    ),
    "no keys file": (
        lambda folder, port: {"api_keys_file": folder / "none.toml"},
        "PICTOR_API_KEYS_FILE",
    ),
    "broken keys file": (
        lambda folder, port: {"api_keys_file": _written(folder, "alice = secret")},
        "keys.toml: Invalid value (at line 1, column 9)",
    ),
    "a proxy by name": (
        lambda folder, port: {"trusted_proxies": "nginx"},
        "PICTOR_TRUSTED_PROXIES='nginx': expected addresses",
    ),
    "no folder": (lambda folder, port: {"data_dir": "/proc/none"}, "PICTOR_DATA_DIR"),
    "a file": (lambda folder, port: {"data_dir": __file__}, "PICTOR_DATA_DIR"),
}


@pytest.fixture(scope="module")
def refused(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> dict[str, tuple[Path, subprocess.CompletedProcess[str]]]:
    """What became of each, and in which folder; some wait before they give up, so a few go at once."""

    def start(name: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
        settings, _ = CANNOT_START[name]
        data_dir = with_model(tmp_path_factory.mktemp("refused"), prepared / "models")
        with _occupied() as occupied:
            port: int = occupied.getsockname()[1]
            return data_dir, _run(System(data_dir, **settings(data_dir, port)))

    with ThreadPoolExecutor(4) as starts:
        return dict(zip(CANNOT_START, starts.map(start, CANNOT_START), strict=True))


@pytest.mark.parametrize("name", CANNOT_START)
def test_what_stands_in_the_way_is_said_in_one_line(
    refused: dict[str, tuple[Path, subprocess.CompletedProcess[str]]], name: str
) -> None:
    """One line on standard error, a status that is not 0, and nothing left running."""
    data_dir, done = refused[name]
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("pictor: ")]
    assert len(lines) == 1, done.stderr
    assert CANNOT_START[name][1] in lines[0]
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert _left_in(data_dir) == []


def test_a_second_start_in_the_same_folder(data_dir: Path) -> None:
    with System(data_dir, workers=1) as system:
        done = _run(System(data_dir, workers=1))
        assert done.returncode == 2
        assert "another Pictor is running" in done.stderr
        assert httpx.get(f"{system.url}/readyz").status_code == 200


def _run(system: System) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "common"],
        cwd=ROOT,
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _left_in(data_dir: Path) -> list[str]:
    """Command lines of processes that still use this folder."""
    mine = str(data_dir)
    left = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        given = process.info["environ"] or {}
        if process.pid != os.getpid() and given.get("PICTOR_DATA_DIR") == mine:
            left.append(" ".join(process.info["cmdline"] or ()))
    return left


async def test_a_renewal_replaces_workers_and_gateways_unnoticed(
    data_dir: Path,
) -> None:
    """``python -m common.renew`` under load: other processes, and not one failed request."""
    with System(data_dir, workers=1) as system:
        before = _serving(system)
        answers: list[int] = []
        renewed = asyncio.Event()

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
                while not renewed.is_set():
                    picture = distinct(photograph("coffee.png"))
                    answer = await client.post("/predict", files={"file": picture})
                    answers.append(answer.status_code)

        clients = [asyncio.create_task(ask()) for _ in range(8)]
        command = [sys.executable, "-m", "common.renew"]
        await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=system.environment, check=True
        )
        async with asyncio.timeout(60):
            while _serving(system) & before or len(_serving(system)) != len(before):
                await asyncio.sleep(0.1)
        renewed.set()
        await asyncio.gather(*clients)
        assert answers
        assert set(answers) == {200}


def _serving(system: System) -> set[int]:
    return {
        one.pid
        for words in ("inference worker", "gateway serve")
        for one in system.processes(words)
    }


def test_without_a_running_pictor_there_is_nothing_to_renew(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "common.renew"],
        cwd=ROOT,
        env=environment(data_dir=tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"pictor: no Pictor is running in {tmp_path}\n"


async def test_two_gateways_share_one_port(data_dir: Path) -> None:
    """Both serve; a request that one has counted is in the metrics that either shows."""
    with System(data_dir, workers=1, gateways=2) as system:
        assert len(system.processes("gateway serve")) == 2
        # Each request on a connection of its own.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=system.url, timeout=60, limits=limits
        ) as client:
            pictures = [distinct(photograph("coffee.png")) for _ in range(24)]
            answers = await asyncio.gather(
                *(client.post("/predict", files={"file": one}) for one in pictures)
            )
            assert [one.json()["prediction"] for one in answers] == ["espresso"] * 24
            counted = (await client.get("/metrics")).text
            assert (
                'pictor_requests_total{route="/predict",status="200"} 24.0' in counted
            )
