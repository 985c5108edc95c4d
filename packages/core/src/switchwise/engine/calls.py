"""One call of a flow: what all calls need, how one is made, and what follows when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from switchwise.engine.batches.together import answered, prompt_cost
from switchwise.engine.policy import Caches, NotMade, Policy, Reserves, Steps, Verifier
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import Interrupted, TargetError, failed_as
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.nouns.target import Pool
from switchwise.observe.observer import NOBODY, Observers, tell


@dataclass(frozen=True, slots=True)
class FlowContext:
    """Everything that a flow needs besides the view; set up once per router.

    Parameters:
        pool: all targets.
        policies: (name, policy) in order of importance. What the engine itself requires comes before them.
        recovery: what the attempts so far rule out, and how long to wait before a target is called again.
        verify: judges replies; None: every reply is accepted.
        reserve: sets aside what a call may use up; the policy that refuses, if one does: decide again.
        learn, release: takes in each attempt; gives back what was set aside for a call that is not made.
        clock, timer: seconds since the epoch, by which policies cool down and budgets run out; seconds by which calls are timed.
        observers: notified of decisions and attempts.
        cache: keeps whole answers; None: every request is a call.
        on_broken: what follows when a reply breaks off after part of it was shown.
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
        """Let the policies learn from it; the observers see it also where a policy fails to. An answer from the cache teaches nothing."""
        try:
            if attempt.call.stored is None:
                self.learn(attempt)
            if self.cache is not None and not attempt.call.continued:  # half an answer is never kept
                self.cache.learn(attempt)
        finally:
            if self.observers.settled:
                tell(self.observers.settled, attempt)


def attempted(call: Call, context: FlowContext) -> Steps[Attempt]:
    """Make a call. The attempt is not learned yet where it may still be judged."""
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
