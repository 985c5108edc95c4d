"""A real Redis (and Valkey where the system has it) on a free port, for the tests of this folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

redis = pytest.importorskip("redis", reason="the extra [redis] is not installed")


class Server:
    """A server that can be stopped and started again.

    Parameters:
        program: `redis-server` or `valkey-server`.
        folder: where it keeps its append-only file.
        durable: whether it keeps one.
    """

    def __init__(self, program: str, folder: Path, durable: bool = False) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command += ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if shutil.which(self._command[0]) is None:
            pytest.skip(f"no {self._command[0]} on this machine: apt-get install redis-server, as .ci/run does")
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)
        for _ in range(400):
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                client.close()
                return
        raise RuntimeError(f"{self._command[0]} does not answer on port {self.port}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def programs() -> list[str]:
    """The servers that this machine has."""
    return [name for name in ("redis-server", "valkey-server") if shutil.which(name)]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Running servers that keep nothing, by program."""
    running: dict[str, Server] = {}

    def server(program: str) -> Server:
        if program not in running:
            running[program] = Server(program, tmp_path_factory.mktemp("server"))
            running[program].start()
        return running[program]

    yield server
    for started in running.values():
        started.kill()


@pytest.fixture(scope="session")
def server(servers: Callable[[str], Server]) -> Server:
    """A running Redis."""
    return servers("redis-server")
