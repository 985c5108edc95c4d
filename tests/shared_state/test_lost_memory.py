"""A rate holds over a store that loses its memory: whoever was killed, comes late or is new, in no window more is used than the limit."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchwise.state.shared import Account, Holding, Keeper, Lease, RedisLeases, Report, SharingRule
from switchwise.state.shared.account import FOLD, report
from switchwise.state.shared.memories import Memories

from .conftest import Server

RATE = SharingRule(60, window=2_000, term=100)
SINCE = 50_000
OVER = SINCE + RATE.window + RATE.term


def asked(
    account: Account, name: str, now: int, *, totals: Holding | None = None, rule: SharingRule = RATE, **more: object
) -> int:
    """What a holder that needs five is granted."""
    own = totals or Holding()
    return report(account, Report("k", rule, name, own, own.granted + 10, 5, **more), now, SINCE).granted - own.granted  # type: ignore[arg-type]


def used(amount: int, at: int) -> Holding:
    """What a holder that used so much says of itself."""
    return Holding(amount, 0, amount, used={at * 60 // RATE.window: amount})


def test_a_store_that_is_new_grants_after_the_grace() -> None:
    account = Account()
    assert not asked(account, "new", SINCE + RATE.grace - 1)
    assert asked(account, "new", SINCE + RATE.grace)


def test_where_nobody_lives_who_saw_it_the_window_is_waited_out() -> None:
    account = Account()
    assert not asked(account, "new", SINCE + RATE.grace, lost=True)
    assert not asked(account, "another", OVER - 1)
    assert asked(account, "another", OVER)


def test_who_saw_it_all_ends_the_wait() -> None:
    account = Account()
    assert not asked(account, "new", SINCE + RATE.grace, lost=True)
    own = used(55, SINCE - 100)
    assert asked(account, "old", SINCE + 700, totals=own, known={"old": own}) == 5
    assert not asked(account, "new", SINCE + 710)


def test_one_that_was_killed_is_waited_for_and_one_that_was_late_is_not_once_it_reports() -> None:
    account, own, last = Account(), used(20, SINCE - 100), used(20, SINCE - 100)
    assert not asked(account, "old", SINCE + 700, totals=own, known={"late": last})
    assert not asked(account, "old", OVER - 1, totals=own)
    later = used(30, SINCE - 50)  # it went on after the others had seen it last
    assert asked(account, "late", SINCE + 900, totals=later) == 5
    assert asked(account, "old", SINCE + 910, totals=own)
    killed = Account()
    asked(killed, "old", SINCE + 700, totals=own, known={"killed": last})
    assert asked(killed, "old", OVER, totals=own)


def test_after_a_restart_with_an_older_memory_those_in_it_are_waited_for() -> None:
    account = Account({"killed": Holding(20, 0, 20, SINCE - 100, SINCE - 200, used=used(20, SINCE - 200).used)})
    assert not asked(account, "new", SINCE + 700)
    assert asked(account, "new", OVER)


@pytest.mark.parametrize("rule", [SharingRule(60), SharingRule(60, window=900_000)])
def test_money_and_long_windows_wait_for_the_grace_only(rule: SharingRule) -> None:
    account = Account()
    known = {"killed": Holding(20, 0, 20, SINCE, SINCE, used={SINCE * 60 // 900_000: 20})}
    assert asked(account, "old", SINCE + rule.grace, rule=rule, known=known)


def test_what_a_survivor_still_holds_counts_while_the_store_listens() -> None:
    account = Account()
    own = Holding(40)
    assert not asked(account, "old", SINCE, totals=own, known={"old": own})
    reply = report(account, Report("k", RATE, "new", Holding(), 60, 0), SINCE + RATE.grace, SINCE)
    assert reply.free + reply.granted == 20


def test_dead_holders_of_a_window_are_forgotten() -> None:
    account = Account()
    for number in range(100):
        assert asked(account, f"killed-{number}", SINCE + 1_000 + 1_000 * number)
    assert len(account.holders) <= 4


def test_what_closed_holders_used_counts_in_the_window_though_they_are_added_up_and_late_reports_of_them_do_not() -> None:
    account, now = Account(), SINCE + RATE.grace
    for number in range(FOLD + 8):
        done = used(1, now)
        done.closed = True
        asked(account, f"over-{number}", now + number % 2, totals=done)
    assert (len(account.holders), len(account.gone)) == (FOLD, 8)
    reply = report(account, Report("k", RATE, "over-0", used(1, now), 10, 5), now + 2, SINCE)
    assert (reply.closed, reply.spent) == (True, FOLD + 8), "its report is late, and counts once"
    assert report(account, Report("k", RATE, "new", Holding(), 60, 0), now + RATE.window + 100, SINCE).spent == 0
    assert not account.folded


class Machine:
    """Processes of one machine and a store, in virtual time."""

    def __init__(self, seed: int) -> None:
        self.rng, self.now, self.uses = random.Random(seed), 100.0, list[float]()
        self.account, self.since, self.memory, self.lives = Account(), 0, 0, 0
        self.older: list[tuple[float, str]] = []
        self.seen: dict[str, float] = {}
        self.processes = [Process(self) for _ in range(3)]

    def report(self, heard: Report) -> object:
        now = int(self.now * 1_000)
        self.since = self.since or now
        return report(self.account, heard, now, self.since, f"0.{self.memory}")

    def step(self) -> None:
        self.now += 0.01
        for process in self.processes:
            process.step()
        if self.rng.random() < 0.1:
            self.older = [*self.older, (self.now, json.dumps(self.account.fields()))][-15:]

    def lose(self) -> None:
        """With nothing kept, or what there was up to a second ago."""
        old = [fields for at, fields in self.older if at > self.now - 1.0]
        self.account = Account.parse(json.loads(self.rng.choice(old))) if old and self.rng.random() < 0.5 else Account()
        self.memory, self.since = self.memory + 1, 0

    def disturb(self) -> None:
        """Processes die, stall, begin."""
        for process in list(self.processes):
            draw = self.rng.random()
            if draw < 0.4:
                self.processes.remove(process)
            elif draw < 0.7:
                process.until = self.now + self.rng.uniform(0.0, 4.0)
        for _ in range(self.rng.randint(0, 2)):
            self.processes.append(Process(self))

    def most(self) -> int:
        """The most that was used in any window."""
        return max((sum(0 <= other - at < RATE.window / 1_000 for other in self.uses) for at in self.uses), default=0)


class Process:
    """One that calls as often as it may; the keeper of its own lease."""

    heartbeat, patience, allowance, lost = 0.25, 0.0, 0.0, False

    def __init__(self, machine: Machine) -> None:
        self.machine, self.until, self.open = machine, 0.0, list[float]()
        self.flight: tuple[float, float, object] | None = None  # arrives, sent, reply
        self.lease = Lease(self, "k", RATE)
        self.lease.due = machine.now

    def timer(self) -> float:
        return self.machine.now

    def wake(self, lease: Lease, soon: bool = True) -> None:
        lease.due = min(lease.due, self.timer() if soon else self.timer() + self.heartbeat)

    def live(self, lease: Lease) -> None:
        self.machine.lives += 1
        lease.holder = f"life {self.machine.lives}"

    def forgot(self, memory: str, seconds: float) -> bool:
        return any(other != memory and at >= self.timer() - seconds for other, at in self.machine.seen.items())

    def step(self) -> None:
        now, rng = self.timer(), self.machine.rng
        if now < self.until:
            return
        if self.flight is not None and now >= self.flight[0]:
            _, sent, reply = self.flight
            self.flight = None
            if rng.random() < 0.9:  # or it was lost on its way
                self.lease.answered(sent, reply)  # type: ignore[arg-type]
                self.machine.seen[reply.memory] = now  # type: ignore[attr-defined]
        if self.flight is None and self.lease.due <= now:
            heard = self.lease.plan(now, False)
            self.flight = now + rng.choice([0.0, 0.0, 0.02, 0.3]), now, self.machine.report(heard)
        for end in [end for end in self.open if end <= now]:
            self.open.remove(end)
            self.lease.settle(1, 1)
        while rng.random() < 0.5 and self.lease.reserve(1):
            self.machine.uses.append(now)
            self.open.append(now + rng.uniform(0.0, 0.2))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
@example(113)  # a stalled process comes back to a lease that others have had since
@example(141)  # a killed one, whose last calls nobody saw
def test_in_no_window_more_is_used_though_the_store_forgets_and_processes_die_stall_and_begin(seed: int) -> None:
    machine = Machine(seed)
    for number in range(1_500):
        machine.step()
        if number % 400 == 250:
            if machine.rng.random() < 0.5:
                machine.disturb()
                machine.lose()
            else:
                machine.lose()
                machine.disturb()
        if not machine.processes:
            machine.processes.append(Process(machine))
    assert machine.most() <= RATE.limit
    assert len(machine.uses) > 20, "it goes on"


def test_a_new_process_knows_of_the_memory_that_another_one_saw(tmp_path: Path) -> None:
    folder = str(tmp_path / "boxes")
    Memories(folder).note("0.first")
    new = Memories(folder)
    assert not new.other("0.first", 60.0)
    assert new.other("0.second", 60.0)
    assert not new.other("1.second", 60.0), "another part of a cluster"
    assert not Memories(None).other("0.second", 60.0)
    ago = time.time() - 120.0
    os.utime(tmp_path / "boxes" / "0.first.seen", (ago, ago))
    assert not new.other("0.second", 60.0)
    os.utime(tmp_path / "boxes" / "0.first.seen", (0, 0))
    new.note("0.second")
    assert [path.name for path in (tmp_path / "boxes").iterdir()] == ["0.second.seen"], "what is older than a day is removed"


def test_a_late_process_and_a_server_that_comes_back_with_nothing(tmp_path: Path, server: Server) -> None:
    rule = SharingRule(60, window=30_000, term=1_000)
    prefix, boxes = f"late-{random.random()}", str(tmp_path / "boxes")

    def keeper() -> Keeper:
        return Keeper(RedisLeases(server.url, prefix), boxes=boxes, heartbeat=0.02, patience=0.0)

    def spent(one: Keeper, until: Callable[[int], bool]) -> int:
        done, end = 0, time.monotonic() + 20
        while not until(done):
            assert time.monotonic() < end, "it did not come to that"
            lease = one.lease("k", rule)
            if lease.reserve(1):
                lease.settle(1, 1)
                done += 1
            time.sleep(0.001)
        return done

    first = keeper()
    assert spent(first, lambda done: done == 60) == 60
    first.close()
    client = RedisLeases(server.url, prefix)
    for name in client._server.client.scan_iter(f"{prefix}:*"):  # what a server without a file of its own has lost
        client._server.client.delete(name)
    for path in (tmp_path / "boxes").glob("*.seen"):  # the run before it was another one
        path.rename(path.with_name("0.earlier.seen"))
    late = keeper()
    lease = late.lease("k", rule)
    end = time.monotonic() + 10
    while not lease.recovering or lease.left():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
    assert not lease.reserve(1)
    until = time.monotonic() + 1.0
    assert spent(late, lambda _: time.monotonic() > until) == 0, "the grace is over, the window is not"
    late.close()
