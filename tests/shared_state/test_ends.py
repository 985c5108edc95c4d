"""How a store ends, and what must not end it: open calls, forks, alerts that raise, remains of killed processes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from switchwise import Pool, Price, Router, Scope, Target, View
from switchwise.policies import Budget
from switchwise.state.shared import SharedStore
from switchwise.state.shared.account import SharingRule
from switchwise.state.shared.black_box import BlackBox
from switchwise.state.shared.lease import Lease

RULE = SharingRule(1_000)


def reserved(store: SharedStore) -> Lease:
    """A lease with a reservation of 10; a new store grants only after its grace."""
    lease, end = store.lease("k", RULE), time.monotonic() + 10
    while not lease.reserve(10):
        assert time.monotonic() < end, store.trouble
    return lease


@pytest.mark.parametrize("boxes", [True, False])
def test_a_call_that_ends_after_its_store_is_closed_is_settled_and_a_new_one_refused(tmp_path: Path, boxes: bool) -> None:
    store = SharedStore(tmp_path / "state.db", boxes=str(tmp_path / "boxes") if boxes else None, heartbeat=0.02, patience=0.2)
    lease = reserved(store)
    store.close()
    lease.settle(10, 5)
    assert not store.lease("other", RULE).reserve(1)
    assert store.trouble
    assert not list(tmp_path.glob("boxes/*.box")), "nothing is left for others to settle"
    store.close()


def test_a_child_that_is_forked_after_the_end_closes_no_file_of_others(tmp_path: Path) -> None:
    store = SharedStore(tmp_path / "state.db", boxes=str(tmp_path / "boxes"), heartbeat=0.02)
    reserved(store)
    store.close()
    opened = [os.open(tmp_path / "mine", os.O_CREAT | os.O_RDWR) for _ in range(32)]  # one gets the number of the closed box
    store.leases.forked()  # as in a child
    for each in opened:
        os.close(each)  # raises if it is closed already
    reserved(store)
    store.close()


def test_an_alert_that_raises_is_logged_and_calls_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(account: str, percent: int) -> None:
        raise RuntimeError(f"no route to the pager: {percent} %")

    heard: list[int] = []
    store = SharedStore(tmp_path / "state.db", boxes=None, heartbeat=0.02, alert=broken)
    store.watch("k", lambda _, percent: heard.append(percent))
    lease, spent, end = store.lease("k", RULE), 0, time.monotonic() + 10
    with caplog.at_level(logging.ERROR, "switchwise.shared"):
        while spent < 1_000 and time.monotonic() < end:
            if lease.reserve(100):
                lease.settle(100, 100)
                spent += 100
                store.flush()
    assert spent == 1_000
    assert heard[-1] == 100, "the others hear it"
    assert "no route to the pager" in caplog.text
    store.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
@pytest.mark.parametrize("left", [Path.touch, Path.mkdir])
def test_what_is_no_box_is_passed_over_and_costs_no_open_file(tmp_path: Path, left: Callable[[Path], None]) -> None:
    left(tmp_path / "left.box")
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(100):
        assert list(BlackBox.dead(str(tmp_path))) == []
    assert len([*Path("/proc/self/fd").iterdir()]) < before + 50, "other threads of this process may open a few"


def test_the_limit_of_all_processes_is_replaced_for_a_time_and_a_long_name_has_one_account(tmp_path: Path) -> None:
    now, user = time.time(), "ada@" + "department." * 20  # longer than a row of the black box
    view = View(Scope("s", labels={"user": user}), tokens=1_000, now=now)
    pool = Pool([Target("one", price=Price(1, 1))])
    stores = [SharedStore(tmp_path / "state.db", boxes=str(tmp_path / "boxes"), heartbeat=0.02) for _ in range(2)]
    budgets = [Budget(usd=1.0, tokens=10**6, per="user") for _ in stores]
    routers = [Router(pool, budget, store=store) for budget, store in zip(budgets, stores, strict=True)]
    assert routers[1].decide(view).names == ("one",)
    budgets[0].override(view, now + 3_600, usd=0.0, by="ops", because="a key has leaked")
    end = time.monotonic() + 10
    while routers[1].decide(view).names and time.monotonic() < end:
        budgets[1].spent(view)
        stores[1].flush()
    assert routers[1].decide(view).names == (), "the other process refuses too"
    for store in stores:
        store.close()


def test_a_report_that_fails_oddly_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedStore(tmp_path / "state.db", boxes=None, heartbeat=0.02)
    lease = reserved(store)
    report, failures = store.leases.store.report, [ValueError("a row of another version")] * 2

    def odd(reports: object) -> object:
        if failures:
            raise failures.pop()
        return report(reports)

    with caplog.at_level(logging.ERROR):
        monkeypatch.setattr(store.leases.store, "report", odd)
        lease.settle(10, 10)
        end = time.monotonic() + 20
        while failures or not lease.reserve(900):
            assert time.monotonic() < end, store.trouble
    assert not failures
    assert [record.getMessage() for record in caplog.records].count(
        "a report to the store failed; it is tried again every 0.25 s"
    ) == 1
    store.close()


@pytest.mark.parametrize("torn", ["begun", "cleared"])
def test_a_row_that_was_half_written_when_its_process_was_killed_costs_no_other_row(tmp_path: Path, torn: str) -> None:
    holders = ["a" * 32, "b" * 32, "ü" * 16]
    box = BlackBox(str(tmp_path))
    for number, holder in enumerate(holders):
        note = box.row(f"kéy {number}", holder, 1_000)
        assert note is not None
        note(100, 0, 40, 2 * number)
    box.leave()
    whole = box.path.read_bytes()
    row = len(whole) // 4_096
    words = 3 * row - len(whole[2 * row : 3 * row].lstrip(b"\0")), len(f"{holders[2]} kéy 2".encode())
    for cut in range(words[1]):
        damaged = bytearray(whole)
        if torn == "begun":  # the numbers follow the words
            damaged[2 * row + cut : 3 * row] = bytes(row - cut)
        else:
            damaged[2 * row : 2 * row + cut] = bytes(cut)
        box.path.write_bytes(damaged)
        (dead,) = BlackBox.dead(str(tmp_path))
        left = [each for each in dead.rows() if each.granted]
        assert [(each.key, each.holder, each.spent, each.open) for each in left[:2]] == [
            (f"kéy {number}", holders[number], 40, 2 * number) for number in (0, 1)
        ]
        dead.leave()


def test_a_killed_neighbour_with_a_torn_row_is_settled_for(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes"
    killed = SharedStore(tmp_path / "state.db", boxes=str(boxes), heartbeat=0.02)
    reserved(killed)
    (path,) = boxes.glob("*.box")
    image = bytearray(path.read_bytes())
    image[256:266] = b"half-a-hol"  # a second account: killed in the middle of its words
    killed.close()
    (boxes / "killed.box").write_bytes(image)
    store = SharedStore(tmp_path / "state.db", boxes=str(boxes), heartbeat=0.02)
    lease, end = store.lease("k", RULE), time.monotonic() + 20
    while (boxes / "killed.box").exists():
        lease.reserve(1)
        assert time.monotonic() < end, "its box is never settled"
    store.close()


def test_a_box_uses_the_row_of_a_closed_holder_again_and_has_none_for_a_name_that_is_too_long(tmp_path: Path) -> None:
    box = BlackBox(str(tmp_path))
    assert box.row("k" * 300, "holder", 1) is None
    for holder in ("first", "second"):
        note = box.row("key", holder, 10)
        assert note is not None
        note(5, 0, 2, 1)
        assert [(row.holder, row.totals().spent) for row in box.rows()] == [(holder, 3)]
        box.clear(holder)
        box.clear(holder)
    assert box._next == 1
    box.remove()
