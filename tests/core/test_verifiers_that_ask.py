"""Verifiers that ask: what they accept, what they cost, and what outcomes say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from switchwise import (
    Answer,
    Attempt,
    Call,
    ConfigurationError,
    Pool,
    Price,
    Reply,
    Router,
    Target,
    TargetError,
    Usage,
    View,
    drive,
)
from switchwise.nouns.errors import FailureKind
from switchwise.policies import Rules
from switchwise.state import InProcess
from switchwise.verifiers import Agreement, AllOf, AnyOf, Judge, NotEmpty, Predicate, Rubric, Witness

PRICE = Price(10.0, 10.0)
POOL = Pool(
    [Target("opus", price=PRICE), Target("haiku", price=PRICE), Target("luna", price=PRICE)],
    asked=[Target("judge", price=PRICE)],
)


class Said:
    """Targets that answer from a table, one answer after the other; the judge says yes or no to each question."""

    def __init__(self, yes: Any = True, **answers: list[str]) -> None:
        self.yes, self.answers, self.calls = yes, answers, list[Call]()

    def perform(self, call: Call) -> Iterator[Any]:
        nth = sum(other.target is call.target for other in self.calls)
        self.calls.append(call)
        usage = Usage(90, 10)
        if call.ask is not None:
            if self.yes is None:
                raise TargetError(FailureKind.OVERLOADED)
            yes = self.yes if isinstance(self.yes, dict) else dict.fromkeys(call.ask.questions, self.yes)
            yield Reply(answers={name: Answer(label=yes.get(name)) for name in call.ask.questions}, usage=usage)
            return
        answers = self.answers[call.target.name]
        if not answers:
            raise TargetError(FailureKind.OVERLOADED)
        yield Reply(answers[min(nth, len(answers) - 1)], usage=usage)


def judged(said: Said, verify: Any, view: View = View()) -> Any:  # noqa: B008  (frozen)
    """The first reply's verdict, the outcome and all attempts."""
    learned = list[Attempt]()
    router = Router(POOL, Rules().prefer("haiku"), verify=verify, observers=[learned.append])
    run = router.start(view)
    list(drive(run, said.perform))
    return run.outcome.attempts[0].verdict, run.outcome, learned, router


def test_a_witness_answers_the_request_itself_and_its_agreement_is_the_verdict() -> None:
    witness = Witness("luna")
    said = Said(haiku=["Answer: 7"], luna=["It is 7. Answer: 7"], opus=["8"])
    verdict, outcome, learned, _ = judged(said, witness)
    assert (verdict.accepted, outcome.target.name) == (True, "haiku")
    assert [(call.target.name, call.ask, call.live, call.note) for call in said.calls] == [
        ("haiku", None, False, ""),
        ("luna", None, False, ""),
    ]
    assert [attempt.target.name for attempt in outcome.attempts] == ["haiku"], (
        "what a verifier asks is not an attempt at the answer"
    )
    assert len(learned) == 2
    assert witness.counts.usd == pytest.approx(100e-5)
    assert witness.counts.asked == 1
    verdict, outcome, _, _ = judged(Said(haiku=["7"], luna=["8"], opus=["8"]), Witness("luna"))
    assert (verdict.accepted, outcome.target.name) == (False, "opus")


def test_a_target_is_asked_whether_two_answers_mean_the_same_only_where_they_differ() -> None:
    for yes, accepted, asked in ((True, True, 1), (False, False, 1)):
        said = Said(yes, haiku=["It is raining."], luna=["Rain is falling."], opus=["Rain is falling."])
        verdict, _, _, _ = judged(said, Witness("luna", same="judge"))
        assert (verdict.accepted, sum(call.ask is not None for call in said.calls)) == (accepted, asked)
    said = Said(True, haiku=["7"], luna=["7"])
    judged(said, Witness("luna", same="judge"))
    assert all(call.ask is None for call in said.calls)


def test_a_witness_that_fails_is_no_evidence() -> None:
    for on_failure, accepted in (("accept", True), ("reject", False)):
        verify: Any = Witness("luna", on_failure=on_failure)  # type: ignore[arg-type]
        verdict, outcome, _, _ = judged(Said(haiku=["7"], luna=[], opus=["8"]), verify)
        assert (verdict.accepted, outcome.accepted) == (accepted, accepted)


def test_agreement_asks_the_same_target_again_and_stops_when_it_is_decided() -> None:
    said = Said(haiku=["7", "7", "7", "7", "7"], opus=["9"])
    verdict, _, _, _ = judged(said, Agreement(times=5, least=0.6))
    assert verdict.accepted
    assert {call.target.name for call in said.calls} == {"haiku"}
    said = Said(haiku=["7", "8", "9"], opus=["10"])
    verdict, outcome, _, _ = judged(said, Agreement(times=3))
    assert (verdict.accepted, outcome.target.name) == (False, "opus")


def test_agreement_without_a_second_answer_is_no_evidence_against_the_first() -> None:
    class Once(Said):
        def perform(self, call: Call) -> Iterator[Any]:
            if self.calls:
                raise TargetError(FailureKind.OVERLOADED)
            yield from super().perform(call)

    verdict, outcome, _, _ = judged(Once(haiku=["7"]), Agreement(times=3))
    assert (verdict.accepted, verdict.because, verdict.score) == (True, "no second answer could be had", 0.5)
    assert outcome.target.name == "haiku"


def test_a_rubric_puts_all_criteria_in_one_question_and_weighs_them() -> None:
    criteria = {"source": "Does it name a source?", "tone": "Is it polite?", "length": "Is it short?"}
    weights = {"source": 2.0, "length": 0.0}
    for yes, accepted, because in (
        ({"source": True, "tone": True, "length": False}, True, "judge: length is not met"),
        ({"source": True, "tone": False, "length": True}, False, "judge: tone is not met"),
        ({"source": False, "tone": False, "length": True}, False, "judge: source, tone are not met"),
        ({}, True, "the judge answered none of the criteria"),
        (None, True, "the judge failed"),
    ):
        said = Said(yes, haiku=["hello"], opus=["x"], luna=["x"])
        verdict, _, _, _ = judged(said, Rubric("judge", criteria, least=0.9, weights=weights))
        assert verdict.accepted is accepted
        assert because in verdict.because
    assert Rubric("judge", criteria, least=0.6).least == 0.6


def test_all_of_asks_the_cheap_ones_first_and_any_of_needs_one() -> None:
    short, never = Predicate(lambda reply: len(reply.text) < 3, "it is long"), Predicate(lambda _: False, "never")
    said = Said(haiku=["long words"], opus=["long ones too"], luna=["x"])
    verdict, _, _, _ = judged(said, AllOf(NotEmpty(), short, Rubric("judge", ["Good?"])))
    assert (verdict.accepted, verdict.because) == (False, "Predicate: it is long")
    assert all(call.ask is None for call in said.calls), "the judge is not asked"
    for yes, accepted in ((True, True), (False, False)):
        verdict, _, _, _ = judged(Said(yes, haiku=["ok"], opus=["x"], luna=["x"]), AllOf(short, Rubric("judge", ["Good?"])))
        assert verdict.accepted is accepted
    verdict, _, _, _ = judged(Said(True, haiku=["ok"], opus=["x"]), AnyOf(never, Rubric("judge", ["Good?"])))
    assert verdict.accepted
    verdict, _, _, _ = judged(Said(False, haiku=["ok"], opus=["x"], luna=["x"]), AnyOf(never, Rubric("judge", ["Good?"])))
    assert verdict.because == "Predicate: never; Rubric: judge: criterion 1 is not met"


def test_the_parts_that_use_a_store_get_the_routers() -> None:
    class Kept(Predicate):
        def use_store(self, store: Any) -> None:
            self.store = store

    kept, store = Kept(lambda _: True, "it never fails"), InProcess()
    Router(POOL, verify=AllOf(NotEmpty(), kept), store=store)
    assert kept.store is store


def test_outcomes_say_how_often_a_verifier_is_right_and_a_router_carries_that() -> None:
    verify = AllOf(NotEmpty(), Witness("luna"))
    _, outcome, _, router = judged(Said(haiku=["7"], luna=["7"]), verify)
    assert verify.counts.accuracy is None, "no outcome is known"
    router.feedback(outcome.decision, 1.0)
    router.feedback(outcome.decision, 0.0)  # a second word about the same decision does not count
    inner: Any = verify.verifiers[1]
    assert (verify.counts.accuracy, inner.counts.accuracy, inner.counts.known) == (1.0, 1.0, 1)
    text = str(router.explain())
    assert "checked by AllOf: 1 verdicts, 1 accepted; outcomes confirm 1 of 1 (100 %)" in text
    assert "checked by Witness: 1 verdicts" in text
    again = AllOf(NotEmpty(), Witness("luna"))
    other = Router(POOL, Rules().prefer("haiku"), verify=again)
    other.load(router.dump())
    part: Any = again.verifiers[1]
    assert part.counts == inner.counts
    with pytest.raises(ConfigurationError, match="asked is 'many'"):
        Witness("luna").load({**inner.dump(), "asked": "many"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Agreement(times=1), "from 2 to 9"),
        (lambda: Agreement(least=0), "least"),
        (lambda: Agreement(key="text"), r"Agreement\(key='text'\): give a function of the reply"),
        (lambda: Witness("luna", key="text"), r"Witness\(key='text'\): give a function of the reply"),
        (lambda: Rubric("judge", ["a"], on_failure="shrug"), r"Rubric\(on_failure='shrug'\): use 'accept' or 'reject'"),
        (lambda: Rubric("judge", "Good?"), "name -> question"),
        (lambda: Rubric("judge", ["a"], weights={"b": 1}), "names b"),
        (lambda: AllOf(), "one or more"),
        (lambda: AnyOf(Judge), "give verifiers"),
        (lambda: Witness("luna", on_failure="shrug"), "on_failure"),
        (lambda: Router(POOL, verify=AllOf(Witness("nobody"))), "nobody"),
    ],
)
def test_wrong_parameters_are_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
