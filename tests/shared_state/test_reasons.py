"""Why a call is refused: the words name the store where it grants nothing, and the money only where it is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from switchwise import BudgetExceeded, Needs, Pool, Price, Router, Scope, SwitchwiseError, Target, Usage, View, drive
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.policies import Budget, RateLimits
from switchwise.state.shared.account import Account, Holding, SharingRule, report
from switchwise.state.shared.lease import Lease
from switchwise.testing import Says, Script

POOL = Pool([Target("one", "acme", price=Price(1, 5))])
BEGIN = 1_000_000.0


class Store:
    """A store and the thread of its leases, on a clock: it reports when it is woken, unless it is starved."""

    place, skew, heartbeat, patience, lost, allowance = "test", 0.0, 0.25, 0.0, False, 0.0

    def __init__(self, since: float = 0.0) -> None:
        self.now, self.since, self.starved = BEGIN, since, False
        self.leases: dict[str, Lease] = {}
        self.accounts: dict[str, Account] = {}
        self.seen: Mapping[str, Holding] = {}

    @property
    def trouble(self) -> str:
        new = any(lease.recovering for lease in self.leases.values())
        return "has lost its memory or is new, and grants nothing yet" if new else ""

    def timer(self) -> float:
        return self.now

    def lease(self, key: str, rule: SharingRule) -> Lease:
        if key not in self.leases:
            self.accounts[key] = Account()
            self.leases[key] = Lease(self, key, rule)
        return self.leases[key]

    def wake(self, lease: Lease, soon: bool = True) -> None:
        if not self.starved and soon:
            self.report(lease)

    def report(self, lease: Lease) -> None:
        for _ in range(2):  # the first answer of a window grants nothing
            heard = lease.plan(self.now, closing=False)
            reply = report(self.accounts[lease.key], heard, int(self.now * 1_000), int(self.since * 1_000))
            lease.answered(self.now, reply)

    def live(self, lease: Lease) -> None:
        lease.holder = "me"

    def forgot(self, memory: str, seconds: float) -> bool:
        return False

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None: ...

    def override(self, key: str, limit: int, until: float) -> None: ...

    def table(self, name: str, size: int) -> Any: ...


def ask(router: Router, tokens: int = 100) -> None:
    view = View(Scope("s1"), tokens=tokens, needs=Needs(max_output=1))
    list(drive(router.start(view), Script(otherwise=Says("yes", usage=Usage(tokens, 1))).perform))


class Heard(Observer):
    def __init__(self) -> None:
        self.kinds: list[EventKind] = []

    def event(self, event: Event) -> None:
        self.kinds.append(event.kind)


@pytest.mark.parametrize("policy", [Budget, RateLimits])
def test_a_store_that_is_new_is_the_reason_and_nothing_was_spent(policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    store, heard = Store(since=BEGIN), Heard()
    router = Router(POOL, policy(tokens=1_000, per="all"), store=store, observers=[heard])
    for _ in range(2):  # the first refusal is by its reservation, the second by its decision
        with pytest.raises(SwitchwiseError) as refused:
            ask(router)
        assert f"the store of its {'budget' if policy is Budget else 'limit'} has lost its memory or is new" in str(
            refused.value
        )
        assert "spent" not in str(refused.value)
    assert "used up" not in caplog.text
    assert EventKind.BUDGET_EXHAUSTED not in heard.kinds
    store.now = BEGIN + 1.0
    store.report(next(iter(store.leases.values())))
    ask(router)


def test_what_a_process_holds_is_left_for_it_though_its_lease_lapsed() -> None:
    store = Store()
    lease = store.lease("k", SharingRule(1_000, window=1_000, term=50))
    assert lease.reserve(400)
    lease.settle(400, 400)
    store.report(lease)
    store.now += 0.2  # longer than its term
    assert lease.left() == 600
    assert lease.reserve(400)
    assert not lease.reserve(400)


def test_a_process_that_was_starved_says_that_the_store_was_late() -> None:
    store = Store()
    budget = Budget(tokens=1_000, per="all", window=10.0)
    router = Router(POOL, budget, store=store)
    ask(router, tokens=400)
    store.starved, store.now = True, store.now + 0.9  # its lease is valid for half a second
    with pytest.raises(BudgetExceeded, match="the store of its budget did not grant it in time") as refused:
        ask(router, tokens=400)
    assert "used up" not in str(refused.value)
    store.starved = False
    ask(router, tokens=400)
    with pytest.raises(BudgetExceeded, match="have spent"):
        ask(router, tokens=400)


def test_the_first_call_of_a_process_counts_in_the_period_of_the_stores_clock() -> None:
    """The clock of this machine is 40 s ahead: for it the next day has begun, for the store not yet."""
    midnight = 86_400.0 * 20_000

    class Ahead(Store):
        """Its clock is known from the first answer on."""

        def report(self, lease: Lease) -> None:
            super().report(lease)
            self.skew = -40.0

    store = Ahead()
    router = Router(POOL, Budget(tokens=1_000, per="all", period="day"), store=store, clock=lambda: midnight + 30.0)
    ask(router)
    ask(router)
    spent = {key.rpartition("/")[2]: lease.spent() for key, lease in store.leases.items()}
    assert spent == {"2024-10-04@UTC": 0, "2024-10-03@UTC": 202}


@pytest.mark.parametrize(("skew", "days"), [(40.0, [3, 4]), (0.0, [3]), (-40.0, [3])])
def test_an_override_reaches_the_periods_of_the_stores_clock(skew: float, days: list[int]) -> None:
    midnight, replaced = 86_400.0 * 20_000, list[str]()

    class Skewed(Store):
        def override(self, key: str, limit: int, until: float) -> None:
            replaced.append(key.rpartition("/")[2])

    store = Skewed()
    store.skew = skew
    budget = Budget(tokens=1_000, per="all", period="day")
    budget.use_store(store)
    budget.override(View(now=midnight - 100.0), midnight - 20.0, tokens=9, by="ops", because="a test")
    assert replaced == [f"2024-10-0{day}@UTC" for day in days]


def test_a_scope_that_is_not_unicode_has_an_account() -> None:
    store = Store()
    router = Router(POOL, Budget(tokens=1_000, per="user"), store=store)
    view = View(Scope("s1", labels={"user": "s\ud800"}), tokens=100, needs=Needs(max_output=1))  # half of a pair of surrogates
    list(drive(router.start(view), Script(otherwise=Says("yes", usage=Usage(100, 1))).perform))
    ((key, lease),) = store.leases.items()
    assert key.isascii()
    assert lease.spent() == 101
