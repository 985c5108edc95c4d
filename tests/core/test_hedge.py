"""Hedging: when a second call is made, how many there are at most, and what binds them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from switchwise import Attempt, Call, ConfigurationError, Needs, Pool, Reply, Router, Target, TargetError, View, drive
from switchwise.nouns.errors import FailureKind
from switchwise.policies import Hedge, Rules
from switchwise.reading.tool_kinds import have_effects

POOL = Pool([Target("opus"), Target("sol"), Target("luna")])


class Played:
    """Steps over targets that take as long as is drawn; time is virtual, and the calls of a run are made in its order."""

    def __init__(self, hedge: Hedge, *policies: Any, slow: float = 0.05, usual: float = 0.5, streamed: bool = False) -> None:
        self.now, self.draw, self.calls, self.streamed = 0.0, random.Random(3), list[Call](), streamed
        self.slow, self.usual = slow, usual
        self.learned: list[Attempt] = []
        self.router = Router(
            POOL, *policies, hedge, observers=[self.learned.append], clock=lambda: self.now, timer=lambda: self.now
        )

    def takes(self) -> float:
        middle = 20.0 if self.draw.random() < self.slow else self.usual
        return middle * self.draw.uniform(0.8, 1.2)

    def step(self, view: View = View(), takes: float | None = None) -> float:  # noqa: B008  (frozen)
        """Seconds until the answer."""
        run, begun = self.router.start(view), self.now
        due: dict[int, tuple[float, Call]] = {}
        while (call := run.call) is not None or run.several is not None:
            if call is not None:
                self.calls.append(call)
                self.now += takes if takes is not None else self.takes()
                run.ended(Reply("x", first_chunk=self.now - begun if view.streamed else None))
                continue
            several = run.several
            assert several is not None
            for live in several.calls:
                if id(live) not in due:
                    self.calls.append(live)
                    due[id(live)] = self.now + (takes if takes is not None else self.takes()), live
            end, first = min(((end, live) for end, live in due.values()), key=lambda one: one[0])
            if several.wait is not None and self.now + several.wait < end:
                self.now += several.wait
                several.waited()
            else:
                self.now = end
                several.ended(first, Reply("x", first_chunk=self.now - begun if view.streamed else None))
        return self.now - begun


def test_a_second_call_is_made_after_the_targets_own_p95_and_the_slow_answers_become_quick() -> None:
    played = Played(Hedge())
    for _ in range(300):
        played.step()
    times = sorted(played.step() for _ in range(1_000))
    assert times[990] < 2.5, "twice 0.6, and another 0.6"
    assert times[500] < 0.6
    assert len(played.calls) - 1_300 <= 130
    assert {call.target.name for call in played.calls} == {"opus", "sol"}


def test_a_target_whose_slow_answers_begin_before_its_p95_is_hedged_all_the_same() -> None:
    played = Played(Hedge(), slow=0.08)
    for _ in range(300):
        played.step()
    assert played.router.policies[0].seconds(POOL.targets[0], False) < 1.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("at_most", [0.02, 0.1, 0.5])
def test_further_calls_are_never_more_than_their_share(at_most: float) -> None:
    played = Played(Hedge(after=0.1, at_most=at_most), slow=1.0)
    for steps in range(1, 400):
        played.step()
        assert len(played.calls) - steps <= at_most * steps + 1e-9
    assert len(played.calls) - 399 >= at_most * 399 - 2, "and they are used where every answer is late"


def test_nothing_is_hedged_before_enough_is_known_and_the_floor_holds() -> None:
    played = Played(Hedge(least=0.3), usual=0.01, slow=0.0)
    for _ in range(19):
        played.step()
    hedge: Any = played.router.policies[0]
    assert hedge.seconds(POOL.targets[0], False) is None
    for _ in range(3):
        played.step()
    assert hedge.seconds(POOL.targets[0], False) == 0.3


def test_streams_and_whole_answers_are_learned_apart() -> None:
    played = Played(Hedge(), slow=0.0)
    for _ in range(30):
        played.step(View(streamed=True), takes=0.2)
        played.step(View(), takes=6.0)
    hedge: Any = played.router.policies[0]
    assert hedge.seconds(POOL.targets[0], True) == pytest.approx(0.2, rel=0.08)
    assert hedge.seconds(POOL.targets[0], False) == pytest.approx(6.0, rel=0.08)


def test_a_target_that_becomes_slow_is_seen_though_its_slow_calls_are_cancelled() -> None:
    played = Played(Hedge(at_most=1.0), slow=0.0)
    for _ in range(100):
        played.step()
    hedge: Any = played.router.policies[0]
    before = hedge.seconds(POOL.targets[0], False)
    played.usual = 3.0
    for _ in range(200):
        played.step()
    assert hedge.seconds(POOL.targets[0], False) > 1.5 * before


def test_a_call_that_binds_tools_with_effects_is_left_alone() -> None:
    def hedged(*names: str, **options: Any) -> bool:
        hedge = Hedge(after=0.1, **options)
        hedge.load({"times": [], "calls": 5.0})
        view = View(needs=Needs(tools=True), tools=names)
        return Router(POOL, hedge).decide(view).at_once is not None

    assert hedged("get_weather", "search_docs")
    assert not hedged("get_weather", "cancel_order")
    assert not hedged("frobnicate"), "what is not known may have effects"
    assert not hedged(), "nor is it known what these are"
    assert hedged("cancel_order", effects=True)
    assert have_effects(("bash",))


def test_who_is_called_second_must_meet_every_requirement_and_may_be_narrowed() -> None:
    for policies, options, expected in (
        ([Rules().exclude("sol", when=lambda _: True)], {}, "luna"),
        ([], {"to": "luna"}, "luna"),
        ([], {}, "sol"),
    ):
        played = Played(Hedge(after=0.1, at_most=1.0, **options), *policies, slow=1.0)
        for _ in range(5):
            played.step()
        assert {call.target.name for call in played.calls} == {"opus", expected}


def test_a_race_calls_all_at_once() -> None:
    played = Played(Hedge(after=0.0, at_most=1.0, calls=3), slow=0.0)
    played.step()
    played.step()
    assert [call.target.name for call in played.calls] == ["opus", "opus", "sol"], (
        "the bucket starts empty and gains one a call"
    )


def test_the_record_shows_the_hedge() -> None:
    hedge = Hedge(after=0.0, at_most=1.0)
    hedge.load({"times": [], "calls": 5.0})
    router = Router(Pool([Target("opus"), Target("sol")]), hedge)

    def perform(call: Call) -> Iterator[Any]:
        if call.target.name == "opus":
            raise TargetError(FailureKind.OVERLOADED)
        yield Reply("x")

    run = router.start(View())
    list(drive(run, perform))
    assert run.outcome.attempt.call.shortlist.decider.because == "it races with opus"
    assert "several targets race; at most 100% more calls" in str(router.explain())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after": "p10"}, "p50 to p99.9"),
        ({"after": -1.0}, "after"),
        ({"at_most": 0.0}, "at_most"),
        ({"calls": 1}, "calls"),
        ({"when": "always"}, "function of the view"),
    ],
)
def test_wrong_parameters_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Hedge(**options)
    with pytest.raises(ConfigurationError, match="second target"):
        Router(Pool([Target("opus")]), Hedge())


def test_an_async_hedge_that_is_cancelled_from_outside_leaves_nothing_behind() -> None:
    hedge, learned = Hedge(after=0.0, at_most=1.0), list[Attempt]()
    hedge.load({"times": [], "calls": 5.0})
    router = Router(Pool([Target("opus"), Target("sol")]), hedge, observers=[learned.append])
    closed = list[str]()

    async def perform(call: Call) -> Any:
        try:
            await asyncio.Event().wait()
            yield Reply()
        finally:
            closed.append(call.target.name)

    async def main() -> None:
        from switchwise import adrive

        async def step() -> None:
            async for _ in adrive(router.start(View()), perform):
                pass

        task = asyncio.create_task(step())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(closed) == ["opus", "sol"]
    assert [a.abandoned for a in learned] == [True, True]
