"""The one loop. Fallback and cascade are the same thing: ask the policies again, telling them what just happened.

Rules:
1. One effect, `Call`; back-off is a field of the call. Policies and verifiers yield an `Ask` or a `Gather`, and only here they become calls.
2. Only `route` and a policy or verifier that must ask a model first are generators; all else is plain functions.
3. A flow lives for one model step and is never checkpointed; what policies remember is (`Router.dump`).
4. Never yield while holding a lock: compute, release, yield.
5. Only `TargetError` means "try another". Any other exception passes through: a bug must not look like an outage.
6. A flow that is closed (an abandoned stream, a cancelled task) settles its open attempt before it ends.
7. Every requirement of the chain holds for every question: a target that one rules out is not asked. A flow asks at most `MOST_ASKS` times.
8. Several calls at once are a `Batch` (`engine/batches/together.py`): each is reserved for, settled and learned, and made once more at most.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from switchwise.engine.batches.together import Batch, answered
from switchwise.engine.endings import best_rejected, say_fallback, without
from switchwise.engine.policy import Caches, Flow, NotMade, Policy, Reserves, Steps, Verifier, name_of
from switchwise.engine.questions import first, only, priced, reserved, with_answers
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import BudgetExceeded, FailureKind, Interrupted, TargetError, failed_as
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.gather import Gather, Ranking, Repeat, Together
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.shortlist import Note, Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import Needs, View
from switchwise.observe.observer import NOBODY, Observers, tell
from switchwise.protocols.ask_text import tokens_of
from switchwise.reading.token_estimate import MESSAGE, estimate

T = TypeVar("T")
_NO_NEEDS = Needs()
_NOT_CHOSEN = Verdict(False, "another answer was chosen")


@dataclass(frozen=True, slots=True)
class FlowContext:
    """All that a flow needs beside the view: a router sets it up once.

    Parameters:
        pool: all targets.
        policies: (name, policy) in order of importance, recovery first.
        recovery: tells how long to wait before a target is called again.
        verify: judges replies; None: every reply is accepted.
        reserve: sets aside what a call may use up; the policy that refuses, if one does: decide again.
        learn, release: takes in each attempt; gives back what was set aside for a call that is not made.
        clock, timer: seconds since the epoch, by which policies cool down and budgets run out; seconds by which calls are timed.
        observers: told of decisions and attempts.
        cache: keeps whole answers; None: every request is a call.
    """

    pool: Pool
    policies: tuple[tuple[str, Policy], ...]
    recovery: Recovery
    verify: Verifier | None
    reserve: Callable[[Call], Reserves | None]
    learn: Callable[[Attempt], None]
    release: Callable[[Call], None]
    clock: Callable[[], float]
    timer: Callable[[], float]
    observers: Observers = NOBODY
    cache: Caches | None = None

    def settle(self, attempt: Attempt) -> None:
        """Let the policies learn from it; the observers see it also where a policy fails to. An answer from the cache teaches nothing."""
        try:
            if attempt.call.stored is None:
                self.learn(attempt)
            if self.cache is not None:
                self.cache.learn(attempt)
        finally:
            if self.observers.settled:
                tell(self.observers.settled, attempt)


MOST_ASKS = 16  # questions that one opinion or verdict may put; more are a loop


def route(view: View, context: FlowContext) -> Steps[Outcome]:
    """Find the target that answers, trying others where one fails or its reply is rejected.

    Raises:
        NoTarget: nothing may be called; for want of money, `BudgetExceeded`.
        AllTargetsFailed, Interrupted: everything that may be called failed; a live reply broke off.
    """
    attempts: tuple[Attempt, ...] = ()
    refused: dict[str, Reserves] = {}
    postponed: set[str] = set()
    looks = 2 if view.recording is not None else 0  # once more where a stored answer could not be given
    while True:
        asked = context.timer()
        shortlist = yield from decide(view, context)
        if refused:
            shortlist = without(shortlist, refused)
        if not shortlist.targets:
            return best_rejected(shortlist, attempts)
        target = shortlist.targets[0]
        known = context.cache if looks else None
        shortlist, stored = known.look_up(view, shortlist) if known is not None else (shortlist, None)
        verify = context.verify if len(shortlist.targets) > 1 and stored is None else None  # the last resort is not judged
        delay = context.recovery.delay(target, view) if attempts else 0.0
        plan = shortlist.at_once if stored is None else None
        after = None if plan is None or delay or len(shortlist.targets) == 1 else plan.after(target)
        live = verify is None and (after is None or plan is None or plan.choose is None)
        call = Call(target, view, shortlist, None, live, delay, context.timer() - asked, shortlist.note_for(target), stored)
        if stored is None and (refuser := context.reserve(call)) is not None:
            if not getattr(refuser, "gives_way", False) or target.name in postponed:
                refused[target.name] = refuser
            postponed.add(target.name)
            continue
        if attempts:
            say_fallback(call, attempts[-1])
        if context.observers.decided:
            tell(context.observers.decided, call)
        others: list[Attempt] = []
        if plan is None or after is None:
            attempt = yield from _made(call, context)
        else:
            *others, attempt = yield from _together(call, plan, after, context)
        if verify is not None and attempt.reply is not None and attempt.accepted:
            try:
                opinion = verify(view, attempt.reply)
                if not isinstance(opinion, Verdict | Generator):
                    raise TypeError(
                        f"{name_of(verify)} gave {opinion!r:.80} for a verdict: return a Verdict, or wrap a test as Predicate"
                    )
                verdict = (
                    opinion
                    if isinstance(opinion, Verdict)
                    else (yield from _heard(opinion, name_of(verify), view, context, judged=attempt.target))
                )
            except BaseException:  # the reply is paid for, whatever becomes of its verdict
                context.settle(attempt)
                raise
            attempt = replace(attempt, verdict=verdict)
        context.settle(attempt)
        looks = looks - 1 if stored is not None else 0
        if stored is not None and not attempt.accepted:
            continue  # as if it had not been kept
        attempts = (*attempts, *others, attempt)
        if attempt.accepted:
            return Outcome(attempt, attempts)
        view = view.after((*view.attempts, *[other.tried for other in others], attempt.tried), context.clock())
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


def decide_alone(view: View, context: FlowContext, more: Target | None = None) -> Shortlist:
    """As `decide`, without calling anybody: a policy that would ask a model is passed over."""
    flow = decide(view, context, calling=False, more=more)
    try:
        next(flow)
    except StopIteration as done:
        found: Shortlist = done.value
        return found
    raise AssertionError("a decision that calls nobody yields nothing")


def _made(call: Call, context: FlowContext) -> Steps[Attempt]:
    """Make a call. The attempt is not learned yet where it may still be judged."""
    started, begun = context.clock(), context.timer()
    try:
        reply = yield call
    except TargetError as error:
        return Attempt(call, started, context.clock(), error=error, latency=context.timer() - begun)
    except NotMade:
        context.release(call)
        raise
    except Interrupted as stop:
        broken = stop.__cause__
        assert isinstance(broken, TargetError), "a run interrupts with the failure as the cause"
        context.settle(Attempt(call, started, context.clock(), error=broken, latency=context.timer() - begun))
        raise failed_as(Interrupted, [broken.own], *stop.args) from broken.own
    except GeneratorExit:
        context.settle(Attempt(call, started, context.clock(), abandoned=True, latency=context.timer() - begun))
        raise
    return answered(call, started, context.clock(), reply, context.timer() - begun)


def _together(call: Call, plan: Together, after: float, context: FlowContext) -> Steps[list[Attempt]]:
    """Let several targets answer. The last attempt is the one to go on with, not learned yet; the others are."""
    view, shortlist = call.view, call.shortlist
    tried = {attempt.target.name for attempt in view.attempts}
    because = plan.because if isinstance(plan.because, str) else plan.because(call.target, after)
    signed = shortlist.signed_by(plan.policy)

    def further() -> Call | None:
        for target in waiting:
            alone = signed.require(lambda other: other is target, because)  # noqa: B023  (used at once)
            more = Call(target, view, alone, None, call.live, 0.0, call.deciding)
            if plan.grant() and context.reserve(more) is None:
                tell(context.observers.decided, more)
                return more
        return None

    others = [target for target in shortlist.targets[1:] if target.name not in tried and plan.among(target)]
    waiting = iter(others[: plan.most - 1])
    batch = Batch(context.clock, context.timer, plan.until, plan.choose is None, after or None, further, context.release)
    try:
        made = yield from batch.run([call, *(iter(further, None) if not after else ())])
        replied = [attempt for attempt in made if attempt.reply is not None]
        if plan.choose is not None and replied:
            made.sort(key=lambda attempt: batch.order[id(attempt.call)])
            made = yield from _chosen(plan, made, view, context)
        elif replied:
            made.append(made.pop(made.index(replied[0])))
    except Interrupted as stop:
        _learn_all(batch.made, context)
        broken = stop.__cause__
        assert isinstance(broken, TargetError), "a run interrupts with the failure as the cause"
        raise failed_as(Interrupted, [broken.own], *stop.args) from broken.own
    except BaseException:  # what was called is paid for, whatever happens then
        _learn_all(batch.made, context)
        raise
    _learn_all(made[:-1], context)
    return made


def _chosen(plan: Together, made: list[Attempt], view: View, context: FlowContext) -> Steps[list[Attempt]]:
    """The attempts with the verdicts of the policy that ranks their replies, the best one last."""
    assert plan.choose is not None, "whoever calls has looked"
    replies = [(attempt.target, attempt.reply) for attempt in made if attempt.reply is not None]
    ranking: Ranking | Flow[Ranking] = plan.choose(view, replies)
    if isinstance(ranking, Generator):
        ranking = yield from _heard(ranking, plan.policy, view, context, made)
    verdicts = {id(reply): verdict for reply, verdict in ranking}
    best = id(ranking[0][0])
    judged = [
        attempt if attempt.reply is None else replace(attempt, verdict=verdicts.get(id(attempt.reply), _NOT_CHOSEN))
        for attempt in made
    ]
    made[:] = sorted(judged, key=lambda attempt: attempt.reply is not None and id(attempt.reply) == best)
    return made


def _learn_all(attempts: Sequence[Attempt], context: FlowContext) -> None:
    for attempt in attempts:
        context.settle(attempt)


def _heard(
    flow: Flow[T],
    author: str,
    view: View,
    context: FlowContext,
    repeats: list[Attempt] | None = None,
    judged: Target | None = None,
) -> Steps[T]:
    """Run the flow of a policy or verifier; its questions are calls like any other, and attempts.

    Parameters:
        repeats: takes the attempts at the caller's own request that are made once more, for one of them to be chosen.
        judged: who gave the reply that a verifier judges, which may repeat the request too; None: no verifier runs.
    """
    step: Callable[[Any], Any] = flow.send
    told: Any = None
    asked = 0
    try:
        while True:
            ask = step(told)
            asked += len(ask.effects) if isinstance(ask, Gather) else 1
            if asked > MOST_ASKS:
                raise RuntimeError(f"{author} put more than {MOST_ASKS} questions for one opinion: it loops")
            if isinstance(ask, Gather):
                told = yield from _gathered(ask, author, view, context, repeats, judged)
            elif isinstance(ask, Ask):
                told = yield from _answered(ask, author, view, context)
            else:
                raise TypeError(f"{author} yielded {ask!r:.80}: a policy or verifier yields an Ask or a Gather")
            step = flow.throw if isinstance(told, TargetError) else flow.send
    except StopIteration as done:
        answer: T = done.value
        return answer
    except TargetError as error:
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
    """What came of each effect: its reply, why there is none, or None: it was cancelled."""
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
        kept = attempt.call.ask is None and repeats is not None  # it may be chosen, as the object that it is
        found[i] = (attempt.reply if kept else priced(attempt)) or attempt.error
    return tuple([found[i] for i in range(len(gather.effects))])


def _answered(ask: Ask, author: str, view: View, context: FlowContext) -> Steps[Reply | TargetError]:
    """The reply to a question, or why there is none."""
    call = _question(ask, author, view, context)
    if isinstance(call, TargetError):
        return call
    attempt = with_answers((yield from _made(call, context)))
    context.settle(attempt)
    return priced(attempt) or attempt.error or TargetError(FailureKind.CONNECTION)


def _question(ask: Ask, author: str, view: View, context: FlowContext) -> Call | TargetError:
    """The call that puts a question, reserved for; or why it may not be put."""
    target = ask.model.target if ask.model is not None else first(ask.to, context.pool)
    if (note := _ruled_out(target, ask, view, context)) is not None:
        kind = FailureKind.QUOTA if issubclass(note.raises, BudgetExceeded) else FailureKind.UNSUPPORTED
        return TargetError(kind, f"{target.name} may not be asked: {note.because} ({note.policy})")
    return reserved(Call(target, view, only(target, author, ask.because), ask, live=False), context.reserve)


def _again(repeat: Repeat, target: Target, author: str, view: View, context: FlowContext) -> Call | TargetError:
    """The caller's own request once more, with a note; reserved for, where the requirements of the chain allow it."""
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
    """The requirement of the chain that rules out that `target` is asked; None: none does.

    What the request needs, where it is pinned to and what was tried is about the request: the question has needs of its own.
    """
    question = replace(view, tokens=tokens_of(ask), needs=_NO_NEEDS, pin="", attempts=(), prefix=None)
    shortlist = decide_alone(question, context, more=None if target in context.pool.targets else target)
    if target in shortlist.targets:
        return None
    return next(note for note in shortlist.notes if target.name in note.out)
