"""One budget over processes: never overspent, used up to the end; and what two processes see of each other."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switchwise import (
    Attempt,
    Call,
    ConfigurationError,
    Needs,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    Usage,
    View,
    adrive,
    drive,
)
from switchwise.observe.observer import Event, EventKind
from switchwise.policies import Budget, RateLimits
from switchwise.state import Namespace
from switchwise.state.opening import opened
from switchwise.state.shared import Keeper, RedisLeases, SqliteLeases
from switchwise.testing import Says, Script

from .conftest import Server, programs

CHEAP = Target("cheap", "acme", price=Price(1, 5))
DEAR = Target("dear", "other", price=Price(10, 50))
POOL = Pool([DEAR, CHEAP])


def view(session: str = "s1", tenant: str = "", user: str = "ada", now: float = 0.0) -> View:
    labels = {"user": user}
    return View(Scope(session, labels=labels, tenant=tenant), tokens=1_000, needs=Needs(max_output=100), now=now)


@pytest.fixture(params=[*programs()[:1], "sqlite"])
def keepers(request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path: Path) -> Iterator[Callable[[], Keeper]]:
    """Keepers of one store, each as another process has it."""
    made: list[Keeper] = []

    def keeper() -> Keeper:
        store = (
            SqliteLeases(tmp_path / "leases.db")
            if request.param == "sqlite"
            else RedisLeases(servers(request.param).url, prefix=str(tmp_path))
        )
        made.append(Keeper(store, boxes=None, heartbeat=0.02, patience=2.0))
        return made[-1]

    yield keeper
    for each in made:
        each.close()


def spend(budget: Budget, request: View, tokens: int, target: Target = CHEAP) -> bool:
    call = Call(target, request, Shortlist(POOL))
    granted = budget.reserve(call)
    if granted:
        budget.learn(Attempt(call, 0.0, 1.0, Reply("", usage=Usage(tokens, 0))))
    return granted


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.timeout(170)
@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_d10_processes_spend_one_budget_while_one_is_killed_and_the_server_loses_everything(kind: str, tmp_path: Path) -> None:
    import trial

    server = Server("redis-server", tmp_path) if kind == "redis" else None
    if server is not None:
        server.start()

    def half_way(processes: list[object]) -> None:
        processes[1].send_signal(signal.SIGKILL)  # type: ignore[attr-defined]
        if server is not None:
            server.kill()
            server.start()

    store = server.url if server is not None else str(tmp_path / "leases.db")
    try:
        result = trial.run(store, tmp_path, limit=0.5, processes=3, threads=4, half_way=half_way)
    finally:
        if server is not None:
            server.kill()
    assert sorted(result.codes) == [-9, 0, 0]
    assert result.failed > 0.2 * (result.calls + result.failed), "the faults took place"
    assert 0.9 * 0.5 <= result.billed <= 0.5  # of $1.00 the whole trial, `python tools/sharing`, spends more than 0.97


@pytest.mark.timeout(170)
def test_processes_keep_to_one_rate_while_one_is_killed(tmp_path: Path) -> None:
    """The whole trial, with a server that loses everything, is `python tools/sharing --unit requests --kill --restart empty`."""
    import trial

    server = Server("redis-server", tmp_path)
    server.start()

    def half_way(processes: list[object]) -> None:
        processes[1].send_signal(signal.SIGKILL)  # type: ignore[attr-defined]

    try:
        result = trial.run(
            server.url, tmp_path, limit=60, unit="requests", window=2.0, seconds=5.0, processes=2, half_way=half_way
        )
    finally:
        server.kill()
    assert sorted(result.codes) == [-9, 0]
    assert result.failed > 0.15 * len(result.moments), "the faults took place"
    assert result.most(2.0) <= 60, "by the provider's own count, in every window"
    assert len(result.moments) > 70, "it goes on as the window moves"


def test_what_one_process_spends_is_gone_for_the_other(keepers: Callable[[], Keeper]) -> None:
    one, other = (Budget(usd=0.01, tokens=10**6, per="user", store=keepers()) for _ in range(2))
    while spend(one, view("s1"), 900):
        pass
    assert one.spent(view())[0] > 0.0085
    eventually(lambda: other.spent(view("s2"))[0] > 0.0085)
    assert not spend(other, view("s2"), 900)
    assert Router(POOL, other).decide(view("s2")).notes[0].because.startswith("user 'ada' has spent $0.00")
    assert spend(other, view(user="bob"), 900)


def test_a_threshold_is_an_event_of_its_budget_and_names_the_scope(keepers: Callable[[], Keeper]) -> None:
    heard: list[tuple[str, str, Any]] = []
    keeper, name = Namespace(keepers(), "staging"), "ada/lovelace: 50 %"
    ever, daily = (
        Budget(tokens=tokens, per="user", period=period, store=keeper) for tokens, period in ((3_000, None), (10**6, "day"))
    )
    for which, budget in (("ever", ever), ("daily", daily)):

        def hear(event: Event, which: str = which) -> None:
            if event.kind is EventKind.BUDGET_ALERT:
                heard.append((which, event.name, event.details["percent"]))

        budget.report_to(hear)
    assert spend(ever, view(user=name), 1_600)
    eventually(lambda: heard == [("ever", f"user {name!r}", 50)])
    assert spend(daily, view(user=name), 850_000)
    eventually(lambda: len(heard) > 1)
    assert heard[1:] == [("daily", f"user {name!r}", 80)]


def test_a_scope_with_a_long_name_is_an_event_too_and_no_dollars_pay_for_what_has_no_price(
    keepers: Callable[[], Keeper],
) -> None:
    heard: list[str] = []
    keeper = keepers()
    assert keeper.trouble == "has not responded yet"
    budget = Budget(usd=0.01, per="user", store=keeper)
    budget.report_to(lambda event: heard.append(event.name) if event.kind is EventKind.BUDGET_ALERT else None)
    assert spend(budget, view(user="ada@" + "department." * 20), 6_000)
    eventually(lambda: bool(heard))
    assert heard[0].startswith("user #")
    assert not budget.reserve(Call(Target("unpriced"), view(user="bob"), Shortlist(POOL)))
    now = time.time()
    budget.override(view(user="bob", now=now), now + 60, usd=0.0, by="ops", because="a leaked key")
    eventually(lambda: not spend(budget, view(user="bob"), 0))


def test_tenants_and_namespaces_share_nothing(keepers: Callable[[], Keeper]) -> None:
    keeper = keepers()
    budget = Budget(tokens=1_500, store=keeper)
    assert spend(budget, view(tenant="acme"), 1_000)
    assert not spend(budget, view(tenant="acme"), 1_000)
    assert spend(budget, view(tenant="umbrella"), 1_000)
    assert spend(Budget(tokens=1_500, store=Namespace(keeper, "staging")), view(tenant="acme"), 1_000)
    with pytest.raises(ConfigurationError, match="two policies named Budget"):
        Router(POOL, Budget(tokens=9, store=keeper), Budget(tokens=10, store=keeper))


@pytest.mark.parametrize("limit", [{"usd": 1e11}, {"tokens": 2**63}])
def test_a_limit_beyond_64_bits_is_refused(keepers: Callable[[], Keeper], limit: dict[str, Any]) -> None:
    """It would end the thread that reports on all accounts."""
    with pytest.raises(ConfigurationError, match="a limit that processes share is at most"):
        Budget(**limit, store=keepers())
    assert spend(Budget(usd=1e9, store=keepers()), view(), 1_000)


def test_a_refusal_of_one_unit_leaves_the_other_as_it_was(keepers: Callable[[], Keeper]) -> None:
    budget = Budget(usd=10.0, tokens=1_300, store=keepers())
    assert spend(budget, view(), 1_000)
    assert not spend(budget, view(), 1_000)
    eventually(lambda: budget.spent(view()) == (0.001, 1_000))


def test_each_period_has_a_limit_of_its_own(keepers: Callable[[], Keeper]) -> None:
    budget = Budget(tokens=1_500, per="all", period="day", zone="Europe/Berlin", store=keepers())
    noon, midnight = 1_764_500_400.0, 1_764_543_600.0  # 2025-11-30 in Berlin, and the first second of the next day
    assert spend(budget, view(now=noon), 1_000)
    skew = budget._spending.skew
    assert not spend(budget, view(now=midnight - 1 - skew), 1_000)
    assert spend(budget, view(now=midnight + 1 - skew), 1_000)


async def test_tasks_of_one_loop_are_not_refused_while_there_is_enough(keepers: Callable[[], Keeper]) -> None:
    keeper = keepers()
    router = Router(POOL, Budget(tokens=250_000, per="all", store=keeper))
    script = Script(otherwise=Says("yes", usage=Usage(900, 100)))

    async def work() -> int:
        run = router.start(view())
        async for _ in adrive(run, script.aperform):
            pass
        return run.outcome.reply.usage.input_tokens

    assert sum(await asyncio.gather(*(work() for _ in range(200)))) == 200 * 900


def test_an_address_is_opened_once(tmp_path: Path) -> None:
    path = str(tmp_path / "money.db")
    assert opened(path) is opened(path)
    budget = Budget(tokens=5_000, store=path)
    assert spend(budget, view(), 900)
    assert Budget(tokens=5_000, store=path).spent(view())[1] >= 900
    opened(path).close()


def test_calls_in_flight_of_all_processes_are_bounded(keepers: Callable[[], Keeper]) -> None:
    limits = [RateLimits(in_flight=4, per="all", store=keepers()) for _ in range(2)]
    under_way, most, lock = 0, 0, threading.Lock()
    made = [0, 0]

    def work(number: int) -> None:
        nonlocal under_way, most
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            call = Call(CHEAP, view(), Shortlist(POOL))
            if not limits[number].reserve(call):
                time.sleep(0.002)
                continue
            with lock:
                under_way += 1
                most = max(most, under_way)
                made[number] += 1
            time.sleep(0.005)
            with lock:
                under_way -= 1
            limits[number].learn(Attempt(call, 0.0, 1.0, Reply("", usage=Usage(1, 0))))

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 <= most <= 4
    assert min(made) > 10, "both get their share"


def test_calls_that_wait_pass_no_limit_of_all_processes(keepers: Callable[[], Keeper]) -> None:
    routers = [Router(POOL, RateLimits(in_flight=2, per="all", wait=60, store=keepers())) for _ in range(2)]
    under_way, most, made, lock = 0, 0, [0, 0], threading.Lock()

    def perform(call: Call) -> Iterator[Reply]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.005)
        with lock:
            under_way -= 1
        yield Reply("yes", usage=Usage(1, 0))

    def work(number: int) -> None:
        for _ in range(4):
            run = routers[number].start(view())
            list(drive(run, perform, sleep=lambda seconds: time.sleep(seconds / 20)))
            with lock:
                made[number] += 1

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2
    assert made == [12, 12], "each waits, and none is refused"
