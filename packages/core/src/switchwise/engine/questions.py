"""The calls that policies and verifiers ask for: whom they go to, and what is sent back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from switchwise.engine.policy import Reserves, name_of
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.reply import Answer, Reply
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.protocols.ask_text import answers_in

_LEFT_OUT = Answer(because="it left the question out")


def first(word: str, pool: Pool) -> Target:
    """The first target of the pool that `word` stands for."""
    names = pool.select(word)
    return next(target for target in (*pool.targets, *pool.asked) if target.name in names)


def only(target: Target, author: str, because: str) -> Shortlist:
    """A decision for one target, signed by whoever asks."""
    return Shortlist(Pool([target])).signed_by(author).order(lambda _: 0.0, because)


def reserved(call: Call, reserve: Callable[[Call], Reserves | None]) -> Call | TargetError:
    """The call, reserved for; or why it may not be made."""
    refuser = reserve(call)
    return call if refuser is None else TargetError(FailureKind.QUOTA, f"{name_of(refuser)} does not allow this call")


def with_answers(attempt: Attempt) -> Attempt:
    """The attempt at a question with an answer for each that was put; any other as it is."""
    ask, reply = attempt.call.ask, attempt.reply
    if ask is None or reply is None:
        return attempt
    answers = reply.answers if reply.answers is not None else answers_in(attempt.call, reply.text)
    whole = {name: answers.get(name, _LEFT_OUT) for name in ask.questions}
    return replace(attempt, reply=replace(reply, answers=whole))


def priced(attempt: Attempt) -> Reply | None:
    """The reply as whoever asked is sent it: with what it cost."""
    return None if attempt.reply is None else replace(attempt.reply, cost=attempt.cost)
