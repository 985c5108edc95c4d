"""The routing loop. Fallback and cascade are the same: ask the policies again, with the last attempt in view.

Rules:
1. One effect, `Call`; back-off is a field of the call. Policies and verifiers yield an `Ask` or a `Gather`; only `deciding` makes calls of them.
2. Only `route` and a policy or verifier that must ask a model first are generators; all else is plain functions.
3. A flow lives for one model step and is never saved; the state of policies is (`Router.dump`).
4. Never yield while holding a lock: compute, release, yield.
5. Only `TargetError` means "try another". Other exceptions propagate: a bug must not look like an outage.
6. A flow that is closed (an abandoned stream, a cancelled task) settles its open attempt before it ends.
7. Every requirement of the chain holds for every question: a target that one rules out is not asked. A flow asks at most `MOST_ASKS` times.
8. A call that waits in a policy's queue is yielded as `queued`; after its delay, all policies are asked again.
9. Several calls at once are a `Batch` (`engine/batches/together.py`): each is reserved for, settled and learned, and made once more at most.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from switchwise.engine.batches.together import Batch
from switchwise.engine.calls import FlowContext, attempted, settle_all
from switchwise.engine.deciding import decide, heard
from switchwise.engine.endings import best_rejected, longer, note_after, say_fallback, without
from switchwise.engine.policy import Flow, Queues, Reserves, Steps, name_of
from switchwise.engine.timing.waiting import leave_all, placed, waited
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import Broken, Interrupted, TargetError, failed_as
from switchwise.nouns.exchange.gather import Ranking, Together
from switchwise.nouns.exchange.reply import Verdict
from switchwise.nouns.fast_dataclass import maker
from switchwise.nouns.view import View
from switchwise.observe.observer import tell

_call = maker(Call)
_NOT_CHOSEN = Verdict(False, "another answer was chosen")


def route(view: View, context: FlowContext) -> Steps[Outcome]:
    """Run a request: call targets until one gives an accepted reply.

    Raises:
        NoTarget: no target may be called; `BudgetExceeded` if a budget is the reason.
        AllTargetsFailed, Interrupted: every target that may be called failed; a live reply broke off.
    """
    attempts: tuple[Attempt, ...] = ()
    refused: dict[str, Reserves] = {}
    postponed: set[str] = set()
    queues: list[Queues] = []  # queues with a place for this request
    broken: Broken | None = None
    looks = 2 if view.recording is not None else 0  # again if a stored answer could not be returned
    while True:
        asked = context.timer()
        shortlist = yield from (placed(decide(view, context), queues, view) if queues else decide(view, context))
        if refused:
            shortlist = without(shortlist, refused)
        if not shortlist.targets:
            leave_all(queues, view)
            return best_rejected(shortlist, attempts)
        target = shortlist.targets[0]
        known = context.cache if looks else None
        shortlist, stored = known.look_up(view, shortlist) if known is not None else (shortlist, None)
        verify = context.verify if len(shortlist.targets) > 1 and stored is None else None  # the last resort is not judged
        delay = context.recovery.delay(target, view) if attempts else 0.0
        plan = shortlist.at_once if stored is None else None
        after = None if plan is None or delay or len(shortlist.targets) == 1 else plan.after(target)
        live = verify is None and (after is None or plan is None or plan.choose is None)
        note = shortlist.note_for(target) if shortlist.hands_over is not None else ""
        if broken is not None:
            note = note_after(broken, note, context.on_broken)
        call = _call(target, view, shortlist, None, live, delay, context.timer() - asked, note, stored, broken)
        if stored is None and (refuser := context.reserve(call)) is not None:
            if (yield from waited(refuser, call, queues)):
                view = view.after(view.attempts, context.clock())
                refused.clear()
                postponed.clear()
                continue
            if not getattr(refuser, "gives_way", False) or target.name in postponed:
                refused[target.name] = refuser
            postponed.add(target.name)
            continue
        if queues:
            leave_all(queues, view)
        if attempts:
            say_fallback(call, attempts[-1])
        if context.observers.decided:
            tell(context.observers.decided, call)
        others: list[Attempt] = []
        if plan is None or after is None:
            attempt = yield from attempted(call, context)
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
                    else (yield from heard(opinion, name_of(verify), view, context, judged=attempt.target))
                )
            except BaseException:  # the reply is billed, whatever its verdict
                context.settle(attempt)
                raise
            attempt = replace(attempt, verdict=verdict)
        context.settle(attempt)
        looks = looks - 1 if stored is not None else 0
        if stored is not None and not attempt.accepted:
            continue  # as if it had not been stored
        attempts = (*attempts, *others, attempt)
        if attempt.accepted:
            return Outcome(attempt, attempts)
        view = view.after((*view.attempts, *[other.tried for other in others], attempt.tried), context.clock())
        if attempt.error is not None and attempt.error.broken is not None:
            view, broken = longer(view, broken, attempt.error.broken, context.on_broken), attempt.error.broken
            looks = 0 if broken.text else looks
        refused.clear()
        postponed.clear()


def _together(call: Call, plan: Together, after: float, context: FlowContext) -> Steps[list[Attempt]]:
    """Let several targets answer. The last attempt is the chosen one, not learned yet; the others are."""
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
    if plan.choose is not None:  # answers are compared, and several keys of one model count once
        others = [*{target.base: target for target in reversed(others) if target.base != call.target.base}.values()][::-1]
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
        settle_all(batch.made, context)
        broken = stop.__cause__
        assert isinstance(broken, TargetError), "a run interrupts with the failure as the cause"
        raise failed_as(Interrupted, [broken.own], *stop.args) from broken.own
    except BaseException:  # calls made are billed, whatever happens then
        settle_all(batch.made, context)
        raise
    settle_all(made[:-1], context)
    return made


def _chosen(plan: Together, made: list[Attempt], view: View, context: FlowContext) -> Steps[list[Attempt]]:
    """The attempts with verdicts of the ranking policy, the best one last."""
    assert plan.choose is not None, "checked by the caller"
    replies = [(attempt.target, attempt.reply) for attempt in made if attempt.reply is not None]
    ranking: Ranking | Flow[Ranking] = plan.choose(view, replies)
    if isinstance(ranking, Generator):
        ranking = yield from heard(ranking, plan.policy, view, context, made)
    verdicts = {id(reply): verdict for reply, verdict in ranking}
    best = id(ranking[0][0])
    judged = [
        attempt if attempt.reply is None else replace(attempt, verdict=verdicts.get(id(attempt.reply), _NOT_CHOSEN))
        for attempt in made
    ]
    made[:] = sorted(judged, key=lambda attempt: attempt.reply is not None and id(attempt.reply) == best)
    return made
