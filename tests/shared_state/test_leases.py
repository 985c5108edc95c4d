"""Leases: the store grants no more than there is, whatever is lost, late, repeated or killed."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import ConfigurationError
from switchwise.state.shared import Account, Holding, Keeper, Leases, LostStore, RedisLeases, Report, SharingRule, SqliteLeases
from switchwise.state.shared.account import FOLD, PIECES, report
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.server import RedisServer

from .conftest import Server, programs, redis


@pytest.fixture(params=[*programs(), "sqlite"])
def store(request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path: Path) -> Iterator[Leases]:
    found: Leases
    if request.param == "sqlite":
        found = SqliteLeases(tmp_path / "leases.db")
    else:
        found = RedisLeases(servers(request.param).url, prefix=f"test-{random.random()}")
    yield found
    found.close()


def ready(store: Leases, key: str, rule: SharingRule) -> None:
    """Wait until the grace of a new store is over."""
    while store.report([Report(key, rule, "probe", Holding(closed=True))])[0].recovering:
        time.sleep(0.02)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_more_is_granted_than_there_is_whatever_is_lost_late_or_repeated(seed: int) -> None:
    rng = random.Random(seed)
    rule, account = SharingRule(1_000, grace=0), Account()
    truth = {name: Holding() for name in "abcd"}
    letters: list[Report] = []
    for now in range(300):
        name = rng.choice("abcd")
        holding = truth[name]
        spend = rng.randint(0, holding.open()) if rng.random() < 0.5 else 0
        holding.spent += spend
        if rng.random() < 0.2:
            holding.returned += rng.randint(0, holding.open())
        letters.append(
            Report("k", rule, name, Holding.parse(holding.text()), holding.granted + rng.randint(0, 200), rng.randint(0, 60))
        )
        for letter in rng.sample(letters[-20:], k=rng.randint(0, min(3, len(letters[-20:])))):  # late, repeated, out of order
            reply = report(account, letter, now, 0)
            if rng.random() < 0.8:  # or lost on the way back
                truth[letter.holder].granted = max(truth[letter.holder].granted, reply.granted)
    assert sum(holding.spent for holding in truth.values()) <= 1_000
    assert sum(max(h.granted - h.returned, h.spent) for h in truth.values()) <= 1_000


@pytest.mark.parametrize("seed", range(3))
def test_redis_runs_the_same_rule(server: Server, seed: int) -> None:
    store, rng = RedisLeases(server.url, prefix=f"same-{seed}"), random.Random(seed)
    client, bucket = (
        redis.Redis.from_url(server.url),
        RedisServer("test", server.url, f"same-{seed}", 1.0, "switchwise.state.shared", "lease.lua").bucket,
    )
    for case in range(12):
        rule = SharingRule(
            rng.choice([1_000, 10**12]), rng.choice([0, 0, 400]), rng.choice([50, 200]), grace=rng.choice([0, 0, 10])
        )
        key, account = f"k{case}", Account()
        holders = {f"h{i}": Holding() for i in range(rng.choice([2, 5, FOLD + 8]))}
        unit, boot = rule.limit // 50, f"{bucket(key)}:boot"
        for step in range(80):
            name = rng.choice(list(holders))
            own = holders[name]
            if rng.random() < 0.5:
                spend = rng.randint(0, own.open() or unit)
                own.spent += spend
                piece = int(time.time() * 1_000) * PIECES // rule.window if rule.window else 0
                own.used[piece] = own.used.get(piece, 0) + spend
            if rng.random() < 0.3:
                own.returned += rng.randint(0, own.open())
            if rng.random() < 0.2:
                own.returned, own.closed = own.returned + own.open(), True
            known = {other: Holding.parse(h.text()) for other, h in holders.items()} if rng.random() < 0.1 else {}
            want, need = own.granted + rng.randint(0, 10 * unit), rng.choice([0, rng.randint(1, 3 * unit)])
            totals, lost = Holding.parse(own.text()), rng.random() < 0.1
            heard = Report(key, rule, name, totals, want, need, known, rng.random() < 0.3, lost)
            if step and rng.random() < 0.1:  # as if the memory began a moment ago
                seconds, micros = client.time()
                client.hset(boot, "since", seconds * 1_000 + micros // 1_000)
            reply = store.report([heard])[0]
            assert report(account, heard, reply.now, int(client.hget(boot, "since")), reply.memory) == reply
            own.granted = max(own.granted, reply.granted)
        assert store.holders(key) == account.holders


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_in_no_window_more_is_used_than_the_limit(store: Leases) -> None:
    keeper = Keeper(store, boxes=None, heartbeat=0.05)
    rule = SharingRule(100, window=1_200, term=150)
    ready(store, "rate", rule)
    used: list[float] = []
    end = time.monotonic() + 3.5

    def work() -> None:
        while time.monotonic() < end:
            lease = keeper.lease("rate", rule)
            if lease.reserve(1):
                used.append(time.monotonic())
                lease.settle(1, 1)
            time.sleep(0.002)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keeper.close()
    used.sort()
    most = max(sum(1 for other in used[i:] if other - moment < 1.2) for i, moment in enumerate(used))
    assert most <= 100
    assert len(used) >= 180, "it goes on as the window moves"


def test_an_override_counts_for_its_time(store: Leases) -> None:
    rule = SharingRule(100)
    ready(store, "k", rule)
    assert store.report([Report("k", rule, "a", Holding(), want=150, need=150)])[0].granted == 0
    store.override("k", 200, 300)
    reply = store.report([Report("k", rule, "a", Holding(), want=150, need=150)])[0]
    assert (reply.granted, reply.limit) == (150, 200)
    time.sleep(0.35)
    reply = store.report([Report("k", rule, "a", Holding(150), want=160, need=10)])[0]
    assert (reply.granted, reply.limit, reply.free) == (150, 100, 0)


def test_each_threshold_is_said_to_one(store: Leases) -> None:
    rule = SharingRule(100)
    ready(store, "k", rule)
    said = [store.report([Report("k", rule, "a", Holding(100, 0, spent))])[0].alert for spent in (40, 60, 60, 81, 96, 97, 100)]
    assert [alert for alert in said if alert] == [50, 80, 95, 100]


def test_what_lies_idle_is_returned_and_used_by_another(store: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    idle, busy = Keeper(store, boxes=None, heartbeat=0.05), Keeper(store, boxes=None, heartbeat=0.05)
    rule = SharingRule(1_000)
    ready(store, "k", rule)
    first = idle.lease("k", rule)
    assert first.reserve(10)
    first.settle(10, 10)
    other, spent = busy.lease("k", rule), 0
    end = time.monotonic() + 10
    while spent < 990 and time.monotonic() < end:
        if other.reserve(10):
            other.settle(10, 10)
            spent += 10
    assert spent == 990
    assert not other.reserve(10)
    idle.close()
    busy.close()


class Alone:
    """A keeper without a thread, and the clock of its lease."""

    heartbeat, patience, lost, allowance = 0.25, 0.0, False, 0.0

    def __init__(self) -> None:
        self.now = 100.0
        self.timer = lambda: self.now

    def wake(self, lease: Lease, soon: bool = True) -> None: ...

    def live(self, lease: Lease) -> None:
        lease.holder = "a"

    def forgot(self, memory: str, seconds: float) -> bool:
        return False


@pytest.mark.parametrize("window", [0, 60_000])
def test_what_is_spent_while_a_process_hears_that_it_was_taken_for_dead_is_counted(window: int) -> None:
    """As after a long pause: its calls end, and its report is answered, at the same moment."""

    class Named(Alone):
        lives = 0

        def live(self, lease: Lease) -> None:
            self.lives += 1
            lease.holder = f"life {self.lives}"

    keeper, account, rule = Named(), Account(), SharingRule(1_000, window=window, grace=0)
    lease = Lease(keeper, "k", rule)

    def turn(meanwhile: Callable[[], object] = lambda: None) -> None:
        sent = keeper.now
        answer = report(account, lease.plan(sent, closing=False), int(sent * 1_000), 0)
        meanwhile()
        lease.answered(sent, answer)

    for _ in range(3):
        turn()
        keeper.now += 0.1
    assert lease.reserve(100)
    account.holders["life 1"].closed = True
    turn(lambda: lease.settle(100, 60))
    turn()
    assert (lease.holder, account.holders["life 2"].spent) == ("life 2", 60)
    assert sum(account.holders["life 2"].used.values()) == (60 if window else 0)


@pytest.mark.parametrize(("spent", "fewest", "most"), [(10, 5, 10), (600, 28, 40)])
def test_an_account_that_lies_idle_is_seldom_reported_where_much_is_left(spent: int, fewest: int, most: int) -> None:
    keeper, account, rule = Alone(), Account(), SharingRule(1_000, grace=0)
    lease = Lease(keeper, "k", rule)
    lease.settle(0, spent)
    began, times, closed = keeper.now, 0, False
    while not closed:
        keeper.now += 0.01
        if lease.due <= keeper.now:
            times += 1
            sent = keeper.now
            closed = lease.answered(sent, report(account, lease.plan(sent, closing=False), int(sent * 1_000), 0))
    assert 30 < keeper.now - began < 32, "then the process forgets it"
    assert fewest <= times <= most


@pytest.mark.parametrize("wiped", [True, False])
def test_what_an_idle_process_knows_is_said_again_in_time_after_a_loss(server: Server, wiped: bool) -> None:
    store = RedisLeases(server.url, prefix=f"idle-{wiped}")
    keeper, rule = Keeper(store, boxes=None, heartbeat=0.05), SharingRule(1_000)
    names = [f"k{number}" for number in range(40)]
    for name in names:
        ready(store, name, rule)
        keeper.lease(name, rule).settle(0, 400)
    keeper.flush()
    for name in names:
        keeper.lease(name, rule).due = keeper.timer() + 60  # idle for long
    if wiped:
        client = redis.Redis.from_url(server.url)
        client.delete(*client.keys(f"idle-{wiped}:*"))
        client.close()
    newcomer, waiting, granted = RedisLeases(server.url, prefix=f"idle-{wiped}"), set(names), {}
    while waiting:
        asked = [Report(name, rule, "newcomer", Holding(), want=700, need=700) for name in sorted(waiting)]
        for each, reply in zip(asked, newcomer.report(asked), strict=True):
            if not reply.recovering:
                waiting.discard(each.key)
                granted[each.key] = reply.granted
        time.sleep(0.02)
    assert set(granted.values()) == {0}, "400 of 1,000 are spent"
    keeper.close()
    newcomer.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_spends_nothing_of_its_parents(store: Leases) -> None:
    keeper, rule = Keeper(store, boxes=None, heartbeat=0.05), SharingRule(1_000)
    ready(store, "k", rule)
    lease = keeper.lease("k", rule)
    assert lease.reserve(10)
    child = os.fork()
    if child == 0:
        try:
            mine = keeper.lease("k", rule)
            granted, end = mine.reserve(100), time.monotonic() + 30
            while (
                not granted and time.monotonic() < end
            ):  # a store that answers late on a busy machine counts as lost for a moment
                time.sleep(0.05)
                granted = mine.reserve(100)
            mine.settle(100, 100)
            keeper.close()
            os._exit(0 if granted and mine is not lease else 1)
        except BaseException:  # noqa: BLE001  (a child of a test ends here, whatever happens)
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    lease.settle(10, 10)
    keeper.close()
    probe = store.report([Report("k", rule, "probe", Holding(closed=True))])[0]
    assert (probe.spent, probe.free) == (110, 890)


class Away:
    """A store that does not answer while it is `away`."""

    def __init__(self, store: Leases) -> None:
        self._store, self.away, self.name = store, False, "away"

    def report(self, reports: list[Report]) -> list[object]:
        if self.away:
            raise LostStore("away")
        return list(self._store.report(reports))

    def forked(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(("lost", "most"), [("closed", 0), ("open", 100)])
def test_a_lost_store_lets_calls_go_on_as_far_as_was_said(
    tmp_path: Path, lost: str, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SqliteLeases(tmp_path / "leases.db")
    rule, away = SharingRule(1_000), Away(inner)
    ready(inner, "k", rule)
    other = Report("k", rule, "other", Holding(), want=900, need=900)
    assert inner.report([other])[0].granted == 900
    keeper = Keeper(away, lost=lost, allowance=0.1, boxes=None, heartbeat=0.02, patience=0.5)  # type: ignore[arg-type]
    lease = keeper.lease("k", rule)
    assert lease.reserve(10)
    lease.settle(10, 10)
    away.away = True
    wait_for(lambda: keeper.lost)
    began, spent = time.monotonic(), 10
    while lease.reserve(10):
        lease.settle(10, 10)
        spent += 10
    assert time.monotonic() - began < 2, "never a hang"
    assert spent <= 100 + most
    assert spent >= most
    assert caplog.text.count("the store is lost") == 1
    away.away = False
    wait_for(lambda: not keeper.lost)
    assert caplog.text.count("the store is back") == 1
    keeper.flush()
    assert inner.report([Report("k", rule, "probe", Holding(closed=True))])[0].spent == spent, "nothing is counted twice"
    keeper.close()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="such as 'redis://localhost:6379/0'"):
        RedisLeases("localhost:6379")
    with pytest.raises(ConfigurationError, match="a file that can be written"):
        SqliteLeases(tmp_path / "missing" / "leases.db")
    with pytest.raises(ConfigurationError, match="'closed' or 'open'"):
        Keeper(SqliteLeases(tmp_path / "leases.db"), lost="maybe")  # type: ignore[arg-type]
