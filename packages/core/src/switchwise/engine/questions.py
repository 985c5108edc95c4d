"""Calls for questions of policies and verifiers: their target, and the reply sent back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from switchwise.engine.policy import Reserves, name_of
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind, Model, Question
from switchwise.nouns.exchange.reply import Answer, Reply
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target

_LEFT_OUT = Answer(because="it left the question out")


def first(word: str, pool: Pool) -> Target:
    """The first target of the pool with the name or role `word`."""
    names = pool.select(word)
    return next(target for target in (*pool.targets, *pool.asked) if target.name in names)


def only(target: Target, author: str, because: str) -> Shortlist:
    """A decision for one target, signed by `author`."""
    return Shortlist(Pool([target])).signed_by(author).order(lambda _: 0.0, because)


def reserved(call: Call, reserve: Callable[[Call], Reserves | None]) -> Call | TargetError:
    """Return the call with its reservation, or the reason why it may not be made."""
    refuser = reserve(call)
    return call if refuser is None else TargetError(FailureKind.QUOTA, f"{name_of(refuser)} does not allow this call")


def with_answers(attempt: Attempt) -> Attempt:
    """The attempt with an answer to each question; other attempts unchanged."""
    ask, reply = attempt.call.ask, attempt.reply
    if ask is None or reply is None:
        return attempt
    from switchwise.protocols.ask_text import answers_in  # with JSON: imported only for questions

    answers = reply.answers if reply.answers is not None else answers_in(attempt.call, reply.text)
    whole = {name: _of_its_kind(question, answers.get(name, _LEFT_OUT)) for name, question in ask.questions.items()}
    return replace(attempt, reply=replace(reply, answers=whole))


def replied(model: Model, ask: Ask, reply: object) -> Reply:
    """The reply of a model outside the pool.

    Raises:
        TypeError: it is not a reply, or has an answer that is not an `Answer`.
    """
    if not isinstance(reply, Reply):
        name = model.target.name
        raise TypeError(f"{name} answered with {reply!r:.80}: return a Reply with an Answer for each question")
    answers = reply.answers or {}
    for name in ask.questions:
        if not isinstance(answer := answers.get(name, _LEFT_OUT), Answer):
            raise TypeError(
                f"{model.target.name} answered {name!r} with {answer!r:.80}: give an Answer, such as Answer(label=...)"
            )
    return reply


def _of_its_kind(question: Question, answer: Answer) -> Answer:
    """The answer; unknown if it is not among the labels or levels of its question."""
    label, score = answer.label, answer.score
    if question.kind is Kind.LABELS and label is not None:
        if not any(type(each) is type(label) and each == label for each in question.labels):
            return Answer(because=f"{label!r:.60} is none of the labels")
    elif question.kind is Kind.SCORE and score is not None and not 0 <= score <= len(question.options) - 1:
        return Answer(because=f"{score!r:.60} is none of the levels")
    return answer


def priced(attempt: Attempt) -> Reply | None:
    """The reply for the asking policy, with its cost."""
    return None if attempt.reply is None else replace(attempt.reply, cost=attempt.cost)
