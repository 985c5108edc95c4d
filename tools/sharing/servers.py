"""A real Redis or Valkey on a free port, for tests that kill and restart it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis


class Server:
    """A server.

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

    @property
    def installed(self) -> bool:
        """Return whether the program is installed."""
        return shutil.which(self._command[0]) is not None

    def start(self) -> None:
        """Start it, and wait until it answers."""
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
        """Kill it with -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
