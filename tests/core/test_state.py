"""What policies remember: apart by tenant, in the store that they are given, carried over whole or not at all, and never trusted."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest

from switchwise import (
    Attempt,
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    Usage,
    View,
    drive,
    hold,
)
from switchwise.nouns.prompt_prefix import Block, PromptPrefix
from switchwise.nouns.view import Needs
from switchwise.policies import Budget, ByAgent, Cheapest, Healthy, Stick
from switchwise.state import InProcess, JsonStore, Namespace
from switchwise.state.codec import load_slots, words
from switchwise.testing import Clock, Fails, Script

OPUS, HAIKU = Target("opus", "anthropic", price=Price(4, 20)), Target("haiku", "openai", price=Price(0.1, 0.5))
POOL = Pool([OPUS, HAIKU])
SMALL = Needs(max_output=100)


def view(tenant: str = "acme", session: str = "s1", **more: Any) -> View:
    scope = Scope(session, "explorer", "t", labels={"user": "ada"}, tenant=tenant)
    return View(scope, tokens=1_000, needs=SMALL, **more)


def answered(router: Router, request: View, **texts: Any) -> str:
    run = router.start(request)
    list(drive(run, Script(**(texts or {"opus": "yes", "haiku": "yes"})).perform))
    return run.outcome.target.name


class TestTenants:
    """Two tenants with one thread id, one agent name and one user share nothing."""

    @pytest.mark.parametrize("store", [None, InProcess(), JsonStore()], ids=repr)
    def test_d11_what_one_holds_the_other_does_not(self, store: Any) -> None:
        asked: list[str] = []

        def by_tenant(view: View, shortlist: Shortlist) -> Shortlist:
            asked.append(view.scope.tenant)
            return shortlist.prefer(["haiku" if view.scope.tenant == "acme" else "opus"], "the tenant's own")

        router = Router(POOL, hold(by_tenant, per="session"), store=store)
        assert [answered(router, view(tenant)) for tenant in ("acme", "umbrella", "acme", "umbrella")] == [
            *("haiku", "opus", "haiku", "opus")
        ]
        assert asked == ["acme", "umbrella"], "each asked once: then it is held for each"

    @pytest.mark.parametrize("per", ["session", "agent", "task", "user", "tenant"])
    @pytest.mark.parametrize("store", [None, JsonStore()], ids=repr)
    def test_what_one_spends_the_other_has_left(self, per: str, store: Any) -> None:
        router = Router(POOL, Budget(tokens=1_300, per=per), store=store and Namespace(store, per))
        answered(router, view("acme"), opus=Reply("yes", usage=Usage(1_000, 100)))
        with pytest.raises(BudgetExceeded):
            router.start(view("acme"))
        assert answered(router, view("umbrella"), opus=Reply("yes", usage=Usage(1_000, 100))) == "opus"

    def test_a_process_has_one_budget_for_all(self) -> None:
        router = Router(POOL, Budget(tokens=1_300, per="all"))
        answered(router, view("acme"), opus=Reply("yes", usage=Usage(1_000, 100)))
        with pytest.raises(BudgetExceeded):
            router.start(view("umbrella"))

    @pytest.mark.parametrize("per", ["session", "agent", "task"])
    @pytest.mark.parametrize("to", ["target", "provider"])
    def test_who_answered_one_does_not_lead_for_the_other(self, per: str, to: Any) -> None:
        router = Router(POOL, Stick(per=per, to=to))
        answered(router, view("acme", pin="haiku"))
        assert [router.decide(view(tenant)).names[0] for tenant in ("acme", "umbrella")] == ["haiku", "opus"]

    def test_the_answers_of_one_say_nothing_of_the_others(self) -> None:
        cheapest = Cheapest(plans=False)
        router = Router(POOL, cheapest)
        answered(router, view("acme"), haiku=Reply("yes", usage=Usage(1_000, 9_000)))
        assert cheapest.expected_output(view("acme")) > 500 == cheapest.expected_output(view("umbrella"))

    def test_the_refusal_of_a_budget_names_the_tenant(self) -> None:
        router = Router(POOL, Budget(tokens=10))
        with pytest.raises(BudgetExceeded, match="session 's1' of tenant 'acme'"):
            router.start(view("acme"))


class TestTheRoutersStore:
    def test_each_policy_has_a_table_of_its_own(self) -> None:
        store = JsonStore()
        chain = [Budget(tokens=10**6), Budget(tokens=10**6, per="user"), hold(ByAgent(explorer="fast"), per="agent"), Stick()]
        router = Router(POOL, *chain, store=store)
        assert answered(router, view()) == "haiku"
        assert store.tables == (
            "Budget:session:tokens",
            "Budget:user:tokens",
            "hold:ByAgent:agent",
            "Stick:agent:target",
        )
        table = store.table("hold:ByAgent:agent", 1)
        assert [key for key, _ in table.items()] == [("acme", "s1", "explorer")]

    def test_another_router_over_the_same_store_goes_on_where_this_one_is(self) -> None:
        store = JsonStore()
        one, other = (Router(POOL, Budget(tokens=2_000), Stick(), store=store) for _ in range(2))
        answered(one, view(pin="haiku"), haiku=Reply("yes", usage=Usage(100, 100)))
        assert other.decide(view()).names[0] == "haiku"
        answered(one, view(), haiku=Reply("yes", usage=Usage(1_000, 100)))
        with pytest.raises(BudgetExceeded):
            other.start(view())

    def test_what_opens_a_circuit_or_closes_it_in_one_does_in_the_other(self) -> None:
        store, clock = JsonStore(), Clock()
        one, other = (Router(POOL, Healthy(), store=store, clock=clock) for _ in range(2))
        answered(one, View(), opus=Fails(FailureKind.OVERLOADED), haiku="yes")
        assert [router.decide(View()).names for router in (one, other)] == [("haiku",), ("haiku",)]
        clock.advance(5)
        assert other.health()["opus"].state == "half-open"
        assert answered(other, View()) == "opus"
        clock.advance(1)
        assert one.decide(View()).names == ("opus", "haiku")
        assert one.health()["opus"].state == "closed"
        answered(one, View(), opus=Fails(FailureKind.AUTHENTICATION), haiku="yes")
        clock.advance(1)
        other.decide(View())
        assert other.decide(View()).names == ("haiku",)
        other.reset()
        clock.advance(1)
        assert one.decide(View()).names == ("opus", "haiku")

    def test_what_was_cached_and_how_long_answers_are_is_known_to_the_other(self) -> None:
        store = JsonStore()
        one, other = (Cheapest() for _ in range(2))
        prefix = PromptPrefix()
        prefix.grow(0, [Block(1, 9_000)])
        seen = View(Scope("s1", tenant="acme"), tokens=9_000, prefix=prefix)
        target = Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5))
        answered(Router(Pool([target]), one, store=store), seen, opus=Reply("yes", usage=Usage(9_000, 4_000, 0, 9_000)))
        Router(Pool([target]), other, store=store)
        assert other.expected_output(seen) == one.expected_output(seen) > 500
        assert other.advisor is not None
        assert other.advisor.expect(replace(seen, now=time.time()), target).tokens == 9_000
        stranger = replace(seen, scope=Scope("s1", tenant="umbrella"))
        assert other.expected_output(stranger) == 500

    def test_two_limits_hold_at_once_though_they_share_a_store(self) -> None:
        store = JsonStore()
        router = Router(POOL, Budget(tokens=5_000), Budget(tokens=1_300, per="user"), store=store)
        answered(router, view(session="s1"), opus=Reply("yes", usage=Usage(1_000, 100)))
        with pytest.raises(BudgetExceeded, match="user 'ada'"):
            router.start(view(session="s2"))

    def test_a_policy_keeps_to_the_store_that_it_was_given(self) -> None:
        own, store = JsonStore(), JsonStore()
        answered(Router(POOL, Stick(store=own), store=store), view())
        assert own.tables
        assert not store.tables

    def test_two_policies_with_one_table_are_refused(self) -> None:
        store = InProcess()
        with pytest.raises(ConfigurationError, match=r"two policies named Budget .* store=Namespace"):
            Router(POOL, Budget(usd=1, store=store), Budget(usd=2, store=store))
        Router(POOL, Budget(usd=1, store=store), Budget(usd=2, store=Namespace(store, "large")))

    def test_something_else_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"store=\{\}"):
            Router(POOL, store={})  # type: ignore[arg-type]

    def test_a_policy_with_its_own_attribute_table_is_left_alone(self) -> None:
        class Tabled:
            table = object()

            def __call__(self, _: View, shortlist: Shortlist) -> Shortlist:
                return shortlist

        Router(POOL, Tabled(), Tabled())


def chain() -> list[Any]:
    return [Healthy(), Budget(tokens=10**6), hold(ByAgent(explorer="fast"), per="agent"), Stick(), Cheapest(plans=False)]


def taught() -> dict[str, Any]:
    router = Router(POOL, *chain())
    answered(router, view(), haiku=Reply("yes", usage=Usage(1_000, 100)))
    state: dict[str, Any] = json.loads(json.dumps(router.dump()))
    return state


class TestAStateThatIsLoaded:
    @pytest.mark.parametrize("name", list(taught()))
    @pytest.mark.parametrize("wrong", [math.nan, [], 5, {"no": "such"}, None, "text"])
    def test_f5_it_is_taken_over_as_a_whole_or_not_at_all(self, name: str, wrong: Any) -> None:
        router, state = Router(POOL, *chain()), taught()
        before = router.dump()
        with pytest.raises(ConfigurationError, match=name):
            router.load({**state, name: wrong})
        assert router.dump() == before

    def test_is_whole_where_a_policy_of_somebody_elses_refuses(self) -> None:
        class Theirs:
            name = "Theirs"

            def __call__(self, _: View, shortlist: Shortlist) -> Shortlist:
                return shortlist

            def dump(self) -> dict[str, Any]:
                return {}

            def load(self, state: Any) -> None:
                raise KeyError("what they need")

        router = Router(POOL, Stick(), Theirs())
        with pytest.raises(ConfigurationError, match="1:Theirs"):
            router.load({"0:Stick": {"last": [[["", "s1", "main"], "haiku"]]}, "1:Theirs": {}})
        assert router.dump()["0:Stick"] == {"last": []}

    @pytest.mark.parametrize("spent", [math.nan, -1_000, "5", None, True, math.inf])
    @pytest.mark.parametrize("place", [1, 2])
    def test_f5_it_cannot_turn_a_budget_off(self, spent: Any, place: int) -> None:
        row = [0, 0.5, 100]
        row[place] = spent
        budget = Budget(usd=1)
        with pytest.raises(ConfigurationError, match="state of Budget"):
            budget.load({"accounts": [[["", "s1"], [[0, 0.25, 10]]], [["acme", "s1"], [row]]]})
        assert budget.dump() == {"accounts": []}

    @pytest.mark.parametrize("key", [["s1"], ["acme", "s1", "main"], ["acme", 1], "acme", []])
    def test_with_a_key_of_another_level_is_refused(self, key: Any) -> None:
        with pytest.raises(ConfigurationError, match="state of Budget"):
            Budget(usd=1).load({"accounts": [[key, [[0, 0.25, 10]]]]})


class TestATargetThatIsGone:
    """A stored name is data: no opinion, with a remark, and never an error."""

    def test_d2_it_is_not_held_any_more(self) -> None:
        router = Router(POOL, hold(ByAgent(explorer="fast"), per="agent"))
        held = {"names": ["gpt-4"], "because": "once upon a time"}
        router.load({"0:ByAgent": {"held": [[["acme", "s1", "explorer"], held]], "policy": {}}})
        decision = router.decide(view())
        assert decision.names[0] == "haiku", "the policy is asked again"
        assert decision.notes[0].because == "gpt-4, held for this agent, is not in the pool any more"
        assert answered(router, view()) == "haiku"
        assert len(router.decide(view()).notes) == 1, "what it says now is held instead"

    @pytest.mark.parametrize(("to", "gone"), [("target", "gpt-4"), ("provider", "mistral")])
    def test_d2_it_is_not_stuck_to(self, to: Any, gone: str) -> None:
        router = Router(POOL, Stick(to=to))
        router.load({"0:Stick": {"last": [[["acme", "s1", "explorer"], gone]]}})
        decision = router.decide(view())
        assert decision.names == ("opus", "haiku")
        (note,) = decision.notes
        assert note.because.startswith(f"{gone} gave the last answer and ")
        assert note.because.endswith("in the pool any more")


def test_a_reservation_that_is_settled_while_another_is_written_is_not_lost() -> None:
    """The garbage collector may close an abandoned stream in the middle of an update of the same account."""
    store = InProcess()
    table = store.table("t", 10)
    table.put(("", "s"), {"open": ["a", "b"]})
    inner = [False]

    def change(value: Any) -> Any:
        if not inner[0]:
            inner[0] = True
            table.update(("", "s"), lambda value: {"open": [name for name in value["open"] if name != "a"]})
        return {"open": [*value["open"], "c"]}

    assert table.update(("", "s"), change) == {"open": ["b", "c"]}


def test_an_attempt_whose_usage_is_unknown_is_charged_with_its_bound_over_any_store() -> None:
    for store in (None, JsonStore()):
        budget = Budget(tokens=10**6, store=store)
        router = Router(POOL, budget)
        run = router.start(view())
        call = run.call
        assert call is not None
        bound = budget.bound(call.target, call.view)
        assert budget.spent(view()) == bound, "open"
        budget.learn(Attempt(call, 0.0, 1.0, Reply("yes")))
        assert budget.spent(view()) == bound, "charged"


def test_the_slots_of_another_version_are_refused_by_name_and_nothing_is_restored() -> None:
    class Slotted:
        __slots__ = ("count", "flag", "name")

        def __init__(self) -> None:
            self.count, self.flag, self.name = 1.0, False, "a"

    thing = Slotted()
    for wrong in ({"flag": 5}, {"name": 5}, {"count": "many"}, {"count": 2.0, "name": None}):
        with pytest.raises(ConfigurationError, match="is not as this version of switchwise keeps it"):
            load_slots(thing, wrong, "state of a test")
    load_slots(thing, {"flag": None, "name": "b"}, "state of a test")
    assert (thing.count, thing.flag, thing.name) == (1.0, None, "b")
    with pytest.raises(ConfigurationError, match="'targets' is not a list of names"):
        words({"targets": ["a", 1]}, "targets", "state of a test")


def test_a_prefix_has_no_more_tokens_than_its_blocks_and_what_avoids_nobody_changes_nothing() -> None:
    prefix = PromptPrefix()
    prefix.grow(0, [Block(1, 100), Block(2, 50)])
    assert [prefix.end(blocks) for blocks in (0, 1, 2, 9)] == [0, 100, 150, 150]
    shortlist = Shortlist(POOL)
    assert shortlist.avoid(lambda _: 0.0, "nobody is") is shortlist
