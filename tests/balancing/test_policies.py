"""Load is spread over equivalent targets: by calls in flight, by latency, by what is left of a rate limit; caps overflow."""

import random
import threading

import pytest

from switchwise import ConfigurationError, FailureKind, Pool, Reply, Router, Scope, Target, Usage, View, drive, hold
from switchwise.policies import Cap, Cheapest, Headroom, LeastBusy, LowestLatency
from switchwise.state import InProcess
from switchwise.testing import Clock, Fails, Script

EAST, WEST = Target("east", roles=frozenset({"gpt"})), Target("west", roles=frozenset({"gpt"}))
POOL = Pool([Target("opus"), EAST, WEST, Target("haiku")])


def answer(router, view=None, **script):
    run = router.start(view or View())
    list(drive(run, Script(**script, otherwise="yes").perform, sleep=lambda _: None))
    return run.outcome.target.name


def test_the_targets_of_a_role_exchange_their_places_and_no_other_moves():
    router = Router(POOL, LeastBusy("gpt"), rng=random.Random(3))
    orders = {router.decide(View()).names for _ in range(40)}
    assert orders == {("opus", "east", "west", "haiku"), ("opus", "west", "east", "haiku")}


def test_an_earlier_preference_outranks_the_balance():
    router = Router(POOL, lambda view, shortlist: shortlist.prefer(["west"], "mine"), LeastBusy("gpt"))
    runs = [router.start(View()) for _ in range(3)]
    assert [run.call.target.name for run in runs] == ["west"] * 3


def test_capacity_divides_the_calls():
    router = Router(Pool([EAST, WEST]), LeastBusy(capacity={"east": 3}), rng=random.Random(1))
    runs = [router.start(View()) for _ in range(40)]
    names = [run.call.target.name for run in runs]
    assert names.count("east") == 30


def test_a_conversation_stays_where_its_cache_is_and_new_ones_are_balanced():
    router = Router(Pool([EAST, WEST]), hold(LeastBusy(), per="agent"), rng=random.Random(1))
    first = answer(router, View(Scope("s1")))
    busy = [router.start(View(Scope(f"other{i}"))) for i in range(9)]
    assert {run.call.target.name for run in busy} == {"east", "west"}
    assert {answer(router, View(Scope("s1", step=i))) for i in range(5)} == {first}


@pytest.mark.parametrize("policy", [LeastBusy, LowestLatency])
def test_a_conversation_that_moved_stays_and_only_its_equals_exchange_places(policy):
    claude = Target("claude")
    router = Router(Pool([EAST, WEST, claude]), hold(policy("gpt"), per="agent"), rng=random.Random(1))
    view = View(Scope("s1"))
    first = answer(router, view)
    second = {"east": "west", "west": "east"}[first]
    assert answer(router, view, **{first: Fails(FailureKind.OVERLOADED)}) == second
    assert {answer(router, view) for _ in range(3)} == {second}
    down = Fails(FailureKind.OVERLOADED)
    assert answer(router, view, east=down, west=down) == "claude"
    assert {answer(router, view) for _ in range(3)} == {second}
    behind = Router(Pool([claude, EAST, WEST]), hold(policy("gpt"), per="agent"), rng=random.Random(1))
    assert answer(behind, view, claude=down) in ("east", "west")
    assert answer(behind, view) == "claude"


def test_every_way_a_call_ends_takes_it_off_the_count():
    policy = LeastBusy()
    router = Router(Pool([EAST, WEST]), policy)
    answer(router)
    router.start(View()).close()
    with pytest.raises(Exception, match="all targets failed"):
        answer(router, east=Fails(FailureKind.OVERLOADED), west=Fails(FailureKind.TIMEOUT))
    assert [policy.load(name).get("calls") for name in ("east", "west")] == [None, None]


def test_two_routers_with_one_store_see_each_others_calls():
    store = InProcess()
    one, other = (Router(Pool([EAST, WEST]), Cap({"east": 1}), store=store) for _ in range(2))
    run = one.start(View())
    assert run.call.target.name == "east"
    assert other.decide(View()).names == ("west",)
    run.close()
    assert other.decide(View()).names[0] == "east"


def test_a_call_that_a_dead_process_left_behind_lapses():
    store, clock = InProcess(), Clock()
    router = Router(Pool([EAST, WEST]), Cap({"east": 1}), store=store, clock=clock)
    left_behind = router.start(View())
    clock.advance(901)
    assert router.decide(View()).names[0] == "east"
    del left_behind


def test_the_fifth_call_overflows_and_threads_never_exceed_the_cap():
    router = Router(Pool([Target("local"), Target("cloud")]), Cap({"local": 4}))
    here, most, lock, started = [0], [0], threading.Lock(), threading.Barrier(12)

    def perform(call):
        with lock:
            here[0] += call.target.name == "local"
            most[0] = max(most[0], here[0])
        yield Reply("yes")
        with lock:
            here[0] -= call.target.name == "local"

    def work():
        started.wait()
        for _ in range(60):
            list(drive(router.start(View()), perform))

    runs = [router.start(View()) for _ in range(5)]
    assert [run.call.target.name for run in runs] == ["local"] * 4 + ["cloud"]
    for run in runs:
        run.close()
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 4


def test_a_cap_gives_way_when_nothing_else_is_left():
    router = Router(Pool([Target("local"), Target("cloud")]), Cap({"local": 1}))
    busy = router.start(View())
    assert answer(router, cloud=Fails(FailureKind.OVERLOADED)) == "local"
    busy.close()


def test_the_fastest_leads_a_slow_one_is_measured_again_and_calls_in_flight_count():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), LowestLatency(explore=0.1), clock=clock, timer=clock, rng=random.Random(2))
    speed = {"east": 4.0, "west": 1.0}

    def took(call):
        clock.advance(speed[call.target.name])
        return "yes"

    def shares(n):
        names = [answer(router, east=took, west=took) for _ in range(n)]
        return names.count("east") / n

    assert shares(60) < 0.3
    speed["east"] = 0.2  # it has recovered: the draws of `explore` find out
    shares(60)
    assert shares(60) > 0.7
    runs = [router.start(View()) for _ in range(12)]
    assert {run.call.target.name for run in runs} == {"east", "west"}


def tokens(limit, left, resets):
    return {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(left),
        "x-ratelimit-reset-tokens": f"{resets}s",
    }


def said(router, clock, target, headers, prompt=10_000, usage=None):
    run = router.start(View(tokens=prompt, pin=target))
    list(drive(run, lambda call: iter([Reply("yes", headers=headers, usage=usage)])))


def test_traffic_moves_before_a_limit_is_reached_and_comes_back_as_it_fills_up():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), Headroom(keep=0.0), clock=clock)
    said(router, clock, "east", tokens(60_000, 30_000, 30))
    runs = [router.start(View(tokens=10_000)) for _ in range(4)]
    assert [run.call.target.name for run in runs] == ["east"] * 3 + ["west"]  # three times ten of thirty thousand
    for run in runs:
        run.close()
    said(router, clock, "east", tokens(60_000, 0, 60))
    assert router.decide(View(tokens=10_000)).names == ("west",)
    clock.advance(10)
    assert router.decide(View(tokens=10_000)).names[0] == "east"


def test_what_a_cache_gave_is_not_counted_against_the_limit():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), Headroom(keep=0.0), clock=clock)
    for _ in range(20):
        said(router, clock, "east", tokens(50_000, 20_000, 600), 100_000, Usage(100_000, 10, cache_read_tokens=95_000))
    assert router.decide(View(tokens=100_000)).names[0] == "east"


def test_a_prompt_larger_than_the_whole_limit_goes_elsewhere_and_the_last_resort_is_the_soonest():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), Headroom(), clock=clock)
    said(router, clock, "east", tokens(30_000, 30_000, 0))
    assert router.decide(View(tokens=40_000)).names == ("west",)
    said(router, clock, "west", tokens(100_000, 10_000, 60))
    assert router.decide(View(tokens=40_000)).names == ("west", "east")


def test_of_several_limits_the_one_that_takes_longest_counts_and_a_lost_call_not_for_ever():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), Headroom(keep=0.0), clock=clock)
    requests = {name.replace("tokens", "requests"): value for name, value in tokens(60, 1, 60).items()}
    said(router, clock, "east", {**tokens(60_000, 1_000, 600), **requests}, 1_000)
    lost = router.start(View(tokens=1_000, pin="east"))
    reason = router.decide(View(tokens=6_000)).decider.because
    assert reason == "east has 0 of 60000 tokens left, 6000 short of this call", "the request is free within a second"
    clock.advance(900)
    assert router.decide(View(tokens=59_500)).names[0] == "east", "a call of 15 minutes ago is over"
    lost.close()


def test_equivalent_targets_share_by_what_each_has_left():
    clock = Clock()
    router = Router(Pool([EAST, WEST]), Headroom(spread="gpt"), clock=clock)
    said(router, clock, "east", tokens(60_000, 20_000, 60))
    said(router, clock, "west", tokens(60_000, 50_000, 60))
    shortlist = router.decide(View(tokens=100))
    assert shortlist.names == ("west", "east")
    assert shortlist.decider.because == "west has 83% of its rate limit left"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cap({}),
        lambda: Cap({"east": 0}),
        lambda: LeastBusy(capacity={"east": 0}),
        lambda: LowestLatency(explore=2),
        lambda: Headroom(keep=1),
        lambda: Router(POOL, Cap({"sol": 1})),
        lambda: Router(POOL, LeastBusy("sol")),
        lambda: Router(POOL, Cheapest, LeastBusy()),
    ],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ConfigurationError):
        make()
