"""What a peer is: its name, how it is asked, how it is started, and the configurations worth trying."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from bench.connection import Address, Form, Post, Raw
from bench.peers import kserve
from common.settings import Settings, usable_cores

ROOT: Final = Path(__file__).resolve().parents[2]
INTERPRETER: Final = ROOT / ".venv-peers" / "bin" / "python"
JOB: Final = "PEER_JOB"  # the variable that tells a server what to do


@dataclass(frozen=True)
class Configuration:
    """How a peer is laid out.

    Attributes:
        processes: that infer.
        threads: of the engine in each.
        batch: pictures at once, at most.
        wait_ms: how long a batch waits for company.
        decoders: processes that decode for them; 0: each decodes for itself.
        fronts: processes that speak HTTP; 0: as many as the product wants.
        fast: with what the product offers for throughput and does not do by itself.
    """

    processes: int
    threads: int = 1
    batch: int = 1
    wait_ms: float = 0.0
    decoders: int = 0
    fronts: int = 0
    fast: bool = False

    def __str__(self) -> str:
        text = f"{self.processes} × {self.threads}"
        if self.batch > 1:
            text += f", batches of {self.batch} within {self.wait_ms:g} ms"
        if self.decoders:
            text += f", {self.decoders} decoders"
        if self.fronts:
            text += f", {self.fronts} fronts"
        if self.fast:
            text += ", fast"
        return text


@dataclass(frozen=True)
class Job:
    """What a server is told, in the variable JOB.

    Attributes:
        folder: its own; it goes when the server does.
    """

    configuration: Configuration
    port: int
    folder: str

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @classmethod
    def of_environment(cls) -> "Job":
        """As `Peer.environment` has put it there."""
        return msgspec.json.decode(os.environ[JOB], type=cls)


class Answer(msgspec.Struct):
    """What every peer answers, among whatever else."""

    prediction: str
    score: float


One = Annotated[list[Answer], Meta(min_length=1, max_length=1)]  # a batch of one


@dataclass(frozen=True)
class Peer:
    """A product, and a server written for it.

    Attributes:
        name: as the command line and `best.json` have it.
        title: for tables.
        engine: what infers.
        upload: the picture as the body, or as the form field ``file``.
        path: of the POST.
        module: of the server.
        candidates: the configurations that the sweep tries.
        modules: what must be importable in the peers' interpreter.
        packages: whose versions a report names.
        headers: that a raw upload needs.
        variables: environment variables of the product's own.
        interpreter: that runs the server.
    """

    name: str
    title: str
    engine: Literal["litert", "tensorflow"]
    upload: Literal["raw", "multipart"]
    path: str
    module: str
    candidates: tuple[Configuration, ...]
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    interpreter: Path = INTERPRETER

    def post(self, address: Address, media_type: str) -> Post:
        """How it is asked."""
        if self.upload == "multipart":
            return Form(address, self.path, media_type)
        return Raw(address, self.path, media_type, self.headers)

    def answer(self, body: bytes) -> Answer:
        """What it said.

        Raises:
            msgspec.MsgspecError: it is no answer.
        """
        if kserve.is_answer(body):
            return msgspec.convert(kserve.outputs(body), Answer)
        found: Answer | list[Answer] = msgspec.json.decode(body, type=Answer | One)
        return found[0] if isinstance(found, list) else found

    def command(
        self, configuration: Configuration, port: int, settings: Settings
    ) -> Sequence[str]:
        """The command line; what it is to do stands in the environment."""
        return (str(self.interpreter), "-m", self.module)

    def environment(
        self, configuration: Configuration, port: int, settings: Settings, folder: Path
    ) -> dict[str, str]:
        """The whole environment: the model's settings, the job, and nothing that is the user's home."""
        own = msgspec.structs.replace(
            settings, data_dir=str(settings.data_path), engine=self.engine
        )
        kept = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        job = Job(configuration, port, str(folder))
        threads = str(configuration.threads)
        return {
            **kept,
            "PATH": f"{self.interpreter.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            # No more threads than asked for, whoever would start some.
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **self.variables,
            **own.environment(),
            JOB: msgspec.json.encode(job).decode(),
        }


CORES: Final = usable_cores()
