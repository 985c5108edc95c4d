"""A decision: ask every policy in turn. Questions of policies and verifiers become calls here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar

from switchwise.engine.batches.together import Batch
from switchwise.engine.calls import FlowContext, attempted
from switchwise.engine.policy import Flow, Steps
from switchwise.engine.questions import first, only, priced, reserved, with_answers
from switchwise.engine.requirements import pinned
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import BudgetExceeded, FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.gather import Gather, Repeat
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.scope import Level
from switchwise.nouns.shortlist import Note, Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.view import Needs, View
from switchwise.observe.observer import tell
from switchwise.reading.token_estimate import MESSAGE, estimate

T = TypeVar("T")
_NO_NEEDS = Needs()
_STEP = Level.STEP  # a class attribute look-up takes ten times as long
MOST_ASKS = 16  # most questions of one opinion or verdict; more indicate a loop


def decide(view: View, context: FlowContext, calling: bool = True, more: Target | None = None) -> Steps[Shortlist]:
    """Ask every policy in turn; the finished shortlist is the decision.

    Parameters:
        calling: False: skip the policies that would ask a model.
        more: an additional target, to check it against the requirements.
    """
    shortlist, chain = Shortlist(context.pool, more=more), context.policies
    if view.attempts or view.pin:
        chain = ((context.recovery.name, context.recovery), ("pinned", pinned), *chain)
    while True:
        for name, policy in chain:
            shortlist.author = name  # its notes are in this name
            opinion = policy(view, shortlist)
            if opinion is shortlist:  # no opinion, the common case
                continue
            if isinstance(opinion, Shortlist):
                shortlist = opinion
            elif not isinstance(opinion, Generator):
                raise TypeError(f"{name} gave {opinion!r:.80} for an opinion: return the shortlist, or what its verbs give")
            elif calling:
                shortlist = yield from heard(opinion, name, view, context)
            else:
                opinion.close()
            shortlist.level = _STEP  # of its author alone
            if not shortlist.targets:
                break
        shortlist.author = ""
        if shortlist.targets or shortlist.last_resort or not shortlist.avoided:
            return shortlist
        shortlist = Shortlist(context.pool, last_resort=True, more=more)  # only avoided targets are left


def decide_alone(view: View, context: FlowContext, more: Target | None = None) -> Shortlist:
    """As `decide`, without any call: a policy that would ask a model is skipped."""
    flow = decide(view, context, calling=False, more=more)
    try:
        next(flow)
    except StopIteration as done:
        found: Shortlist = done.value
        return found
    raise AssertionError("a decision that calls nobody yields nothing")


def heard(
    flow: Flow[T],
    author: str,
    view: View,
    context: FlowContext,
    repeats: list[Attempt] | None = None,
    judged: Target | None = None,
) -> Steps[T]:
    """Run the flow of a policy or verifier; its questions are made as calls and attempts.

    Parameters:
        repeats: list for attempts that repeat the caller's request, one of which may be chosen.
        judged: target of the reply that a verifier judges, which may repeat the request too; None: not a verifier.
    """
    step: Callable[[Any], Any] = flow.send
    sent: Any = None
    asked = 0
    try:
        while True:
            ask = step(sent)
            asked += len(ask.effects) if isinstance(ask, Gather) else 1
            if asked > MOST_ASKS:
                raise RuntimeError(f"{author} put more than {MOST_ASKS} questions for one opinion: it loops")
            if isinstance(ask, Gather):
                sent = yield from _gathered(ask, author, view, context, repeats, judged)
            elif isinstance(ask, Ask):
                sent = yield from _answered(ask, author, view, context)
            else:
                raise TypeError(f"{author} yielded {ask!r:.80}: a policy or verifier yields an Ask or a Gather")
            step = flow.throw if isinstance(sent, TargetError) else flow.send
    except StopIteration as done:
        answer: T = done.value
        return answer
    except TargetError as error:
        error.own.add_note(
            f"{author} asked, and did not catch this: catch TargetError around the yield, and decide without the answer"
        )
        raise error.own from None
    finally:
        flow.close()


def _gathered(
    gather: Gather,
    author: str,
    view: View,
    context: FlowContext,
    repeats: list[Attempt] | None,
    judged: Target | None,
) -> Steps[tuple[Reply | TargetError | None, ...]]:
    """Result of each effect: its reply, its `TargetError`, or None if it was cancelled."""
    found: dict[int, Reply | TargetError | None] = {}
    calls: dict[int, Call] = {}
    for i, effect in enumerate(gather.effects):
        if isinstance(effect, Ask):
            call = _question(effect, author, view, context)
        elif repeats is None and judged is None:
            raise TypeError(
                f"{author} yielded {effect!r}: only what chooses among answers or judges one may repeat the request"
            )
        else:
            target = first(effect.to, context.pool) if effect.to or judged is None else judged
            call = _again(effect, target, author, view, context)
        if isinstance(call, Call):
            calls[i] = call
        else:
            found[i] = call
    batch = Batch(context.clock, context.timer, gather.until, release=context.release)
    try:
        yield from batch.run([*calls.values()])
    finally:
        made = {id(attempt.call): with_answers(attempt) for attempt in batch.made}
        for attempt in made.values():
            if attempt.call.ask is None and repeats is not None:
                repeats.append(attempt)
            else:
                context.settle(attempt)
    for i, call in calls.items():
        attempt = made[id(call)]
        kept = attempt.call.ask is None and repeats is not None  # it may be chosen, so the same object is passed
        found[i] = (attempt.reply if kept else priced(attempt)) or attempt.error
    return tuple([found[i] for i in range(len(gather.effects))])


def _answered(ask: Ask, author: str, view: View, context: FlowContext) -> Steps[Reply | TargetError]:
    """The reply to a question, or its `TargetError`."""
    call = _question(ask, author, view, context)
    if isinstance(call, TargetError):
        return call
    attempt = with_answers((yield from attempted(call, context)))
    context.settle(attempt)
    return priced(attempt) or attempt.error or TargetError(FailureKind.CONNECTION)


def _question(ask: Ask, author: str, view: View, context: FlowContext) -> Call | TargetError:
    """The call of a question with its reservation, or the reason why it may not be made."""
    target = ask.model.target if ask.model is not None else first(ask.to, context.pool)
    if (note := _ruled_out(target, ask, view, context)) is not None:
        kind = FailureKind.QUOTA if issubclass(note.raises, BudgetExceeded) else FailureKind.UNSUPPORTED
        return TargetError(kind, f"{target.name} may not be asked: {note.because} ({note.policy})")
    return reserved(Call(target, view, only(target, author, ask.because), ask, live=False), context.reserve)


def _again(repeat: Repeat, target: Target, author: str, view: View, context: FlowContext) -> Call | TargetError:
    """A repeated call of the caller's request, with a note and a reservation, if the requirements allow it."""
    if repeat.note:
        view = replace(view, tokens=view.tokens + estimate(repeat.note) + MESSAGE)
    shortlist = decide_alone(view, context, None if target in context.pool.targets else target)
    if target not in shortlist.targets:
        note = next(note for note in shortlist.notes if target.name in note.out)
        return TargetError(FailureKind.UNSUPPORTED, f"{target.name} may not be asked again: {note.because} ({note.policy})")
    call = reserved(Call(target, view, only(target, author, "another answer"), live=False, note=repeat.note), context.reserve)
    if isinstance(call, Call):
        tell(context.observers.decided, call)
    return call


def _ruled_out(target: Target, ask: Ask, view: View, context: FlowContext) -> Note | None:
    """The requirement that rules out asking `target`; None if none does.

    Needs, pin and attempts of the request are not applied: the question has its own needs.
    """
    from switchwise.protocols.ask_text import tokens_of  # with JSON: imported only for questions

    question = replace(view, tokens=tokens_of(ask), needs=_NO_NEEDS, pin="", attempts=(), prefix=None)
    shortlist = decide_alone(question, context, more=None if target in context.pool.targets else target)
    if target in shortlist.targets:
        return None
    return next(note for note in shortlist.notes if target.name in note.out)
