"""Two processes with one store: circuits, holds, calls in flight and counts of one are known to the other within the stated delay."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from switchwise import ConfigurationError, Pool, Price, Router, Scope, Target, View
from switchwise.config import BadConfiguration
from switchwise.policies import ByAgent, Healthy, LeastBusy, Stick, hold

from .conftest import Server, programs

OTHER = """
import sys
from switchwise import FailureKind, Pool, Price, Router, Scope, Target, TargetError, View, drive
from switchwise.policies import ByAgent, Healthy, LeastBusy, Stick, hold
from switchwise.testing import Script
pool = Pool([Target(name, price=Price(1, 5)) for name in ("opus", "sol", "luna")])
router = Router(pool, hold(ByAgent(explorer="luna", prober="opus"), per="agent"), Healthy(), LeastBusy(), store=sys.argv[1])
def perform(call):
    if call.target.name == "opus":
        raise TargetError(FailureKind.OVERLOADED, "down", retry_after=30.0)
    return Script(otherwise="yes").perform(call)
list(drive(router.start(View(Scope("s1", "explorer", tenant="acme"))), perform))
list(drive(router.start(View(Scope("s2", "prober", tenant="acme"))), perform))
open_call = router.start(View(Scope("s3", tenant="acme")))
print(open_call.call.target.name, flush=True)
sys.stdin.readline()
"""


@pytest.fixture(params=[*programs()[:1], "sqlite"])
def address(request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    url = servers(request.param).url
    return url.replace("/0", "/7")  # a database of its own


def eventually(what: Callable[[], bool], seconds: float = 10.0) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "it did not come to that"
        time.sleep(0.01)
    return time.monotonic() - began


def test_what_one_process_finds_out_the_other_goes_by(address: str) -> None:
    pool = Pool([Target(name, price=Price(1, 5)) for name in ("opus", "sol", "luna")])
    busy = LeastBusy()
    router = Router(pool, hold(ByAgent(explorer="luna"), per="agent"), Healthy(), busy, store=address)
    assert "opus" in router.decide(View(Scope("s9"))).names
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        called = other.stdout.readline().strip()
        eventually(lambda: "opus" not in router.decide(View(Scope("s9"))).names)
        assert any("open circuit: opus" in note.because for note in router.decide(View(Scope("s9"))).notes)
        eventually(lambda: bool(busy.load(called).get("calls")))
        held = Router(pool, hold(ByAgent(explorer="opus"), per="agent"), store=address)
        assert held.decide(View(Scope("s1", "explorer", tenant="acme"))).names[0] == "luna", (
            "a router made later knows it at once"
        )
        assert held.decide(View(Scope("s1", "explorer", tenant="umbrella"))).names[0] == "opus", "another tenant does not"
        other.communicate("\n")
    assert other.returncode == 0


def test_a_file_names_the_store_of_its_routers(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "switchwise.toml"
    targets = '[targets.opus]\nprovider = "acme"\nprice = { input = 1, output = 5 }\n[routers.main]\npolicies = ["Stick"]\n'
    monkeypatch.setenv("STATE_ADDRESS", address)
    file.write_text(f'{targets}store = {{ address = "env:STATE_ADDRESS", heartbeat = 0.1 }}\n', encoding="utf-8")
    one, other = Router.from_file(file, reload=60), Router.from_file(file)
    first, second = (next(part for part in each.policies if isinstance(part, Stick)) for each in (one, other))
    assert first.table is second.table, "one store of a process"
    file.write_text(f'{targets}store = "elsewhere.db"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="start the process again"):
        one.reload()
    for wrong, message in [
        ('"redis://:secret@host:6379/0"', "password in this address"),
        ('"redis://host:6379/0?password=secret"', "password in this address"),
        ('{ address = "x.db", lost = "maybe" }', "lost"),
        ("{ lost = 'open' }", "needs address"),
        ('{ address = "x.db", hartbeat = 1 }', "did you mean 'heartbeat'"),
    ]:
        file.write_text(f"{targets}store = {wrong}\n", encoding="utf-8")
        with pytest.raises(BadConfiguration, match=message) as refused:
            Router.from_file(file)
        assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_hinders_nobody(caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool([Target(name, price=Price(1, 5)) for name in ("opus", "luna")])
    began = time.monotonic()
    router = Router.default(pool, store="redis://127.0.0.1:1/0")
    assert router.decide(View(tokens=100)).names
    assert time.monotonic() - began < 10
    assert caplog.text.count("the shared tables are lost") == 1
