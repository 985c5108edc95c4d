"""What cannot work is refused when it is made, with a message that names it; nothing is silently off."""

import math
from enum import StrEnum

import pytest

from switchwise import (
    Capabilities,
    ConfigurationError,
    Gather,
    Level,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Target,
    View,
    drive,
    hold,
)
from switchwise.catalog import Catalog, Known
from switchwise.clients import Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.observe.journal import InMemory
from switchwise.policies import (
    AllowList,
    Budget,
    ByAgent,
    ByDecision,
    ByPhase,
    Cheapest,
    Escalate,
    Fits,
    Healthy,
    MayPin,
    NextTurn,
    RateLimits,
    Rules,
    Stick,
    Weighted,
)
from switchwise.switching import CallPriors
from switchwise.testing import Script
from switchwise.verifiers import Judge, Predicate, Schema

POOL = Pool([Target("opus", price=Price(4, 20)), Target("haiku", price=Price(0.1, 0.5))])
NAN = math.nan

WRONG = {
    # what is given -> a part of the message
    "an answer of no length": (lambda: Cheapest(output=0), "output=0.*above 0"),
    "an answer's length that is no number": (lambda: Cheapest(output=NAN), "output=nan"),
    "a condition that is no function": (lambda: Cheapest(when="easy"), "when='easy'"),
    "a share of runs below 0": (lambda: Cheapest(explore=-0.1), "explore=-0.1"),
    "a share of runs that is not a number": (lambda: Cheapest(explore=NAN), "explore=nan"),
    "more runs than there are": (lambda: Cheapest(explore=2), "explore=2.*from 0 to 1"),
    "rules of another kind": (lambda: Cheapest(rules={}), "rules={}"),
    "a prior that cannot be": (lambda: CallPriors(hazard=0), "hazard=0.*above 0"),
    "a price below 0": (lambda: Price(-1, 2), "input=-1"),
    "a price that is no number": (lambda: Price(1, NAN), "output=nan"),
    "a price as text": (lambda: Price("1", 2), "input='1'"),
    "no price": (lambda: Price(None, None), "input=None"),
    "a cache price below 0": (lambda: Price(1, 2, cache_read=-0.1), "cache_read=-0.1"),
    "a long price without a length": (lambda: Price(1, 2, long=Price(2, 4)), "above="),
    "a length without a long price": (lambda: Price(1, 2, above=200_000), "long="),
    "a window below 1": (lambda: Capabilities(window=0), "window=0"),
    "a window as text": (lambda: Capabilities(window="128k"), "window='128k'"),
    "one modality as a word": (lambda: Capabilities(modalities="image"), "{'image'}"),
    "an unknown modality": (lambda: Capabilities(modalities={"pdf"}), "'pdf'.*document"),
    "a nameless target": (lambda: Target(""), "name"),
    "a role that is no set": (lambda: Target("opus", roles="fast"), "{'fast'}"),
    "a price that is a tuple": (lambda: Target("opus", price=(1, 2)), r"Price\(input="),
    "capabilities as a mapping": (lambda: Target("opus", can={"tools": True}), "Capabilities"),
    "a pool of words": (lambda: Pool(["opus"]), "Target"),
    "a pool that is a word": (lambda: Pool("opus"), "Target"),
    "a pool that is a target": (lambda: Pool(Target("opus")), "list of targets"),
    "a word for who is asked": (lambda: Pool([Target("opus")], asked="judge"), "asked='judge'.*list of targets"),
    "a target for who is asked": (lambda: Pool([Target("opus")], asked=Target("judge")), "asked=Target.*list of targets"),
    "a list for a pool": (lambda: Router([Target("opus")]), "Pool"),
    "a list for a default pool": (lambda: Router.default([Target("opus")]), "Pool"),
    "a class for a policy": (lambda: Router(POOL, Fits), r"write Fits\(\.\.\.\)"),
    "a word for a policy": (lambda: Router(POOL, "fast"), "not a policy"),
    "an observer that stands alone": (lambda: Router(POOL, observers=print), "give a list"),
    "a file name for an observer": (lambda: Router(POOL, observers=["journal.jsonl"]), "JsonLines\\('journal.jsonl'\\)"),
    "a time for a clock": (lambda: Router(POOL, clock=5.0), "clock=5.0"),
    "a seed for a generator": (lambda: Router(POOL, rng=7), "rng=7"),
    "a number for a recovery": (lambda: Router(POOL, recovery=5), "recovery=5"),
    "a list that holds no question": (lambda: Gather(["is it good?"]), "one or more of Ask and Repeat"),
    "nothing to gather": (lambda: Gather([]), "one or more of Ask and Repeat"),
    "an allow list by a number": (lambda: AllowList({"acme": ["opus"]}, by=5), "by=5"),
    "pins that are a list": (lambda: MayPin(["opus"]), "tenant -> what it may name"),
    "pins by nothing": (lambda: MayPin({"ops": ["*"]}, by=""), "by=''"),
    "a decision model that is a number": (lambda: ByDecision(5, "Hard?", {"yes": "opus"}), "model=5"),
    "a question that is a list": (lambda: ByDecision("haiku", ["Hard?"], {"yes": "opus"}), r"question=\['Hard\?'\]"),
    "a note that is a number": (lambda: Escalate(note=5), "note=5.*give a text"),
    "circuits by nothing": (lambda: Healthy(per=""), "per=''"),
    "a reader of reactions that is a word": (lambda: NextTurn("thanks"), "read='thanks'"),
    "a limit for a target that is none": (lambda: RateLimits(requests=1, only=Target("opus")), "only=Target"),
    "a class that is held": (lambda: hold(ByAgent, per="agent"), "ByAgent is a class"),
    "a word that is held": (lambda: hold("fast", per="agent"), "not a policy"),
    "a level that is a number": (lambda: hold(ByAgent(), per=1), "is not a level"),
    "a memory of nothing": (lambda: hold(ByAgent(), per="agent", size=0), "size=0"),
    "a stick that forgets": (lambda: Stick(size=-1), "size=-1"),
    "an agent's target that is a list": (lambda: Router(POOL, ByAgent(explorer=["opus"])), r"ByAgent: \['opus'\] is neither"),
    "rules by agent that are a word": (lambda: ByAgent("fast"), "'\\*': 'fast'"),
    "rules by phase that are a word": (lambda: ByPhase("fast"), "'planning'"),
    "a rule's condition that is no function": (lambda: Rules().prefer("opus", when="long"), "when='long'"),
    "a predicate for rules": (lambda: Rules(lambda view: True), "prefer"),
    "a rule's target that is unknown": (lambda: Router(POOL, Rules().prefer("sonnet")), "Rules: 'sonnet'.*opus"),
    "a weight as text": (lambda: Weighted({"opus": "1"}), "'opus': '1'"),
    "weights without numbers": (lambda: Weighted(["opus"]), "target -> weight"),
    "a limit as text": (lambda: Budget(usd="2"), "usd='2'"),
    "a limit that is no number": (lambda: Budget(tokens=NAN), "tokens=nan"),
    "a margin below 0": (lambda: Budget(usd=1, margin=-1), "margin=-1"),
    "a margin that is no number": (lambda: Budget(usd=1, margin=NAN), "margin=nan"),
    "an allowance below 0": (lambda: Budget(usd=1, output_allowance=-1), "output_allowance=-1"),
    "a budget for nobody": (lambda: Budget(usd=1, per=""), "per=''"),
    "a budget that remembers nobody": (lambda: Budget(usd=1, size=0), "size=0"),
    "a window's margin": (lambda: Fits(margin=NAN), "margin=nan"),
    "a cool-down below 0": (lambda: Healthy(longest=-1), "longest=-1"),
    "a breaker without memory": (lambda: Healthy(size=0), "size=0"),
    "a pause that is no number": (lambda: Recovery(patience=NAN), "patience=nan"),
    "a judge without criteria": (lambda: Judge("opus", prompt=None), "criteria"),
    "a test that is no function": (lambda: Predicate("cites", "it cites nothing"), "function"),
    "a schema that is a word": (lambda: Schema("City"), "JSON schema"),
    "a schema with an unknown type": (lambda: Schema({"properties": {"n": {"type": "int"}}}), "'int' is not a type.*integer"),
    "a journal of a negative size": (lambda: InMemory(-1), "size=-1"),
    "a model for an SDK's client": (lambda: OpenAIClient("gpt-5"), "model='gpt-5'"),
    "models for clients": (lambda: Clients({"strong": "gpt-5"}), "OpenAIClient"),
    "an override for no provider": (lambda: Catalog({"gpt-4o": Known()}), "provider"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_work_is_refused_at_once_and_named(what):
    make, message = WRONG[what]
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_words_and_sets_may_be_given_as_lists():
    target = Target("opus", can=Capabilities(modalities=["image"]), roles=["strong"])
    assert (target.can.modalities, target.roles) == (frozenset(["image"]), frozenset(["strong"]))


def test_a_scope_may_be_given_as_words_of_an_enumeration():
    class Team(StrEnum):
        REVIEW = "review"

    assert Router(POOL, ByAgent(review="haiku")).decide(View(Scope("s", Team.REVIEW))).names[0] == "haiku"


def test_bounds_that_mean_something_are_taken():
    Router(
        POOL, Budget(usd=math.inf), Budget(tokens=1, window=math.inf), Healthy(longest=0, lasting=0), recovery=Recovery(0, 0)
    )
    assert Budget(usd=1, per=Level.TASK).per == "task"


@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (Budget(usd=1), {"accounts": [[1, 2, 3]]}),
        (Budget(usd=1), {}),
        (Healthy(), {"circuits": [["", "opus", "no such kind", 1, 2, 3]]}),
        (Healthy(), {"ailing": []}),
        (Stick(), []),
        (hold(ByAgent(), per="agent"), {"held": 5}),
    ],
    ids=["an account of numbers", "an empty state", "an unknown failure", "another version", "a list", "a number"],
)
def test_a_state_that_was_not_dumped_is_refused_by_the_policys_name(policy, state):
    router = Router(POOL, policy)
    (name,) = router.dump()
    with pytest.raises(ConfigurationError, match=name):
        router.load({name: state})


def test_a_state_that_is_no_mapping_is_refused():
    with pytest.raises(ConfigurationError, match="dump"):
        Router(POOL, Stick()).load(None)


def test_a_reply_of_brackets_without_end_is_no_json():
    verdict = Schema({"type": "array"})(View(), Reply("[" * 100_000))
    assert not verdict.accepted
    assert verdict.because.startswith("it is not JSON")


def answered(router):
    run = router.start(View(tokens=10))
    return "".join(drive(run, Script(otherwise="hello").perform))


def test_an_observer_that_raises_costs_no_answer_and_the_next_one_is_called(caplog):
    def full(attempt):
        raise OSError(28, "No space left on device")

    kept = InMemory()
    assert answered(Router(POOL, observers=[full, kept])) == "hello"
    assert len(kept) == 1
    assert "No space left on device" in caplog.text


def test_a_policy_that_fails_to_learn_is_a_bug_that_passes_through_and_leaves_no_reservation_behind():
    class Forgetful:
        def __call__(self, view, shortlist):
            return shortlist

        def learn(self, attempt):
            raise KeyError("what was it")

    budget = Budget(usd=1, per="all")
    router = Router(POOL, Forgetful(), budget)
    with pytest.raises(KeyError):
        answered(router)
    settled = budget.spent(View())
    with pytest.raises(KeyError):
        answered(router)
    assert budget.spent(View())[0] == pytest.approx(2 * settled[0])
    assert not budget._reserved
