"""Every policy that remembers keeps its contract over a shared store; what one process learns, another one knows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switchwise import Attempt, Policy, Pool, Router, Scope, Target, View
from switchwise.engine.drive import drive
from switchwise.engine.policy import Checks, UsesStore
from switchwise.nouns.exchange.reply import Reply
from switchwise.policies import Budget, Canary, Cap, RateLimits, Rules, Stick
from switchwise.state import Namespace, Store
from switchwise.state.shared import SharedStore
from switchwise.testing import conformance, lessons, material

from ..core.test_conformance import _makers
from .conftest import Server, programs

NUMBERS = itertools.count()
MAKERS = [each for each in _makers() if isinstance(each.values[0](), UsesStore)]
EXACT = (Budget, RateLimits)  # what they remember is leased: see test_budgets and test_rates
LATE = [each for each in MAKERS if not isinstance(each.values[0](), EXACT)]
FIRST = [*{type(each.values[0]()): each for each in reversed(LATE)}.values()]


@pytest.fixture(scope="module", params=[*programs()[:1], "sqlite"])
def two(
    request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SharedStore, SharedStore]]:
    """One store, as two processes have it."""
    folder = tmp_path_factory.mktemp("state")
    address = str(folder / "state.db") if request.param == "sqlite" else servers(request.param).url
    both = tuple(SharedStore(address, prefix=folder.name, boxes=None, heartbeat=0.02) for _ in range(2))
    yield both[0], both[1]
    for store in both:
        store.close()


def keep(policy: Policy, store: Store) -> Policy:
    assert isinstance(policy, UsesStore)
    policy.use_store(store)
    if isinstance(policy, Checks):
        policy.check(material.pool())
    return policy


def test_a_call_that_two_processes_let_through_at_once_is_counted_by_both(two: tuple[SharedStore, SharedStore]) -> None:
    """Each saw a free place; the write that comes second is repeated on the value of the first."""
    pool, caps = Pool([Target("own"), Target("cloud")]), [Cap({"own": 1}), Cap({"own": 1})]
    routers = [Router(pool, cap, store=Namespace(store, "cap")) for cap, store in zip(caps, two, strict=True)]
    for store in two:
        store.tables._turn.acquire()
    runs = [router.start(View()) for router in routers]
    for store in two:
        store.tables._turn.release()
    for store in (*two, *two):
        store.flush()
    assert [run.call.target.name for run in runs] == ["own", "own"]
    assert [len(cap.load("own")["calls"]) for cap in caps] == [2, 2]
    for run in runs:
        run.close()


@pytest.mark.parametrize("make", FIRST)
def test_every_policy_that_remembers_keeps_its_contract(make: Callable[[], Policy], tmp_path: Path) -> None:
    store = SharedStore(tmp_path / "state.db", boxes=None, heartbeat=0.1)

    def kept() -> Policy:
        return keep(make(), Namespace(store, f"{next(NUMBERS)}"))

    for check in conformance.CHECKS:
        if check is not conformance.has_bounded_memory:  # see test_memory_is_bounded
            check(kept, material.pool())
    store.close()


@pytest.mark.parametrize("make", LATE)
def test_what_one_process_learns_another_one_knows(make: Callable[[], Policy], two: tuple[SharedStore, SharedStore]) -> None:
    space, pool = f"{next(NUMBERS)}", material.pool()
    one, other = (keep(make(), Namespace(store, space)) for store in two)
    stranger = keep(make(), Namespace(two[1], f"{next(NUMBERS)}"))
    unknown = lessons.decisions(stranger, pool)
    lessons.teach(one, pool)
    two[0].flush()
    two[1].flush()
    assert lessons.decisions(other, pool) == lessons.decisions(one, pool)
    assert lessons.decisions(stranger, pool) == unknown


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Changes that wait for the thread take memory, too: they are written before each measurement, however slow the thread is."""
    store = SharedStore(tmp_path / "state.db", boxes=None, heartbeat=0.1, patience=60.0)
    lessons = itertools.count(1)

    class Written(Stick):
        def learn(self, attempt: Attempt) -> None:
            super().learn(attempt)
            if next(lessons) % 1_000 == 0:  # the measurements are after 12,000 and 14,000 lessons
                store.flush()

    conformance.has_bounded_memory(lambda: keep(Written(), Namespace(store, "bounded")), material.pool())
    assert next(lessons) == conformance.SCOPES + conformance.MORE + 1
    assert conformance.SCOPES % 1_000 == conformance.MORE % 1_000 == 0
    store.close()


def test_a_canary_is_one_test_over_all_processes(tmp_path: Path) -> None:
    stores: list[SharedStore] = []

    def worker() -> Router:
        new = Rules().prefer("cheap", when=lambda view: True)
        pool = Pool([Target("dear"), Target("cheap")])
        store = SharedStore(tmp_path / "state.db", heartbeat=0.02, boxes=None)
        stores.append(store)
        return Router(pool, Canary(new, 0.5), store=store)

    def called(router: Router, number: int) -> tuple[str, str]:
        run = router.start(View(Scope(f"s{number}")))
        for _ in drive(run, lambda call: iter([Reply("done")])):
            pass
        return run.outcome.decision, run.outcome.target.name

    deciding, reporting = worker(), worker()
    made = [called(deciding, number) for number in range(60)]
    for store in stores:
        store.flush()
    for decision, target in made:
        for _ in range(2):
            reporting.feedback(decision, 0.0 if target == "cheap" else 1.0)
    for store in reversed(stores):
        store.flush()
    new = [number for number, (_, target) in enumerate(made) if target == "cheap"]
    assert {called(deciding, number)[1] for number in new} == {"dear"}, "it is stopped where it was decided"
    for store in stores:
        store.close()
