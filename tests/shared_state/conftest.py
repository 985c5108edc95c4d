"""A real Redis (and Valkey where the system has it) on a free port, for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

redis = pytest.importorskip("redis", reason="the extra [redis] is not installed")

sys.path.append(str(Path(__file__).parents[2] / "tools" / "sharing"))

from servers import Server  # noqa: E402

_FRESH = "SWITCHWISE_FRESH_PROCESS"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test marked `forks` in a fresh process: a fork of a test worker inherits the threads and the memory of all tests before it."""
    if pyfuncitem.get_closest_marker("forks") is None or _FRESH in os.environ:
        return None
    around = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    plugins = "-p pytest_asyncio.plugin -p pytest_timeout -p no:cacheprovider".split()  # the others take long to load
    command = [sys.executable, "-m", "pytest", *plugins, pyfuncitem.nodeid]
    done = subprocess.run(
        command,
        cwd=pyfuncitem.config.rootpath,
        env={**around, _FRESH: "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout, done.stdout
    return True


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
            if not running[program].installed:
                pytest.skip(f"no {program} on this machine: apt-get install redis-server, as .ci/run does")
            running[program].start()
        return running[program]

    yield server
    for started in running.values():
        started.kill()


@pytest.fixture(scope="session")
def server(servers: Callable[[str], Server]) -> Server:
    """A running Redis."""
    return servers("redis-server")
