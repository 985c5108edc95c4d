"""What wraps a policy or a verifier passes on all that the part would get by itself."""

from __future__ import annotations

from typing import Any

import pytest

from switchwise import ConfigurationError, Pool, Router, Scope, Target, Verdict, View, drive, hold
from switchwise.observe import Event, EventKind, Observer
from switchwise.policies import ByAgent, Canary
from switchwise.state import InProcess
from switchwise.testing import Script
from switchwise.verifiers import AllOf, AnyOf

POOL = Pool([Target("strong"), Target("fast")])


class Hears(Observer):
    def __init__(self) -> None:
        self.names: list[str] = []

    def event(self, event: Event) -> None:
        self.names.append(event.name)


class Counts:
    """A policy and verifier that counts attempts and rewards in a store."""

    def __init__(self) -> None:
        self.rewards: list[float] = []
        self.checked = 0
        self.listeners: list[Any] = []
        self._keep(InProcess())

    def _keep(self, store: Any) -> None:
        self.counts = store.table("Counts", 10)

    def __call__(self, view: View, given: Any) -> Any:
        return given.prefer(["fast"], "it is new") if hasattr(given, "prefer") else Verdict(True)

    def use_store(self, store: Any) -> None:
        self._keep(store)

    def check(self, pool: Pool) -> None:
        self.checked = len(pool)

    def learn(self, attempt: Any) -> None:
        self.counts.update(("", "n"), lambda n: (n or 0) + 1)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        self.rewards.append(reward)
        for hear in self.listeners:
            hear(Event(EventKind.BUDGET_ALERT, "Counts"))

    def report_to(self, hear: Any) -> None:
        self.listeners.append(hear)

    def check_state(self, state: Any) -> None:
        if not isinstance(state.get("n"), int):
            raise ConfigurationError("Counts: 'n' is not a number")

    def dump(self) -> dict[str, Any]:
        return {"n": self.counts.get(("", "n")) or 0}

    def load(self, state: Any) -> None:
        self.counts.put(("", "n"), state["n"])


def router(part: Counts, how: str, store: Any = None) -> Router:
    if how == "hold":
        return Router(POOL, hold(part, per="session"), store=store)
    if how == "Canary":
        return Router(POOL, Canary(part, 1.0), store=store)
    return Router(POOL, verify=(AllOf if how == "AllOf" else AnyOf)(part), store=store)


@pytest.mark.parametrize("how", ["hold", "Canary", "AllOf", "AnyOf"])
def test_a_part_is_checked_learns_hears_outcomes_and_keeps_its_state(how: str) -> None:
    store, part, other = InProcess(), Counts(), Counts()
    first = router(part, how, store)
    run = first.start(View(Scope("s")))
    list(drive(run, Script(otherwise="yes").perform))
    first.feedback(run.outcome.decision, 1.0)
    assert (part.checked, part.dump(), part.rewards) == (2, {"n": 1}, [1.0])
    router(second := Counts(), how, store)
    assert second.dump() == {"n": 1}, "a part of another router counts in the same store"
    router(other, how).load(first.dump())
    assert other.dump() == {"n": 1}


def test_a_held_policy_reports_its_events_and_checks_its_state() -> None:
    hears = Hears()
    made = Router(POOL, hold(Counts(), per="session"), observers=[hears])
    run = made.start(View(Scope("s")))
    list(drive(run, Script(otherwise="yes").perform))
    made.feedback(run.outcome.decision, 1.0)
    assert "Counts" in hears.names
    ((name, state),) = made.dump().items()
    with pytest.raises(ConfigurationError, match="'n' is not a number"):
        made.load({name: {**state, "policy": {"n": "many"}}})
    other = Router(POOL, hold(ByAgent(main="fast"), per="session"))
    (mine,) = other.dump()
    with pytest.raises(ConfigurationError, match="'policy' is the state of a policy that remembers, unlike ByAgent"):
        other.load({mine: state})


@pytest.mark.parametrize("parts", [[], "x", None, [{}, {}]])
def test_the_state_of_other_verifiers_is_refused(parts: Any) -> None:
    made = router(part := Counts(), "AllOf")
    ((name, state),) = made.dump().items()
    with pytest.raises(ConfigurationError, match="it is of other verifiers; start without that state"):
        made.load({name: {**state, "parts": parts}})
    assert part.dump() == {"n": 0}


def test_a_canary_says_that_one_side_has_no_outcomes_yet() -> None:
    canary = Canary(Counts(), 1.0)
    assert canary.summary() == "no outcomes yet; both sides need outcomes"
    first = Router(POOL, canary)
    run = first.start(View(Scope("s")))
    list(drive(run, Script(otherwise="yes").perform))
    first.feedback(run.outcome.decision, 1.0, "gate")
    assert canary.summary() == "new 100% of 1; both sides need outcomes"
    canary._tests.update(*next((key, lambda _: None) for key, _ in canary._tests.items()))
    assert canary.summary() == "no outcomes yet; both sides need outcomes", "the store has lost them"
