"""Conformance checks for policies.

    from switchwise.testing import check_policy

    def test_my_policy():
        check_policy(lambda: MyPolicy(...))

Each check is a function of `CHECKS`, so a test runner can show them one by one. They raise `AssertionError`. A policy with `use_store` is
checked over each of `STORES`: with its own state, and with a store of JSON text.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from switchwise.engine.policy import Checks, ChecksState, Learns, Policy, Remembers, Reserves, UsesStore, name_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Scope
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Phase, Signals
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.testing import material
from switchwise.testing.lessons import Make, decisions, dumped, fresh, in_order, size, taught
from switchwise.testing.several_targets import check_plans
from switchwise.testing.store_checks import STORES, as_it_is, keeps_tenants_apart, lives_in_its_store

SCOPES, MORE = 12_000, 2_000  # the default size of a policy's memory is 10,000 scopes; its table has settled by then
SLOWEST = 2_500  # rounds of `_rounds` (about 100 us on a quiet machine) that one policy's opinion on four targets may take
TRIES = 3
THREADS = 4


def check_policy(make: Make, pool: Pool | None = None) -> None:
    """Check that a policy keeps the contract of `switchwise.engine.policy`.

    Parameters:
        make: returns a new instance with empty state.
        pool: a suitable pool; None: four targets named opus, sol, haiku and luna.

    Raises:
        AssertionError: it breaks the contract; the message gives the reason.
        ConfigurationError: `make` returns no policy, or the policy does not suit the pool.

    >>> check_policy(lambda: lambda view, shortlist: shortlist.prefer(["haiku"], "I like short poems"))
    """
    first = _made(make)
    for name, kept in STORES.items():
        if kept is as_it_is or isinstance(first, UsesStore):
            for check in checks_over(kept):
                try:
                    check(kept(make), pool or material.pool())
                except (AssertionError, ConfigurationError):
                    raise
                except Exception as error:  # raised below, with the check in its words
                    raise AssertionError(f"{check.__name__}, {name}: it raised {error!r}") from error


def _made(make: Make) -> Policy:
    """A policy.

    Raises:
        ConfigurationError: `make` is not a function without parameters that returns one.
    """
    wanted = "give a function without parameters that returns a new policy, such as lambda: MyPolicy(...)"
    if not callable(make):
        raise ConfigurationError(f"check_policy({make!r:.80}): {wanted}")
    try:
        policy = make()
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # from within it
        raise ConfigurationError(f"check_policy({make!r:.80}): {error}: {wanted}") from error
    if not callable(policy):
        raise ConfigurationError(f"check_policy({make!r:.80}): it returned {policy!r:.80}: {wanted}")
    return policy


def checks_over(kept: Callable[[Make], Make]) -> Iterator[Callable[[Make, Pool], None]]:
    """The checks for one of `STORES`. A store of JSON text proves that the state references no objects; speed is not checked with it, and
    what has stores of its own is checked once.
    """
    return (check for check in CHECKS if kept is as_it_is or check not in ONCE)


def only_narrows_and_ranks(make: Make, pool: Pool) -> None:
    """It never adds or duplicates a target, and never changes the given shortlist."""
    policy = fresh(make, pool)
    for view in material.views():
        for before in material.shortlists(pool):
            names, notes = before.names, before.notes
            after = material.answer(policy, view, before)
            assert set(after.names) <= set(names), f"it added {set(after.names) - set(names)}"
            assert len(set(after.names)) == len(after.names), f"it doubled a target: {after.names}"
            assert after.notes[: len(notes)] == notes, "it took earlier policies' notes away"
            assert (before.names, before.notes) == (names, notes), "it changed the shortlist that it was given"


def gives_reasons(make: Make, pool: Pool) -> None:
    """It gives a reason for every change, declares `requires` if it rules targets out, and states number and time for several targets."""
    policy = taught(make, pool)
    check_plans(policy, pool)
    for view in material.views():
        for before in material.shortlists(pool):
            after = material.answer(policy, view, before)
            new = after.notes[len(before.notes) :]
            assert new or after.names == before.names, "it changed the order without a note"
            for note in new:
                assert note.policy, "a note is not signed"
                assert note.because.strip(), f"a note of {note.policy} gives no reason"
            if len(after.names) < len(before.names):
                assert getattr(policy, "requires", False), "it ruled targets out, so its class must say `requires = True`"


def is_deterministic(make: Make, pool: Pool) -> None:
    """The same view and shortlist give the same result, and deciding does not change its state."""
    policy = taught(make, pool)
    remembered = dumped(policy)
    for view in material.views():
        for before in material.shortlists(pool):
            first, second = (material.answer(policy, view, before) for _ in range(2))
            same = (first.names, first.notes) == (second.names, second.notes)
            assert same, "asked twice, it gave two answers; use view.now and view.seed, and learn in `learn`"
    assert dumped(policy) == remembered, "being asked changed its memory"


def bears_an_empty_shortlist(make: Make, pool: Pool) -> None:
    """It accepts an empty shortlist."""
    empty = Shortlist(pool).require(lambda _: False, "an earlier requirement")
    for policy in (fresh(make, pool), taught(make, pool)):
        for view in material.views():
            assert material.answer(policy, view, empty).names == (), "it added a target to an empty shortlist"


def learns_from_anything(make: Make, pool: Pool) -> None:
    """It learns every kind of attempt, with and without a reservation."""
    policy = taught(make, pool)
    unreserved = fresh(make, pool)
    if isinstance(unreserved, Learns):
        for attempt in material.attempts(policy, pool, material.views()[0], pool.targets[0]):
            unreserved.learn(attempt)
    decisions(unreserved, pool)


def carries_its_memory(make: Make, pool: Pool) -> None:
    """Its dump is JSON, and a new instance that loads it decides in the same way.

    Failures that last until a restart are excluded: a policy need not save them.
    """
    policy = taught(make, pool, lasting=False)
    if not isinstance(policy, Remembers):
        return
    text = json.dumps(policy.dump(), allow_nan=False)
    other = fresh(make, pool)
    assert isinstance(other, Remembers)
    other.load(json.loads(text))
    assert decisions(other, pool) == decisions(policy, pool), "after load(dump()) it decides differently"
    assert dumped(other) == in_order(json.loads(text)), "dump(), load() and dump() give two states"


def refuses_a_spoilt_state(make: Make, pool: Pool) -> None:
    """It refuses a state with a non-finite number or a wrong value, naming the field, and restores nothing.

    Only for policies with `check_state`.
    """
    policy = taught(make, pool, lasting=False)
    if not (isinstance(policy, Remembers) and isinstance(policy, ChecksState)):
        return
    state = json.loads(json.dumps(policy.dump()))
    for spoilt, where in material.spoilt(state, "the state"):
        other = fresh(make, pool)
        assert isinstance(other, Remembers)
        before, refusal = dumped(other), None
        try:
            other.load(spoilt)
        except Exception as error:  # noqa: BLE001  (reported below)
            refusal = error
        assert refusal is not None, f"{where}: load took it"
        assert isinstance(refusal, ConfigurationError), (
            f"{where}: load raised {refusal!r}, not a ConfigurationError that names it"
        )
        assert dumped(other) == before, f"{where}: a part of a refused state was taken over"


def gives_reservations_back(make: Make, pool: Pool) -> None:
    """A reservation that is released leaves no trace."""
    policy = taught(make, pool)
    if not isinstance(policy, Reserves):
        return
    remembered, before = dumped(policy), decisions(policy, pool)
    for view in material.views():
        for target in pool:
            call = material.call(policy, pool, view, target)
            if policy.reserve(call):
                policy.release(call)
    assert (dumped(policy), decisions(policy, pool)) == (remembered, before), "a released reservation left a trace"


def has_bounded_memory(make: Make, pool: Pool) -> None:
    """Its memory stops growing, however many sessions, agents and users there are."""
    policy = fresh(make, pool)
    if not isinstance(policy, Learns):
        return

    def grown(start: int, end: int) -> int:
        for i in range(start, end):
            scope = Scope(f"s{i}", f"a{i}", f"t{i}", labels={"user": f"u{i}", "tenant": f"t{i}"})
            view = View(scope, 10, signals=Signals(phase=Phase.TESTING), now=material.START + i, seed=i)
            policy.learn(next(material.attempts(policy, pool, view, pool.targets[i % len(pool)])))
        return size(policy)

    once, later = grown(0, SCOPES), grown(SCOPES, SCOPES + MORE)
    linear = once * MORE / SCOPES
    assert later - once < 0.25 * linear + 16_384, (
        f"{MORE:,} scopes after {SCOPES:,}, its memory still grew by {later - once:,} bytes"
    )


def keeps_no_text(make: Make, pool: Pool) -> None:
    """Its state contains no text, and no view, call or attempt that references text."""
    policy = taught(make, pool)
    decisions(policy, pool)
    kept = next((part for part in material.reached(policy) if isinstance(part, str) and material.WORDS in part.lower()), None)
    assert kept is None, f"it keeps what the user said: {kept!r:.80}; keep features and digests only"


def is_thread_safe(make: Make, pool: Pool) -> None:
    """It may be used and taught from many threads at once."""
    policy = fresh(make, pool)
    learn = policy.learn if isinstance(policy, Learns) else None
    reserving = policy if isinstance(policy, Reserves) else None
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)
    views = material.views()
    lessons = [
        (lesson for view in views for lesson in material.attempts(policy, pool, view, pool.targets[i % len(pool)]))
        for i in range(THREADS)
    ]

    def work(number: int) -> None:
        try:
            start.wait()
            for i, attempt in enumerate(lessons[number]):
                if learn is not None:
                    learn(attempt)
                if reserving is not None and reserving.reserve(again := replace(attempt.call)):
                    reserving.release(again)
                if i % 10 == 0:
                    material.answer(policy, attempt.call.view, Shortlist(pool))
                    dumped(policy)
        except BaseException as error:  # noqa: BLE001  (carried to the thread that reports it)
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise AssertionError(f"used by {THREADS} threads at once, it failed: {errors[0]!r}") from errors[0]
    assert decisions(policy, pool) == decisions(policy, pool)


def complains_properly(make: Make, pool: Pool) -> None:
    """For an unsuitable pool it raises a `ConfigurationError` with a message, and nothing else."""
    policy = make()
    if not isinstance(policy, Checks):
        return
    for strange in (Pool([Target("x")]), Pool([Target("x", roles=frozenset({"fast", "strong"})), Target("y")]), pool):
        message = "none"
        try:
            policy.check(strange)
        except ConfigurationError as error:
            message = str(error)
        assert message.strip(), "its ConfigurationError says nothing"


def is_quick(make: Make, pool: Pool) -> None:
    """A decision takes microseconds, because it is made at every step."""
    policy = taught(make, pool)
    shortlist = Shortlist(pool).signed_by(name_of(policy))
    views = list(material.views())
    for view in views:
        if not isinstance(opinion := policy(view, shortlist), Shortlist):
            opinion.close()
            return  # it asks a model first, which dominates the cost
    for _ in range(TRIES):  # compared with plain work, repeatedly: the machine may be slow or disturbed
        medians = [statistics.median(_seconds(partial(policy, view, shortlist), 30)) for view in views]
        typical, most = statistics.median(medians), statistics.median(_seconds(lambda: _rounds(SLOWEST), 30))
        if typical <= most:
            return
    raise AssertionError(f"an opinion takes {typical * 1e6:.0f} us, more than the {most * 1e6:.0f} of {SLOWEST} rounds")


def _seconds(work: Callable[[], object], times: int) -> list[float]:
    """The processor time of each of so many runs, in seconds."""
    marks = [(time.thread_time(), work(), time.thread_time()) for _ in range(times)]
    return [ended - began for began, _, ended in marks]


def _rounds(count: int) -> None:
    for number in range(count):
        _ = number + 1


CHECKS: tuple[Callable[[Make, Pool], None], ...] = (
    only_narrows_and_ranks,
    is_quick,
    gives_reasons,
    is_deterministic,
    bears_an_empty_shortlist,
    learns_from_anything,
    carries_its_memory,
    refuses_a_spoilt_state,
    lives_in_its_store,
    keeps_tenants_apart,
    gives_reservations_back,
    has_bounded_memory,
    keeps_no_text,
    is_thread_safe,
    complains_properly,
)
ONCE = frozenset([is_quick, lives_in_its_store, keeps_tenants_apart])
"""Checks that are the same whatever store a policy gets."""
