"""Calls of a flow: their context, how one is made, and how it is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from switchwise.engine.batches.together import answered, prompt_cost
from switchwise.engine.policy import Caches, NotMade, Policy, Reserves, Steps, Verifier
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import Interrupted, TargetError, failed_as
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Pool
from switchwise.observe.observer import NOBODY, Observers, tell
from switchwise.observe.spending import blocks, count


@dataclass(frozen=True, slots=True)
class FlowContext:
    """Context of a flow, apart from the view; created once per router.

    Parameters:
        pool: all targets.
        policies: (name, policy) in order of importance. What the engine itself requires comes before them.
        recovery: what the attempts so far rule out, and how long to wait before a target is called again.
        verify: judges replies; None: every reply is accepted.
        reserve: reserves for a call; returns the refusing policy, if any: decide again.
        learn, release: learns each attempt; cancels the reservation of a call that is not made.
        clock, timer: seconds since the epoch, for pauses and budgets; monotonic seconds, for durations.
        observers: receive decisions and attempts.
        cache: response cache; None: every request is a call.
        on_broken: what to do when a reply breaks off after part of it was shown.
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
    on_broken: OnBroken = "raise"

    def settle(self, attempt: Attempt) -> None:
        """Let the policies learn from an attempt, and notify observers even if a policy fails. Policies do not learn from cached answers."""
        try:
            if attempt.call.stored is None:
                if blocks.get():
                    count(attempt)
                self.learn(attempt)
            if self.cache is not None and not attempt.call.continued:  # a partial answer is never stored
                self.cache.learn(attempt)
        finally:
            if self.observers.settled:
                tell(self.observers.settled, attempt)


def attempted(call: Call, context: FlowContext) -> Steps[Attempt]:
    """Make a call. The attempt is not learned yet if it may still be judged."""
    started, begun = context.clock(), context.timer()
    try:
        reply = yield call
    except TargetError as error:
        cost = None if error.broken is None else prompt_cost(call, started)
        return Attempt(call, started, context.clock(), error=error, cost=cost, latency=context.timer() - begun)
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


def settle_all(attempts: Sequence[Attempt], context: FlowContext) -> None:
    """Settle each of them."""
    for attempt in attempts:
        context.settle(attempt)
