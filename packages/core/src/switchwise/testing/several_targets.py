"""Checks of `check_policy` for policies that let several targets answer one request."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from switchwise.engine.policy import Policy
from switchwise.nouns.exchange.gather import Gather, Repeat, Together
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.testing import material


def check_plans(policy: Policy, pool: Pool) -> None:
    """A plan states number, time and reason; it returns the given answers, the best one first.

    Raises:
        AssertionError: it breaks the contract; the message gives the reason.
    """
    for view in material.views():
        for before in material.shortlists(pool):
            after = material.answer(policy, view, before)
            plan = after.at_once
            if plan is None or plan is before.at_once:
                continue
            assert plan.policy, "a plan of several targets is not signed"
            assert plan.most >= 2, f"several targets are two or more, not {plan.most}"
            for target in after.targets:
                seconds = plan.after(target)
                assert seconds is None or seconds >= 0, f"it waits for {seconds} seconds"
                because = plan.because if isinstance(plan.because, str) else plan.because(target, seconds or 0.0)
                assert because.strip(), "a plan of several targets gives no reason"
            if plan.choose is not None:
                for answers in (("one", "two", "two"), ("one", "two", "three"), ("one",)):
                    _choose(plan, view, pool, answers)


def _choose(plan: Together, view: View, pool: Pool, answers: tuple[str, ...]) -> None:
    given = [(target, Reply(text)) for target, text in zip(pool, answers, strict=False)]
    made = [reply for _, reply in given]
    assert plan.choose is not None, "checked by the caller"
    ranking: Any = plan.choose(view, given)
    if isinstance(ranking, Generator):
        ranking = _played(ranking, made)
    assert ranking, "it chose nothing"
    for reply, verdict in ranking:
        assert any(reply is known for known in made), f"it chose {reply!r:.80}, which nobody gave"
        assert isinstance(verdict, Verdict), f"it gave {verdict!r:.80} for a verdict"
        assert verdict.because.strip(), "a verdict gives no reason"


def _played(flow: Generator[Any, Any, Any], made: list[Reply]) -> Any:
    """What it returns where each question is answered, and each target repeats itself."""
    sent: Any = None
    try:
        while True:
            asked = flow.send(sent)
            effects = asked.effects if isinstance(asked, Gather) else [asked]
            replies = [Reply("again") if isinstance(effect, Repeat) else material.reply_to(effect) for effect in effects]
            made += [reply for reply, effect in zip(replies, effects, strict=True) if isinstance(effect, Repeat)]
            sent = tuple(replies) if isinstance(asked, Gather) else replies[0]
    except StopIteration as done:
        return done.value
