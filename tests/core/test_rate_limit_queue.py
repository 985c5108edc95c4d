"""A rate limit with `wait`: a call that finds no room waits its turn, within a bound and a deadline, and no window holds more than the limit."""

import asyncio
import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import ConfigurationError, Needs, NoTarget, Pool, Reply, Router, Scope, Target, Usage, View, adrive, drive
from switchwise.policies import RateLimits
from switchwise.testing import Clock, Script
from switchwise.verifiers import Predicate

ONE, TWO = Pool([Target("own")]), Pool([Target("own"), Target("cloud")])
SMALL = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100))


class World:
    """Many runs over one clock: each makes its calls, which take `lasting` seconds, and sleeps as long as it is asked to."""

    def __init__(self, *policies, pool=ONE, lasting=0.5):
        self.clock = Clock()
        self.router = Router(pool, *policies, clock=self.clock)
        self.lasting = lasting
        self.made: list[tuple[str, str, float]] = []  # request, target, when
        self.refused: list[tuple[str, float]] = []
        self._due: list[tuple[float, int, object]] = []
        self._count = 0

    def at(self, seconds, name, view=SMALL):
        """Start a request then."""
        self._push(seconds, lambda: self._step(name, lambda: self.router.start(view)))
        return self

    def run(self):
        start = self.clock()
        while self._due:
            when, _, step = heapq.heappop(self._due)
            self.clock.now = max(self.clock.now, start + when)
            step()
        return self

    def _push(self, when, step):
        heapq.heappush(self._due, (when, self._count, step))
        self._count += 1

    def _step(self, name, step, run=None):
        try:
            run = step() or run
        except NoTarget as error:
            self.refused.append((name, self.clock() - 1_000_000.0))
            self.error = str(error)
            return
        if (call := run.call) is None:
            return
        now = self.clock() - 1_000_000.0
        if call.queued:
            self._push(now + call.delay, lambda: self._step(name, run.waited, run))
            return
        run.started(call)
        self.made.append((name, call.target.name, now))
        usage = Usage(call.view.tokens, 100)
        self._push(now + self.lasting, lambda: self._step(name, lambda: run.ended(Reply("yes", usage=usage)), run))


def test_calls_wait_in_order_and_give_their_places_back():
    limits = RateLimits(requests=2, per="all", wait=200)
    world = World(limits)
    for i in range(6):
        world.at(i * 0.1, str(i))
    world.at(63, "late")  # in front of it four calls wait for the room that comes soon
    world.run()
    names = [name for name, _, _ in world.made]
    assert [set(names[i : i + 2]) for i in range(0, 7, 2)] == [
        {"0", "1"},
        {"2", "3"},
        {"4", "5"},
        {"late"},
    ]  # two in each window
    assert not world.refused
    assert not limits._places
    assert not limits._queues


def test_no_more_wait_than_the_queue_holds_and_none_longer_than_it_may():
    world = World(RateLimits(requests=1, per="all", wait=30, queue=2))
    for i in range(4):
        world.at(i * 0.1, str(i))
    world.run()
    assert [name for name, _, _ in world.made] == ["0"]
    assert [name for name, _ in world.refused] == ["3", "1", "2"]  # the fourth at once, the others when their time is over
    assert [round(when, 2) for _, when in world.refused] == [0.3, 30.1, 30.2]
    assert "all calls together: 1 of 1 requests in 60 s, after 30.0 s of waiting" in world.error


def test_who_is_never_heard_of_again_keeps_no_place_and_who_has_an_answer_does_not_wait():
    clock, limits = Clock(), RateLimits(requests=1, per="all", wait=10, queue=2)
    router = Router(ONE, limits, clock=clock)
    list(drive(router.start(SMALL), Script(otherwise="yes").perform))
    lost = router.start(SMALL)  # its driver waits for something else
    assert lost.call.queued
    clock.advance(10)
    list(drive(late := router.start(SMALL), Script(otherwise="yes").perform, sleep=lambda _: clock.advance(60)))
    assert late.outcome.accepted, "the lost one is not ahead any more"
    clock.advance(1)
    waiting = router.start(SMALL)
    assert (waiting.call.queued, list(limits._places)) == (True, [waiting.call.view.decision])
    for run in (lost, waiting):
        run.close()
    verified = Router(TWO, RateLimits(requests=1, per="all", wait=30), clock=Clock(), verify=Predicate(lambda _: False, "no"))
    run = verified.start(SMALL)
    list(drive(run, Script(otherwise="a rejected answer").perform))
    assert (run.outcome.accepted, run.outcome.reply.text) == (False, "a rejected answer")


def test_a_call_waits_no_longer_than_its_deadline():
    hurried = View(Scope("s1", deadline=1_000_010.0), tokens=1_000, needs=Needs(max_output=100))
    world = World(RateLimits(requests=1, per="all", wait=30)).at(0, "first").at(1, "hurried", hurried).run()
    assert [(name, round(when, 2)) for name, when in world.refused] == [("hurried", 10.0)]


def test_a_call_that_is_closed_while_it_waits_gives_its_place_back():
    clock, limits = Clock(), RateLimits(requests=1, per="all", wait=30, queue=1)
    router = Router(ONE, limits, clock=clock)
    list(drive(router.start(SMALL), Script(otherwise="yes").perform))
    waiting = router.start(SMALL)
    assert waiting.call.queued
    with pytest.raises(NoTarget, match="1 of 1 requests in 60 s, 1 waiting"):
        router.start(SMALL)
    waiting.close()
    assert not limits._places
    assert router.start(SMALL).call.queued


def test_a_call_goes_elsewhere_where_it_can_and_waits_where_it_prefers_to():
    aside = World(RateLimits(requests=1, wait=90), pool=TWO).at(0, "a").at(1, "b").at(2, "c").run()
    assert [(name, target) for name, target, _ in aside.made] == [("a", "own"), ("b", "cloud"), ("c", "own")]
    assert aside.made[2][2] > 59
    loyal = World(RateLimits(requests=1, wait=90, elsewhere=False), pool=TWO).at(0, "a").at(1, "b").run()
    assert [(name, target) for name, target, _ in loyal.made] == [("a", "own"), ("b", "own")]
    full = World(RateLimits(requests=1, wait=90, queue=1, elsewhere=False), pool=TWO)
    full.at(0, "a").at(1, "b").at(2, "c").run()
    assert [(name, target) for name, target, _ in full.made] == [("a", "own"), ("c", "cloud"), ("b", "own")]


def test_tokens_are_waited_for_and_a_large_call_is_not_overtaken():
    large = View(Scope("s1"), tokens=2_500, needs=Needs(max_output=100))
    world = World(RateLimits(tokens=3_000, per="all", wait=200, margin=1.0))
    world.at(0, "small").at(1, "large", large).at(2, "small again")  # it would fit at once, and so hold the large one up
    world.at(3, "too large", View(Scope("s1"), tokens=4_000)).run()
    assert [name for name, _, _ in world.made] == ["small", "large", "small again"]
    assert [(name, round(when, 2)) for name, when in world.refused] == [("too large", 3.0)]


def test_a_place_in_flight_is_waited_for():
    world = World(RateLimits(in_flight=2, wait=30), lasting=4.0)
    for i in range(4):
        world.at(i * 0.1, str(i))
    world.run()
    assert [name for name, _, _ in world.made] == ["0", "1", "2", "3"]
    assert [when < 4.4 for _, _, when in world.made] == [True] * 4
    assert world.made[2][2] >= 4.0


def test_sync_and_async_wait_alike():
    def made(asynchronous):
        clock, moments, sleeps = Clock(), [], []
        router = Router(ONE, RateLimits(requests=1, per="all", wait=90), clock=clock)

        def slept(seconds):
            sleeps.append(seconds)
            clock.advance(seconds)

        async def aslept(seconds):
            slept(seconds)

        async def each(run):
            return [item async for item in adrive(run, script.aperform, sleep=aslept)]

        for _ in range(2):
            script, run = Script(otherwise="yes"), router.start(SMALL)
            if asynchronous:
                asyncio.run(each(run))
            else:
                list(drive(run, script.perform, sleep=slept))
            moments.append(clock() - 1_000_000.0)
            assert run.outcome.reply.text == "yes"
            assert len(run.outcome.attempts) == 1
        notes = [note.because for note in run.outcome.attempt.call.shortlist.notes]
        return moments, sleeps, notes

    moments, sleeps, notes = made(False)
    assert made(True) == (moments, sleeps, notes)
    assert 60 <= moments[1] <= 65.5
    assert max(sleeps) <= 0.25
    assert notes[0] == f"it waited {moments[1]:.1f} s for all calls together"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 7.0, 40.0]), st.sampled_from([100, 900])), min_size=1, max_size=25),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_no_window_holds_more_than_the_limit_and_who_came_first_goes_first(arrivals, limit, queue):
    world, now, came = World(RateLimits(requests=limit, tokens=3_000, per="all", wait=100, queue=queue, margin=1.0)), 0.0, []
    for i, (pause, tokens) in enumerate(arrivals):
        now += pause
        came.append((now, tokens))
        world.at(now, i, View(Scope("s1"), tokens=tokens, needs=Needs(max_output=100)))
    world.run()
    assert len(world.made) + len(world.refused) == len(arrivals)
    for _, _, moment in world.made:
        window = [name for name, _, other in world.made if moment <= other < moment + 60]
        assert len(window) <= limit
        assert sum(came[name][1] + 100 for name in window) <= 3_000
    for name, _, moment in world.made:
        assert moment - came[name][0] <= 100.01
        assert sum(came[other][0] < came[name][0] < when for other, _, when in world.made) <= queue
    for name, when in world.refused:
        assert when - came[name][0] == pytest.approx(0, abs=1e-3) or when - came[name][0] == pytest.approx(100, abs=1e-2)
    for name, _, when in world.made:  # looks lie a quarter of a second apart, so much later may be who came first
        assert all(when - other <= 0.26 for later, _, other in world.made if came[name][0] < came[later][0])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"wait": 0}, "wait"), ({"queue": 0}, "queue"), ({"elsewhere": False}, "wait=30"), ({"elsewhere": 1}, "elsewhere")],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ConfigurationError, match=says):
        RateLimits(requests=1, **wrong)
