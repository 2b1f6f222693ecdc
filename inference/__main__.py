"""``python -m inference``: the parent of the workers; ``python -m inference worker N THREADS``: one of them.

``python -m inference calibrate`` finds out how many of them, of how many threads, do best here.
``python -m inference explainer`` says what the network looked at (`inference.explaining` starts it).

The parent converts the model if need be (in a process of its own, so that neither it nor a worker
with LiteRT ever imports TensorFlow), keeps the workers running and serves the metrics of all.
"""

import asyncio
import os
import sys
import tempfile
from typing import Final

from common import checks, connections, logs, process
from common.connections import Keeper
from common.deaths import Deaths
from common.errors import StartError
from common.parent import PARENT_VARIABLE, end_with_parent
from common.process import Reporter
from common.settings import Settings
from common.supervisor import Child, ChildFailed, Supervisor
from inference import layout
from inference.explaining import Explaining
from inference.layout import Chosen

REDIS_PATIENCE_S: Final = 10.0

log = logs.get(__name__)


async def parent(settings: Settings) -> int:
    """Keeps the workers running until SIGINT or SIGTERM."""
    reporter = Reporter()
    logs.set_up("inference", settings.log_level)
    stop = process.stop_event()
    if not settings.redis_url:
        raise StartError(
            "PICTOR_REDIS_URL is empty; only 'make run' starts a server of its own"
        )
    await connections.check(settings.redis_url, REDIS_PATIENCE_S)
    await checks.check(settings)
    supervisor = Supervisor()
    link = Keeper(settings.redis_url, name="inference")
    explaining: Explaining | None = None

    async def renew() -> None:
        if explaining is not None:
            await explaining.end()  # who asks next has a fresh one started
        await supervisor.renew()

    process.on_renew(renew)
    with tempfile.TemporaryDirectory(prefix="pictor-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            if await process.before(stop, prepare(settings)):
                serve_metrics(settings, folder)
                deaths = Deaths(link)
                await process.before(stop, start_workers(supervisor, settings, deaths))
                if settings.explain == "on" and not stop.is_set():
                    explaining = explainer(settings, link, deaths)
                    explaining.start()
            if not stop.is_set():
                reporter.ready()
                reporter.worked()
            await stop.wait()
        except ChildFailed as error:
            if not error.told:
                raise
            return process.EXIT_CANNOT_START
        finally:
            ending = [supervisor.stop_together()]
            if explaining is not None:
                ending.append(explaining.stop())
            await asyncio.gather(*ending)
            await link.close()
    return 0


async def prepare(settings: Settings) -> None:
    """Converts the model, unless it is there already.

    Raises:
        ChildFailed: it cannot be; the child has said why.
    """
    running = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "inference.prepare",
            settings.model,
            str(settings.data_path),
        ),
        *("--engine", settings.engine),
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
    )
    try:
        status = await running.wait()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    if status < 0:
        log = settings.data_path / "models" / "prepare.log"
        raise StartError(
            f"preparing {settings.model} was ended by signal {-status} (out of memory?); see {log}"
        )
    if status:
        raise ChildFailed("inference.prepare", status)


async def start_workers(
    supervisor: Supervisor, settings: Settings, deaths: Deaths
) -> None:
    """Starts all workers of the layout at once; returns when each has warmed up."""
    use = await asyncio.to_thread(find_layout, settings)
    log.info(
        "layout",
        workers=use.shape.processes,
        threads=use.shape.threads,
        max_batch=use.max_batch or None,
        source=use.source,
    )
    command = (sys.executable, "-m", "inference", "worker")
    environment = layout.as_set(settings, use).environment()
    await asyncio.gather(
        *(
            supervisor.start(
                Child(
                    f"worker {number}",
                    (*command, str(number), str(use.shape.threads)),
                    environment,
                    stop_s=settings.stop_s,
                    ended=deaths.ended,
                )
            )
            for number in range(1, use.shape.processes + 1)
        )
    )


def explainer(settings: Settings, link: Keeper, deaths: Deaths) -> Explaining:
    """Has an explainer started when somebody asks; not started here."""
    child = Child(
        "explainer",
        (sys.executable, "-m", "inference", "explainer"),
        # A GPU is the workers'.
        {**settings.environment(), "CUDA_VISIBLE_DEVICES": "-1"},
        stop_s=settings.stop_s,
        ended=deaths.counted,
    )
    return Explaining(link, settings.model_name, child)


def find_layout(settings: Settings) -> Chosen:
    """The layout to use: as set, as calibrated for this model and engine, or what suits the engine."""
    from inference.engine import choose, gpu

    engine, calibrated = choose(settings.engine), None
    on_gpu = engine == "tensorflow" and gpu()
    if layout.any_stored(settings.data_path):
        from inference.models import catalogue

        spec = catalogue.resolve(settings.model, settings.data_path)
        calibrated = layout.stored(
            settings.data_path, spec.digest, engine, settings.precision, gpu=on_gpu
        )
    return layout.chosen(settings, calibrated, gpu=on_gpu)


async def calibrated(arguments: list[str]) -> int:
    """Prepares the model, then calibrates; nothing else runs in this process."""
    from inference.calibrate import calibrate

    settings = Settings.load()
    try:
        await prepare(settings)
    except ChildFailed:  # it has said why
        return process.EXIT_CANNOT_START
    return calibrate(settings, arguments)


def serve_metrics(settings: Settings, folder: str) -> None:
    """Serves what all workers have counted, on a port of its own."""
    from prometheus_client import CollectorRegistry, multiprocess, start_http_server

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    try:
        start_http_server(settings.worker_metrics_port, settings.host, registry)
    except OSError as error:
        raise StartError(
            f"cannot serve metrics on port {settings.worker_metrics_port}: {error.strerror}; "
            "stop what uses it, or set PICTOR_WORKER_METRICS_PORT"
        ) from None


def main(arguments: list[str]) -> int:
    """One of the two, by the command line."""
    end_with_parent()
    if arguments and arguments[0] == "worker":
        from inference.start import run_worker

        number, threads = map(int, arguments[1:])
        return process.run(
            lambda: run_worker(Settings.load(), number, threads), fast=True
        )
    if arguments and arguments[0] == "explainer":
        from inference.explainer import run_explainer

        return process.run(lambda: run_explainer(Settings.load()), fast=True)
    if arguments and arguments[0] == "calibrate":
        return process.run(lambda: calibrated(arguments[1:]))
    return process.run(lambda: parent(Settings.load()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
