"""Several calls at once: the engine's promises over random scripts and random orders of events, and both drivers."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import (
    Ask,
    Attempt,
    Call,
    FailureKind,
    Gather,
    Pool,
    Price,
    Repeat,
    Reply,
    Router,
    Shortlist,
    SwitchwiseError,
    Target,
    TargetError,
    Together,
    Usage,
    Verdict,
    View,
    adrive,
    drive,
)
from switchwise.policies import Budget
from switchwise.testing import Clock

from .scripts import Bug, Stage, World, worlds


def by_length(view: View, replies: Sequence[tuple[Target, Reply]]) -> Any:
    """The longest answer; of equal ones, by the name of the target. Those of one word are rejected."""
    ranked = sorted(replies, key=lambda one: (-len(one[1].text), one[0].name))
    return [(reply, Verdict(len(reply.text) > 1, "by length", len(reply.text) / 10)) for _, reply in ranked]


class AtOnce:
    """Lets several targets answer every request."""

    name = "AtOnce"

    def __init__(self, most: int = 2, after: float | None = 0.0, until: Any = 1, choose: Any = None) -> None:
        self.most, self.after, self.until, self.choose = most, after, until, choose

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.together(Together("AtOnce", self.most, "a test", lambda _: self.after, self.until, self.choose))


class Tickets:
    """Reserves for calls; every reservation must be settled exactly once."""

    def __init__(self, most: int = 1_000) -> None:
        self.most, self.open, self.settled = most, 0, 0

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist

    def reserve(self, call: Call) -> bool:
        if self.open + self.settled >= self.most:
            return False
        self.open += 1
        return True

    def release(self, call: Call) -> None:
        self.open -= 1

    def learn(self, attempt: Attempt) -> None:
        self.open -= 1
        self.settled += 1


class Played:
    """A run whose live calls go on in an order that is drawn."""

    def __init__(self, world: World, plan: AtOnce, draw: random.Random, tickets: Tickets) -> None:
        self.stage, self.shown, self.learned = Stage(world, True), list[str](), list[Attempt]()
        self.most_live, self.result, self.run = 0, "", None
        pool = Pool([Target(name, provider=f"p{i % 2}") for i, name in enumerate(world.acts)])
        verify = world.verify if world.judged else None
        router = Router(pool, plan, tickets, verify=verify, observers=[self.learned.append], rng=random.Random(1))
        try:
            run = self.run = router.start(View())
            while run.call is not None or run.several is not None:
                self.alone(run) if run.call is not None else self.several(run, draw)
            self.shown += run.held
            self.result = "outcome"
        except (SwitchwiseError, ConnectionError, Bug) as error:
            self.result = type(error).__name__
            if self.run is not None:
                self.run.close()

    def alone(self, run: Any) -> None:
        call, reply = run.call, None
        try:
            for item in self.stage.perform(call):
                if isinstance(item, Reply):
                    reply = item
                elif run.hear(item):
                    self.shown.append(item)
        except TargetError as error:
            run.failed(error)
        else:
            run.ended(reply)

    def several(self, run: Any, draw: random.Random) -> None:
        several, at_work = run.several, dict[int, Iterator[Any]]()
        while run.several is several:
            calls = several.calls
            self.most_live = max(self.most_live, len(calls))
            if several.wait is not None and draw.random() < 0.3:
                several.waited()
                continue
            call = draw.choice(calls)
            items = at_work.setdefault(id(call), iter(self.stage.perform(call)))
            try:
                item = next(items)
            except TargetError as error:
                if several.failed(call, error):
                    del at_work[id(call)]
                continue
            if isinstance(item, Reply):
                several.ended(call, item)
            else:
                self.shown += several.hear(call, item)


plans = st.one_of(
    st.builds(AtOnce, st.integers(2, 4), st.sampled_from([0.0, 1.5])),
    st.builds(AtOnce, st.integers(2, 4), st.just(0.0), st.integers(1, 3), st.just(by_length)),
    st.builds(AtOnce, st.integers(2, 4), st.just(0.0), st.none(), st.just(by_length)),
)


@given(worlds(), plans, st.randoms(use_true_random=False), st.integers(0, 6))
def test_whatever_comes_first_all_is_settled_and_only_the_answer_is_shown_once(
    world: World, plan: AtOnce, draw: random.Random, most: int
) -> None:
    tickets = Tickets(most)
    played = Played(world, plan, draw, tickets)
    assert played.most_live <= plan.most
    assert tickets.open == 0
    assert tickets.settled == len(played.learned) <= most
    calls = Counter(attempt.target.name for attempt in played.learned)
    assert all(times <= 2 for times in calls.values()), calls
    assert played.result != "RuntimeError"
    if played.result == "outcome":
        outcome = played.run.outcome  # type: ignore[union-attr]
        assert played.shown == outcome.reply.raw
        assert [a.target.name for a in outcome.attempts].count(outcome.target.name) >= 1
        if outcome.accepted:
            assert not any(a.reply and not a.accepted and set(a.reply.raw) & set(played.shown) for a in played.learned)
    else:
        assert len({word.split(":")[0] for word in played.shown}) <= 1


def facts(run: Any) -> tuple[Any, ...]:
    outcome = run.outcome
    return outcome.target.name, outcome.reply.text, outcome.accepted, sorted(a.target.name for a in outcome.attempts)


@given(worlds(), st.integers(2, 4))
def test_sync_and_async_drivers_agree_where_all_answers_are_awaited(world: World, most: int) -> None:
    def router(learned: list[Attempt]) -> Router:
        pool = Pool([Target(name, provider=f"p{i % 2}") for i, name in enumerate(world.acts)])
        plan, verify = AtOnce(most, 0.0, None, by_length), world.verify if world.judged else None
        return Router(pool, plan, verify=verify, observers=[learned.append], rng=random.Random(1))

    async def no_sleep(_: float) -> None: ...

    async def later(learned: list[Attempt]) -> tuple[Any, ...]:
        stage, shown = Stage(world, True), list[Any]()
        try:
            run = router(learned).start(View())
            async for item in adrive(run, stage.aperform, sleep=no_sleep):
                shown.append(item)
            return facts(run), shown
        except (SwitchwiseError, ConnectionError, Bug) as error:
            return (type(error).__name__,)

    def now(learned: list[Attempt]) -> tuple[Any, ...]:
        stage, shown = Stage(world, True), list[Any]()
        try:
            run = router(learned).start(View())
            shown += drive(run, stage.perform, sleep=lambda _: None)
            return facts(run), shown
        except (SwitchwiseError, ConnectionError, Bug) as error:
            return (type(error).__name__,)

    mine, theirs = list[Attempt](), list[Attempt]()
    result = now(mine)
    assert result == asyncio.run(later(theirs))
    if result != ("Bug",):  # which of the others had ended by then is a matter of time
        assert sorted(str((a.target.name, a.kind)) for a in mine) == sorted(str((a.target.name, a.kind)) for a in theirs)


class Slow:
    """Two targets: `slow` says nothing until it is let go; `quick` answers at once."""

    def __init__(self, words: Sequence[str] = ("q", "r")) -> None:
        self.words, self.gate, self.closed = words, threading.Event(), threading.Event()

    def perform(self, call: Call) -> Iterator[Any]:
        if call.target.name == "slow":
            try:
                self.gate.wait(20)
                yield "late"
                yield Reply("late")
                return
            finally:
                self.closed.set()
        yield from self.words
        yield Reply("".join(self.words), usage=Usage(10, 2))

    async def aperform(self, call: Call) -> Any:
        if call.target.name == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                self.closed.set()
        for word in self.words:
            yield word
        yield Reply("".join(self.words), usage=Usage(10, 2))


PAIR = Pool([Target("slow", price=Price(1.0, 1.0)), Target("quick", price=Price(1.0, 1.0))])


def test_the_second_call_answers_where_the_first_says_nothing_and_the_loser_is_settled_sync_and_async() -> None:
    for after in (0.0, 0.001):
        slow, learned = Slow(), list[Attempt]()
        run = Router(PAIR, AtOnce(2, after), observers=[learned.append]).start(View(tokens=1_000))
        assert list(drive(run, slow.perform)) == ["q", "r"]
        assert run.outcome.target.name == "quick"
        assert [(a.target.name, a.abandoned) for a in learned] == [("slow", True), ("quick", False)]
        assert learned[0].cost == pytest.approx(0.001), "at least its prompt is paid for"
        slow.gate.set()
        assert slow.closed.wait(20), "its stream is closed as soon as it says something"

        slow, learned = Slow(), []
        run = Router(PAIR, AtOnce(2, after), observers=[learned.append]).start(View(tokens=1_000))

        async def main(run: Any = run, slow: Slow = slow) -> list[Any]:
            return [item async for item in adrive(run, slow.aperform)]

        assert asyncio.run(main()) == ["q", "r"]
        assert slow.closed.is_set(), "the task is cancelled and its stream closed before the driver ends"
        assert [(a.target.name, a.abandoned) for a in learned] == [("slow", True), ("quick", False)]


def test_the_record_says_why_the_second_was_called() -> None:
    slow = Slow()
    run = Router(PAIR, AtOnce(2, 0.001)).start(View())
    list(drive(run, slow.perform))
    slow.gate.set()
    note = run.outcome.attempt.call.shortlist.decider
    assert (note.policy, note.because) == ("AtOnce", "a test")


def test_a_budget_counts_a_cancelled_call_with_all_that_it_may_have_used_and_refuses_one_that_it_cannot_bear() -> None:
    view = View(tokens=1_000)
    for usd, called in ((0.02, ["slow", "quick"]), (0.008, ["slow"])):
        budget, learned, slow = Budget(usd=usd, per="process", output_allowance=3_000), list[Attempt](), Slow()
        run = Router(PAIR, budget, AtOnce(2, 0.0), observers=[learned.append]).start(view)
        if called == ["slow"]:
            slow.gate.set()
        list(drive(run, slow.perform))
        slow.gate.set()
        assert [a.target.name for a in learned] == called
        bound, charged = budget.bound(PAIR.targets[0], view)[0], budget.spent(view)[0]
        assert charged == pytest.approx(bound + 12e-6 if len(called) == 2 else bound)


def test_a_first_call_that_fails_is_followed_by_an_ordinary_decision() -> None:
    def perform(call: Call) -> Any:
        if call.target.name == "slow":
            raise TargetError(FailureKind.RATE_LIMIT)
        yield Reply("b")

    run = Router(PAIR, AtOnce(2, 60.0)).start(View())
    list(drive(run, perform))
    assert [(a.target.name, a.kind) for a in run.outcome.attempts] == [("slow", FailureKind.RATE_LIMIT), ("quick", None)]


def test_a_bug_in_one_of_several_calls_passes_through_and_settles_the_others() -> None:
    def perform(call: Call) -> Any:
        if call.target.name == "slow":
            raise Bug
        yield from ()
        threading.Event().wait(0.001)
        yield Reply("b")

    async def aperform(call: Call) -> Any:
        await asyncio.sleep(0 if call.target.name == "slow" else 5)
        raise Bug
        yield

    async def main(run: Any) -> None:
        async for _ in adrive(run, aperform):
            pass

    tickets = Tickets()
    with pytest.raises(Bug):
        list(drive(Router(PAIR, AtOnce(2, 0.0, None, by_length), tickets).start(View()), perform))
    assert (tickets.open, tickets.settled) == (0, 2)
    with pytest.raises(Bug):
        asyncio.run(main(Router(PAIR, AtOnce(), tickets).start(View())))
    assert (tickets.open, tickets.settled) == (0, 4)


def test_an_abandoned_batch_settles_every_call() -> None:
    tickets, slow = Tickets(), Slow()
    stream: Any = drive(Router(PAIR, AtOnce(), tickets).start(View()), slow.perform)
    assert next(stream) == "q"
    stream.close()
    slow.gate.set()
    assert (tickets.open, tickets.settled) == (0, 2)

    async def main() -> None:
        stream: Any = adrive(Router(PAIR, AtOnce(), tickets).start(View()), slow.aperform)
        assert await anext(stream) == "q"
        await stream.aclose()

    asyncio.run(main())
    assert (tickets.open, tickets.settled) == (0, 4)


def test_a_stale_connection_in_a_batch_is_called_again_uncounted() -> None:
    stale, times = TargetError(FailureKind.CONNECTION, "Server disconnected without sending a response"), Counter[str]()

    def perform(call: Call) -> Any:
        times[call.target.name] += 1
        if times[call.target.name] == 1:
            raise stale
        yield Reply(call.target.name)

    async def aperform(call: Call) -> Any:
        for item in perform(call):
            yield item

    run = Router(PAIR, AtOnce(2, 0.0, None, by_length)).start(View())
    list(drive(run, perform))
    assert times == {"slow": 2, "quick": 2}
    assert len(run.outcome.attempts) == 2
    times.clear()
    run = Router(PAIR, AtOnce(2, 0.0, None, by_length)).start(View())
    assert asyncio.run(collected(adrive(run, aperform))) == []
    assert (times, len(run.outcome.attempts)) == ({"slow": 2, "quick": 2}, 2)


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


def test_what_a_cancelled_call_still_says_is_not_shown() -> None:
    """Its chunk and its reply have come before the driver has taken the first chunk of the other."""

    async def perform(call: Call) -> Any:
        yield call.target.name
        if call.target.name == "slow":  # the first to begin, and to say something
            await asyncio.sleep(0)
        yield Reply(call.target.name)

    run = Router(PAIR, AtOnce()).start(View())
    assert asyncio.run(collected(adrive(run, perform))) == ["slow"]
    assert [attempt.target.name for attempt in run.outcome.attempts if attempt.reply is not None] == ["slow"]


def test_where_answers_are_compared_no_call_may_show_its_own() -> None:
    shown = list[bool]()

    def perform(call: Call) -> Any:
        shown.append(run.hear("token", call))
        yield Reply(call.target.name)

    run = Router(PAIR, AtOnce(2, 0.0, None, by_length)).start(View())
    assert list(drive(run, perform)) == []
    assert shown == [False, False]


def test_of_two_plans_to_call_several_the_first_counts() -> None:
    run = Router(PAIR, AtOnce(2, 0.0, None, by_length), AtOnce(1)).start(View())
    assert len(run.several.calls) == 2


def test_what_is_shown_past_the_driver_is_shown_of_one_call_only() -> None:
    """As LangChain's callbacks do: tokens are shown from inside the calls, and only the reply comes out."""
    barrier, spoken = threading.Barrier(2), list[str]()

    def perform(call: Call) -> Any:
        barrier.wait(20)
        if run.hear("token", call):
            spoken.append(call.target.name)
            yield Reply(call.target.name)
        else:
            raise Bug  # as whatever stops a call from within

    run = Router(PAIR, AtOnce()).start(View())
    list(drive(run, perform))
    assert spoken == [run.outcome.target.name]


class SpeaksMeanwhile:
    """While the second call is reserved for, the first one says something."""

    name = "SpeaksMeanwhile"
    requires = True

    def __init__(self) -> None:
        self.run: Any = None
        self.first: Call | None = None
        self.may: list[bool] = []
        self.thread: threading.Thread | None = None

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist

    def reserve(self, call: Call) -> bool:
        if self.first is None:
            self.first = call
            return True
        self.thread = threading.Thread(target=lambda: self.may.append(self.run.hear("token", self.first)))
        self.thread.start()
        self.thread.join(0.2)
        return True

    def release(self, call: Call) -> None: ...

    def learn(self, attempt: Attempt) -> None: ...


def test_what_comes_while_the_flow_decides_is_not_taken_for_a_losers() -> None:
    speaks = SpeaksMeanwhile()
    speaks.run = run = Router(PAIR, AtOnce(after=1.0), speaks).start(View())
    assert run.several is not None
    run.several.waited()
    assert speaks.thread is not None
    speaks.thread.join(20)
    assert speaks.may == [True]
    run.several.looked()
    assert run.several.calls == (speaks.first,), "and the other one is cancelled"
    run.close()


class Jury:
    """Asks two targets at once whether a reply is good; the first word counts."""

    def __init__(self, until: int | None) -> None:
        self.until, self.facts = until, []

    def __call__(self, view: View, reply: Reply) -> Any:
        said = yield Gather([Ask.text("good?", to="x"), Ask.text("good?", to="y"), Ask.text("good?", to="z")], self.until)
        self.facts = [None if word is None else getattr(word, "text", word) for word in said]
        return Verdict("yes" in self.facts)


def test_a_verifier_gathers_questions_and_is_sent_what_came_of_each_in_order() -> None:
    asked = [Target(name) for name in "xyz"]
    for until, expected in ((None, ["yes", "slow", "failed"]), (1, ["yes", None, None])):
        jury, learned, tickets = Jury(until), list[Attempt](), Tickets()
        router = Router(Pool([Target("a"), Target("b")], asked=asked), tickets, verify=jury, observers=[learned.append])

        async def perform(call: Call, until: int | None = until) -> Any:
            if call.ask is None:
                yield Reply("fine")
            elif call.target.name == "x":
                yield Reply("yes")
            else:
                await asyncio.sleep(0 if until is None else 20)
                if call.target.name == "z":
                    raise TargetError(FailureKind.TIMEOUT, "failed")
                yield Reply("slow")

        async def main(run: Any, perform: Callable[[Call], Any] = perform) -> None:
            async for _ in adrive(run, perform):
                pass

        asyncio.run(main(router.start(View())))
        assert [str(word) if isinstance(word, TargetError) else word for word in jury.facts] == expected
        assert tickets.open == 0
        assert len(learned) == 4
        assert sum(a.abandoned for a in learned) == expected.count(None)


def test_a_policy_that_decides_may_not_make_the_request_itself() -> None:
    def curious(view: View, shortlist: Shortlist) -> Any:
        yield Gather([Repeat("slow")])
        return shortlist

    with pytest.raises(TypeError, match="may repeat the request"):
        list(drive(Router(PAIR, curious).start(View()), lambda call: iter([Reply("x")])))


def test_a_second_round_is_the_same_request_with_a_note_and_its_answer_can_be_chosen() -> None:
    notes, learned = list[tuple[str, str]](), list[Attempt]()

    def choose(view: View, replies: Sequence[tuple[Target, Reply]]) -> Any:
        again = yield Gather([Repeat(target.name, "once more") for target, _ in replies])
        return [(reply, Verdict(True, "second round", 1.0)) for reply in again]

    def perform(call: Call) -> Any:
        notes.append((call.target.name, call.note))
        yield f"{call.target.name}{call.note}"
        yield Reply(f"{call.target.name}{call.note}")

    run = Router(PAIR, AtOnce(2, 0.0, None, choose), observers=[learned.append], clock=Clock()).start(View())
    assert list(drive(run, perform)) == ["slowonce more"]
    assert sorted(notes) == [("quick", ""), ("quick", "once more"), ("slow", ""), ("slow", "once more")]
    assert len(run.outcome.attempts) == len(learned) == 4
    assert [a.accepted for a in run.outcome.attempts].count(True) == 2
