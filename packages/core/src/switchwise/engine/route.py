"""The one loop. Fallback and cascade are the same thing: ask the policies again, telling them what just happened.

Rules:
1. One effect, `Call`; back-off is a field of the call. Policies and verifiers yield an `Ask`, and only here it becomes a call.
2. Only `route` and a policy or verifier that must ask a model first are generators; all else is plain functions.
3. A flow lives for one model step and is never checkpointed; what policies remember is (`Router.dump`).
4. Never yield while holding a lock: compute, release, yield.
5. Only `TargetError` means "try another". Any other exception passes through: a bug must not look like an outage.
6. A flow that is closed (an abandoned stream, a cancelled task) settles its open attempt before it ends.
7. Every requirement of the chain holds for every question: a target that one rules out is not asked. A flow asks at most `MOST_ASKS` times.
8. Several calls at once (`Gather(effects, until)`, for hedging and consensus) have their place in `_made`, which alone yields: it would yield
   the gathered calls, be sent the first `until` replies, and settle the losers; `Run.call` and the two loops of `drive` are what else changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from switchwise.engine.policy import Flow, Policy, Reserves, Steps, name_of
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import AllTargetsFailed, BudgetExceeded, FailureKind, Interrupted, NoTarget, TargetError, failed_as
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.reply import Answer, Reply, Verdict
from switchwise.nouns.shortlist import Note, Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import Needs, View
from switchwise.protocols.ask_text import answers_in, tokens_of

_log = logging.getLogger("switchwise.engine")
_CALLERS = (FailureKind.BAD_REQUEST, FailureKind.NOT_ACCEPTED)
T = TypeVar("T")
_NO_NEEDS = Needs()
_LEFT_OUT = Answer(because="it left the question out")


class Verifier(Protocol):
    """Judges a reply before it is shown."""

    def __call__(self, view: View, reply: Reply) -> Verdict | Flow[Verdict]:
        """The verdict; or, where a model must be asked first, a generator that yields the calls and returns it."""


@dataclass(frozen=True, slots=True)
class FlowContext:
    """All that a flow needs beside the view: a router sets it up once.

    Parameters:
        pool: all targets.
        policies: (name, policy) in order of importance, recovery first.
        recovery: tells how long to wait before a target is called again.
        verify: judges replies; None: every reply is accepted.
        reserve: sets aside what a call may use up; the policy that refuses, if one does: decide again.
        learn: takes in each attempt.
        clock: the time, in seconds: when attempts began and ended, by which policies cool down and budgets run out.
        timer: seconds by which decisions and calls are timed.
    """

    pool: Pool
    policies: tuple[tuple[str, Policy], ...]
    recovery: Recovery
    verify: Verifier | None
    reserve: Callable[[Call], Reserves | None]
    learn: Callable[[Attempt], None]
    clock: Callable[[], float]
    timer: Callable[[], float]


MOST_ASKS = 16
"""Questions that one opinion or verdict may put; more are a loop."""


def route(view: View, context: FlowContext) -> Steps[Outcome]:
    """Find the target that answers, trying others where one fails or its reply is rejected.

    Raises:
        NoTarget, BudgetExceeded: nothing may be called.
        AllTargetsFailed: everything that may be called failed.
        Interrupted: a live reply broke off.
    """
    attempts: tuple[Attempt, ...] = ()
    refused: dict[str, Reserves] = {}
    postponed: set[str] = set()
    while True:
        asked = context.timer()
        shortlist = yield from decide(view, context)
        if refused:
            shortlist = _without(shortlist, refused)
        if not shortlist.targets:
            return _best_rejected(shortlist, attempts)
        target = shortlist.targets[0]
        verify = context.verify if len(shortlist.targets) > 1 else None  # the last resort is not judged
        delay = context.recovery.delay(target, view) if attempts else 0.0
        call = Call(target, view, shortlist, None, verify is None, delay, context.timer() - asked)
        if (refuser := context.reserve(call)) is not None:
            if not getattr(refuser, "gives_way", False) or target.name in postponed:
                refused[target.name] = refuser
            postponed.add(target.name)
            continue
        if delay >= 1.0:
            _log.info("waiting %.1f s for %s: all that is left has failed, and it asked for a pause", delay, target.name)
        attempt = yield from _made(call, context)
        if verify is not None and attempt.reply is not None:
            try:
                opinion = verify(view, attempt.reply)
                if not isinstance(opinion, Verdict | Generator):
                    raise TypeError(
                        f"{name_of(verify)} gave {opinion!r:.80} for a verdict: return a Verdict, or wrap a test as Predicate"
                    )
                verdict = (
                    opinion if isinstance(opinion, Verdict) else (yield from _heard(opinion, name_of(verify), view, context))
                )
            except BaseException:  # the reply is paid for, whatever becomes of its verdict
                context.learn(attempt)
                raise
            attempt = replace(attempt, verdict=verdict)
        context.learn(attempt)
        attempts = (*attempts, attempt)
        if attempt.accepted:
            return Outcome(attempt, attempts)
        view = view.after((*view.attempts, attempt.tried), context.clock())
        refused.clear()
        postponed.clear()


def decide(view: View, context: FlowContext, calling: bool = True, more: Target | None = None) -> Steps[Shortlist]:
    """Ask every policy in turn; the finished shortlist is the decision.

    Parameters:
        calling: False: pass over the policies that would ask a model first.
        more: a target beside those that answer, to learn whether a requirement rules it out.
    """
    shortlist = Shortlist(context.pool, more=more)
    while True:
        for name, policy in context.policies:
            if not shortlist.targets:
                break
            opinion = policy(view, shortlist)
            if opinion is shortlist:  # no opinion, the usual case
                continue
            if isinstance(opinion, Shortlist):
                shortlist = opinion.sign(name)
            elif not isinstance(opinion, Generator):
                raise TypeError(f"{name} gave {opinion!r:.80} for an opinion: return the shortlist, or what its verbs give")
            elif calling:
                shortlist = (yield from _heard(opinion, name, view, context)).sign(name)
            else:
                opinion.close()
        if shortlist.targets or shortlist.last_resort or not shortlist.avoided:
            return shortlist
        shortlist = Shortlist(context.pool, last_resort=True, more=more)  # what is avoided is all that is left


def _made(call: Call, context: FlowContext) -> Steps[Attempt]:
    """Make a call. The attempt is not learned yet where it may still be judged."""
    started, begun = context.clock(), context.timer()
    try:
        reply = yield call
    except TargetError as error:
        return Attempt(call, started, context.clock(), error=error, latency=context.timer() - begun)
    except Interrupted as stop:
        broken = stop.__cause__
        assert isinstance(broken, TargetError), "a run interrupts with the failure as the cause"
        context.learn(Attempt(call, started, context.clock(), error=broken, latency=context.timer() - begun))
        raise failed_as(Interrupted, [broken.own], *stop.args) from broken.own
    except GeneratorExit:
        context.learn(Attempt(call, started, context.clock(), abandoned=True, latency=context.timer() - begun))
        raise
    price = call.target.price
    cost = price.at(started).cost(reply.usage) if price is not None and reply.usage is not None else None
    return Attempt(call, started, context.clock(), reply, cost=cost, latency=context.timer() - begun)


def _heard(flow: Flow[T], author: str, view: View, context: FlowContext) -> Steps[T]:
    """Run the flow of a policy or verifier; its questions are calls like any other, and attempts."""
    step: Callable[[Any], Ask] = flow.send
    told: Reply | TargetError | None = None
    try:
        for _ in range(MOST_ASKS + 1):
            ask = step(told)
            if not isinstance(ask, Ask):
                raise TypeError(f"{author} yielded {ask!r:.80}: a policy or verifier yields an Ask")
            told = yield from _answered(ask, author, view, context)
            step = flow.throw if isinstance(told, TargetError) else flow.send
        raise RuntimeError(f"{author} put more than {MOST_ASKS} questions for one opinion: it loops")
    except StopIteration as done:
        answer: T = done.value
        return answer
    except TargetError as error:
        raise error.own from None
    finally:
        flow.close()


def _answered(ask: Ask, author: str, view: View, context: FlowContext) -> Steps[Reply | TargetError]:
    """The reply to a question, or why there is none."""
    target = ask.model.target if ask.model is not None else _first(ask.to, context.pool)
    if (note := _ruled_out(target, ask, view, context)) is not None:
        kind = FailureKind.QUOTA if issubclass(note.raises, BudgetExceeded) else FailureKind.UNSUPPORTED
        return TargetError(kind, f"{target.name} may not be asked: {note.because} ({note.policy})")
    shortlist = Shortlist(Pool([target])).signed_by(author).order(lambda _: 0.0, ask.because)
    call = Call(target, view, shortlist, ask, live=False)
    if (refuser := context.reserve(call)) is not None:
        return TargetError(FailureKind.QUOTA, f"{name_of(refuser)} does not allow this call")
    attempt = yield from _made(call, context)
    if attempt.reply is not None:
        answers = attempt.reply.answers if attempt.reply.answers is not None else answers_in(call, attempt.reply.text)
        whole = {name: answers.get(name, _LEFT_OUT) for name in ask.questions}
        attempt = replace(attempt, reply=replace(attempt.reply, answers=whole))
    context.learn(attempt)
    return attempt.reply or attempt.error or TargetError(FailureKind.CONNECTION)


def _first(word: str, pool: Pool) -> Target:
    """The first target of the pool that `word` stands for."""
    names = pool.select(word)
    return next(target for target in (*pool.targets, *pool.asked) if target.name in names)


def _ruled_out(target: Target, ask: Ask, view: View, context: FlowContext) -> Note | None:
    """The requirement of the chain that rules out that `target` is asked; None: none does.

    What the request needs, where it is pinned to and what was tried is about the request: the question has needs of its own.
    """
    question = replace(view, tokens=tokens_of(ask), needs=_NO_NEEDS, pin="", attempts=(), prefix=None)
    flow = decide(question, context, calling=False, more=None if target in context.pool.targets else target)
    try:
        next(flow)
    except StopIteration as done:
        shortlist: Shortlist = done.value
        if target in shortlist.targets:
            return None
        return next(note for note in shortlist.notes if target.name in note.out)
    raise AssertionError("a decision that calls nobody yields nothing")


def _without(shortlist: Shortlist, refused: Mapping[str, Reserves]) -> Shortlist:
    """Without the targets for which a policy would set nothing aside."""
    for name, refuser in refused.items():
        money = not getattr(refuser, "gives_way", False)
        because = "its budget was just used up" if money else "another call was let through in its place"
        shortlist = shortlist.signed_by(name_of(refuser)).require(
            lambda target, name=name: target.name != name,  # type: ignore[misc]
            because,
            BudgetExceeded if money else NoTarget,
        )
    return shortlist


def _best_rejected(shortlist: Shortlist, attempts: tuple[Attempt, ...]) -> Outcome:
    """Nothing is left to call: the best rejected reply, or the error that says why there is none."""
    replied = [attempt for attempt in attempts if attempt.reply is not None]
    if replied:
        best = max(replied, key=lambda attempt: attempt.verdict.score if attempt.verdict else 0.0)
        return Outcome(best, attempts, accepted=False)
    if not attempts:
        raises = shortlist.notes[-1].raises
        raise raises(f"no target may be called.\n{ruled_out(shortlist)}")
    errors = [_signed(attempt) for attempt in attempts]
    kinds = [attempt.kind for attempt in attempts]
    overflows = [error for error, kind in zip(errors, kinds, strict=True) if kind is FailureKind.CONTEXT_OVERFLOW]
    blamed = next((error for error, kind in zip(errors, kinds, strict=True) if kind in _CALLERS), None)
    if blamed is not None and not overflows:  # the caller's to mend, whatever else failed
        for other in errors:
            if other is not blamed:
                blamed.add_note(f"{other.__notes__[-1]} ({other})")
        raise blamed
    tried = {attempt.target.name for attempt in attempts}
    told = {attempt.target.name: attempt.error for attempt in attempts}
    message = f"all targets failed: {'; '.join(map(_told, told.items()))}"
    failed = failed_as(AllTargetsFailed, overflows or errors, message, errors)  # one overflow, and an agent can compact
    if untried := ruled_out(shortlist, but=tried):
        failed.add_note(f"not tried:\n{untried}")
    raise failed


def _signed(attempt: Attempt) -> Exception:
    assert attempt.error is not None, "an attempt without a reply has an error"
    own = attempt.error.own
    own.add_note(f"target {attempt.target.name!r} failed: {attempt.error.kind.value}")
    return own


def _told(failure: tuple[str, TargetError | None]) -> str:
    name, error = failure
    assert error is not None, "as above"
    return f"{name} ({error.kind.value})" if str(error) == error.kind.value else f"{name} ({error.kind.value}: {error})"


def ruled_out(shortlist: Shortlist, but: Container[str] = ()) -> str:
    """A line for each target that a note ruled out, but for those named in `but`."""
    lines = [f"  {name}: {note.because} ({note.policy})" for note in shortlist.notes for name in note.out if name not in but]
    return "\n".join(lines)
