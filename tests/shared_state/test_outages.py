"""What a stranger's store may do: it does not answer, it is slow, its disk is full, its keys are somebody else's. Clear words, and never a hang."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from switchwise import (
    BudgetExceeded,
    ConfigurationError,
    Needs,
    NoTarget,
    Pool,
    Price,
    Router,
    Scope,
    Target,
    Usage,
    View,
    drive,
)
from switchwise.policies import Budget, RateLimits
from switchwise.state.shared import Grant, Keeper, Report, SharedStore, SharingRule, SqliteLeases, SyncedTables
from switchwise.state.shared.tables.protocol import Exchange, News
from switchwise.testing import Clock, Says, Script

from .conftest import Server, redis

ONE = Pool([Target("one", price=Price(1, 5))])
VIEW = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100))


def ask(router: Router, view: View = VIEW, times: int = 1) -> None:
    for _ in range(times):
        list(drive(router.start(view), Script(otherwise=Says("yes", usage=Usage(1_000, 10))).perform))


def used_up(router: Router) -> int:
    """How many calls are made until one is refused."""
    for made in range(20):
        try:
            ask(router)
        except BudgetExceeded:
            return made
    raise AssertionError("no call was refused")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("policy", "error"), [(Budget(usd=1.0, per="all"), BudgetExceeded), (RateLimits(requests=9), NoTarget)]
)
def test_a_silent_store_refuses_with_its_reason(silent: str, policy: Any, error: type[Exception]) -> None:
    store = SharedStore(silent, boxes=None, timeout=0.05, patience=0.3)
    router = Router(ONE, policy, store=store)
    with pytest.raises(error, match=r"the store of its (budget|limit) does not respond") as refused:
        ask(router)
    assert type(refused.value) is error
    store.close()


def test_a_silent_store_that_may_be_passed_lets_calls_go_on(silent: str) -> None:
    store = SharedStore(silent, boxes=None, timeout=0.05, patience=0.3, lost="open", allowance=0.5)
    router = Router(ONE, Budget(tokens=10_000, per="all"), store=store)
    ask(router, times=3)
    with pytest.raises(BudgetExceeded, match="does not respond, and what this process may spend meanwhile is used up"):
        ask(router, times=3)
    store.close()


class Halting(SqliteLeases):
    """A store that answers while `goes` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.goes = threading.Event()
        self.goes.set()

    def report(self, reports: Sequence[Report]) -> list[Grant]:
        self.goes.wait(30)
        return super().report(reports)


def test_a_store_that_halts_between_two_answers_is_the_reason_and_not_the_money(tmp_path: Path) -> None:
    store = Halting(tmp_path / "state.db")
    keeper = Keeper(store, boxes=None, heartbeat=0.02, patience=20.0)
    lease = keeper.lease("all", SharingRule(1_000))
    try:
        assert lease.reserve(10)
        store.goes.clear()
        keeper.patience = 0.2
        assert not lease.reserve(900), "it is there, and was not leased"
        assert keeper.trouble.startswith("has not responded for ")
    finally:
        store.goes.set()
        keeper.close()


class Slow:
    """A store of tables, each of whose answers takes 0.4 s of a clock."""

    name = "slow"

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked = clock, 0

    def exchange(self, asked: list[Exchange]) -> list[News]:
        self.asked += 1
        self.clock.advance(0.4)
        return [News("generation", 0, more=False, listening=False, answers=[], changed=[]) for _ in asked]

    def forked(self) -> None: ...

    def close(self) -> None: ...


def test_all_tables_of_a_new_router_share_one_patience() -> None:
    clock = Clock()
    slow = Slow(clock)
    tables = SyncedTables(slow, heartbeat=3_600.0, patience=1.0, timer=clock)  # type: ignore[arg-type]
    for number in range(8):
        tables.table(f"table{number}", 10)
    assert slow.asked == 3
    clock.advance(60.0)
    tables.table("later", 10)
    assert slow.asked == 4
    tables.close()


def test_a_key_that_somebody_else_has_is_named_and_calls_go_on_when_it_is_gone(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, prefix = redis.Redis.from_url(server.url), tmp_path.name
    store = SharedStore(server.url, prefix=prefix, boxes=None, heartbeat=0.02)
    ask(Router(ONE, Budget(usd=1.0, per="all"), store=store))
    store.close()
    [key] = client.keys(f"{prefix}:*lease:Budget*")
    client.delete(key)
    client.set(key, "mine")
    store = SharedStore(server.url, prefix=prefix, boxes=None, heartbeat=0.02, patience=0.3)
    router = Router(ONE, Budget(usd=1.0, per="all"), store=store)
    with caplog.at_level(logging.WARNING, "switchwise.shared"), pytest.raises(BudgetExceeded, match="does not respond"):
        ask(router)
    assert "WRONGTYPE" in caplog.text
    assert "lease:Budget:all:usd" in caplog.text
    client.delete(key)
    eventually(lambda: not store.lost)
    ask(router)
    store.close()


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


FULL = """
import resource, sys
from pathlib import Path
from switchwise import Router, View, Scope, BudgetExceeded
from switchwise.policies import Budget
from switchwise.state.shared import SharedStore
from tests.shared_state.test_outages import ONE, VIEW, ask

store = SharedStore(sys.argv[1], boxes=None, heartbeat=0.02)
router = Router(ONE, Budget(usd=100.0), store=store)
ask(router)
store.flush()
most = sum(path.stat().st_size for path in Path(sys.argv[1]).parent.glob("state.db*"))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    for number in range(2_000):
        ask(router, View(Scope(f"t{number}"), tokens=1_000, needs=VIEW.needs))
except BudgetExceeded as error:
    print(error)
store.close()
"""


def test_a_full_disk_refuses_with_its_reason_and_the_process_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "state.db")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "the store of its budget does not respond" in done.stdout, done.stdout + done.stderr
    assert "state.db: " in done.stderr, "the log names the file"


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SharedStore(path, boxes=None).close()
    tmp_path.chmod(0o755)
    path.chmod(0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may write to any file
    try:
        with pytest.raises(ConfigurationError, match="give the path of a file that can be written"):
            SharedStore(path, boxes=None)
    finally:
        os.seteuid(user)


def test_without_a_folder_for_black_boxes_calls_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    store = SharedStore(tmp_path / "state.db", boxes=str(tmp_path / "file" / "boxes"))
    with caplog.at_level(logging.WARNING, "switchwise.shared"):
        ask(Router(ONE, Budget(usd=1.0), RateLimits(requests=9), store=store))
    assert caplog.text.count("no black box") == 1
    store.close()


def test_each_process_keeps_to_its_own_limit_where_two_differ(tmp_path: Path) -> None:
    """As while a new limit is rolled out: what all have spent counts against each."""
    stores = [SharedStore(tmp_path / "state.db", boxes=None, heartbeat=0.02) for _ in range(2)]
    small, large = (
        Router(ONE, Budget(tokens=limit, per="all"), store=store) for limit, store in zip((5_000, 10_000), stores, strict=True)
    )
    made = []
    for router in (small, large, small):
        made.append(used_up(router))
        for store in stores:
            store.flush()
    assert made[0] == 4
    assert made[2] == 0
    assert 8 <= sum(made) <= 9
    for store in stores:
        store.close()


def test_the_period_is_that_of_the_stores_clock(tmp_path: Path) -> None:
    """The clock of this machine is 40 s ahead: for it the next day has begun, for the store not yet."""
    store = SharedStore(tmp_path / "state.db", boxes=None)
    budget = Budget(tokens=100_000, per="all", period="day", store=store)
    router = Router(ONE, budget, clock=Clock(86_400.0 * 20_000 + 30.0))
    ask(router)
    store.leases.skew = -40.0
    assert "2024-10-03@UTC" in str(budget._key(View(now=86_400.0 * 20_000 + 30.0), ONE["one"]))
    store.close()
