"""Two ways to run one perpmaker command: a container of our image, or a process of this checkout.

Both see the same files at the same paths and the same loopback, so a test cannot tell them apart.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

_STOP_S = 30


class Running(Protocol):
    """A command that was started."""

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def stop(self) -> int:
        """SIGTERM, then wait; the exit code."""
        ...

    def output(self) -> str:
        """Everything it has said so far."""
        ...


class Engine(Protocol):
    """Starts commands."""

    @property
    def description(self) -> str:
        """What it runs, for the head of the test run."""
        ...

    def run(self, arguments: Sequence[str], folder: Path) -> Running:
        """Start `perpmaker ARGUMENTS`; `folder` is the only place it may write to."""
        ...


class _Container:
    def __init__(self, container: DockerContainer) -> None:
        self._container = container
        self._wrapped = container.get_wrapped_container()

    def kill(self) -> None:
        self._wrapped.kill()
        self._wrapped.wait()

    def stop(self) -> int:
        self._wrapped.stop(timeout=_STOP_S)
        return int(self._wrapped.wait()["StatusCode"])

    def output(self) -> str:
        return str(self._wrapped.logs().decode(errors="replace"))

    def remove(self) -> None:
        self._container.stop()


class Containers:
    """The image under Docker, locked down as it is on Kubernetes."""

    def __init__(self, image: str, version: str) -> None:
        self._image = image
        self._version = version
        self._started: list[_Container] = []

    @property
    def description(self) -> str:
        """See Engine."""
        return f"containers of {self._image} on Docker {self._version}"

    def run(self, arguments: Sequence[str], folder: Path) -> Running:
        """See Engine."""
        container = (
            DockerContainer(self._image)
            .with_command(list(arguments))
            .with_volume_mapping(str(folder), str(folder), "rw")
            .with_tmpfs_mount("/tmp", "size=16m")
            .with_kwargs(
                network_mode="host",
                user=f"{os.getuid()}:{os.getgid()}",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
            )
        )
        container.start()
        running = _Container(container)
        self._started.append(running)
        return running

    def close(self) -> None:
        """Remove every container."""
        while self._started:
            self._started.pop().remove()


class _Process:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_STOP_S)

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        if self._process.poll() is None:
            self.kill()


class Processes:
    """The same commands without an engine."""

    def __init__(self, because: str) -> None:
        self._because = because
        self._started: list[_Process] = []

    @property
    def description(self) -> str:
        """See Engine."""
        return f"processes of this checkout ({self._because})"

    def run(self, arguments: Sequence[str], folder: Path) -> Running:
        """See Engine."""
        log = folder / f"{arguments[0]}-{len(self._started)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "perpmaker.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        running = _Process(process, log)
        self._started.append(running)
        return running

    def close(self) -> None:
        """End whatever still runs."""
        while self._started:
            self._started.pop().end()


def choose(image: str) -> Containers | Processes:
    """Docker when an engine answers and has the image; processes otherwise, saying why."""
    try:
        client = docker.from_env(timeout=10)
        version = str(client.version()["Version"])
    except DockerException as error:
        return Processes(f"no Docker engine answers: {str(error).splitlines()[0][:120]}")
    if not client.images.list(name=image):
        return Processes(f"Docker {version} has no image {image}; `make image` builds it")
    return Containers(image, version)
