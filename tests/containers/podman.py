"""Podman with a storage of its own, for machines without a Docker engine.

It builds the same Dockerfiles and answers docker-compose as Docker does. As root on Debian it is
installed. Where no registry can be reached, its ``python:3.11-slim`` and ``redis:7-alpine`` are
stand-ins from Debian's packages: the same line of Python, the same tools for users, Debian's
redis-server.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.containers.engine import Engine, UnavailableError, run

STORAGE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / (
    "pictor/containers"
)
RUN_FOLDER = "/run/pictor-containers"
PYTHON = "docker.io/library/python:3.11-slim"
REDIS = "docker.io/library/redis:7-alpine"
PACKAGES = (
    *("podman", "runc", "catatonit", "netavark", "aardvark-dns", "iptables"),
    *("debootstrap", "docker-compose"),
)
# Without systemd: control groups directly; limits that need no capability of the machine's root.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
[network]
network_backend = "netavark"
"""
REDIS_STAND_IN = f"""
FROM {PYTHON}
RUN apt-get update -qq \\
 && apt-get install -y -qq --no-install-recommends redis-server redis-tools \\
 && install -d -o redis -g redis /data
WORKDIR /data
VOLUME /data
"""


class Podman(Engine):
    """Podman as root, its images and containers apart from the machine's own."""

    def start(self) -> None:
        install()
        self._folder = tempfile.TemporaryDirectory(prefix="pictor-podman-")
        configuration = Path(self._folder.name) / "containers.conf"
        configuration.write_text(CONFIGURATION)
        socket = f"unix://{self._folder.name}/socket"
        self.command = [
            *("podman", "--root", str(STORAGE), "--runroot", RUN_FOLDER),
            *("--storage-driver", "overlay"),
        ]
        self.build_options = [
            *("--isolation", "chroot", "--network", "host", "--pull=never"),
            *("--format", "docker", "--layers"),  # the other format has no HEALTHCHECK
            # This machine's certificates: a mirror of the package index may have its own.
            *("-v", "/etc/ssl/certs:/etc/ssl/certs:ro"),
        ]
        self.environment |= {
            "CONTAINERS_CONF": str(configuration),
            "DOCKER_HOST": socket,
        }
        self._service = subprocess.Popen(
            [*self.command, "system", "service", "--time=0", socket],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._base_images()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.run("image", "prune", "--force")  # what an older build left without a name
        self._service.terminate()
        self._service.wait(20)
        self._folder.cleanup()

    def meanwhile(self) -> None:
        """Runs health checks: Podman leaves that to systemd, which a small machine has not."""
        names = self.run("ps", "--format", "{{.Names}}").stdout.split()
        for name in names:
            self.run("healthcheck", "run", name)

    def _base_images(self) -> None:
        if not self._there(PYTHON):
            python_stand_in(self)
        if not self._there(REDIS):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "Dockerfile").write_text(REDIS_STAND_IN)
                made = self.run(
                    "build", *self.build_options, "-t", REDIS, folder, timeout_s=300
                )
            if made.returncode:
                raise UnavailableError(f"no image for Redis: {made.stdout[-500:]}")

    def _there(self, image: str) -> bool:
        return (
            self.run("image", "exists", image).returncode == 0
            or self.run("pull", "--quiet", image, timeout_s=300).returncode == 0
        )


def install() -> None:
    """Installs what Podman needs, unless it is there.

    Raises:
        UnavailableError: it cannot be.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise UnavailableError(
            "no Docker engine answers, and only root on Debian can have Podman"
        )
    listed = run(["dpkg", "--status", *PACKAGES], 20)
    if (
        listed.stdout.count("Status: install ok installed") == len(PACKAGES)
        and not listed.returncode
    ):
        return
    run(["apt-get", "update", "-qq"], 300)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    if (done := run(command, 600, env=environment)).returncode:
        raise UnavailableError(f"Podman cannot be installed: {done.stdout[-500:]}")


def python_stand_in(engine: Engine) -> None:
    """Makes an image like the official one from Debian 12, whose Python is 3.11 as well."""
    include = "python3,python3-pip,ca-certificates,netbase,tzdata"
    with tempfile.TemporaryDirectory(prefix="pictor-base-") as folder:
        done = run(
            [
                *("debootstrap", "--variant=minbase", f"--include={include}"),
                *("bookworm", folder),
            ],
            600,
        )
        if done.returncode:
            raise UnavailableError(f"no base image: {done.stdout[-500:]}")
        base = Path(folder)
        (base / "usr/bin/python").symlink_to("python3")
        for mark in base.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            mark.unlink()
        for package in base.glob("var/cache/apt/archives/*.deb"):
            package.unlink()
        archive = STORAGE.with_name("base.tar")
        run(["tar", "-C", folder, "-cf", str(archive), "."], 300)
    try:
        made = engine.run("import", str(archive), PYTHON, timeout_s=300)
    finally:
        archive.unlink()
    if made.returncode:
        raise UnavailableError(f"no base image: {made.stdout[-500:]}")
