"""Recovery from failures: one table, read by a requirement. No failure has a branch in the engine.

A failed attempt rules out part of the pool for the rest of the request; a rejected one rules out its target. After a transient failure
the target stays as the last resort: it is called once more, after a pause, if nothing else is left.

Source of the rows: the providers' documented and recorded errors, as listed in docs/design/failures.md.
"""

from __future__ import annotations

from enum import Enum

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.errors import FailureKind as Kind
from switchwise.nouns.exchange.tried import Tried
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View

_TWICE = "it was called twice for this request"


class Reach(Enum):
    """The part of the pool that a failure rules out for the rest of the request."""

    TARGET = "this target"
    MODEL = "this model at this account, under whatever name, and at its other keys"
    ACCOUNT = "every target of this account"
    NO_LARGER = "every target with no larger window"
    SERVER = "every target of this server"
    ALL = "every target: the request itself is at fault"


@dataclass(frozen=True, slots=True)
class Remedy:
    """A row of the table.

    Parameters:
        rules_out: ruled out part of the pool.
        passes: the failure may be transient, so the same target may be called once more as the last resort.
        cool: first pause of `Healthy` in seconds; None: it does not affect health.
        lasting: the failure is permanent until it is corrected: logged as such, with longer pauses.
        once: the request may be at fault: one target outside `rules_out` may be tried as a second opinion, and no further one.
    """

    rules_out: Reach
    passes: bool = False
    cool: float | None = None
    lasting: bool = False
    once: bool = False


TABLE: dict[Kind, Remedy] = {
    Kind.RATE_LIMIT: Remedy(Reach.TARGET, passes=True, cool=5.0),
    Kind.OVERLOADED: Remedy(Reach.TARGET, passes=True, cool=5.0),
    Kind.TIMEOUT: Remedy(Reach.TARGET, cool=2.0),
    Kind.CONNECTION: Remedy(Reach.TARGET, passes=True, cool=2.0),
    Kind.SERVER_ERROR: Remedy(Reach.TARGET, passes=True, cool=2.0),
    Kind.TOO_LARGE: Remedy(Reach.TARGET),
    Kind.CONTEXT_OVERFLOW: Remedy(Reach.NO_LARGER),
    Kind.REFUSED: Remedy(Reach.MODEL),
    Kind.AUTHENTICATION: Remedy(Reach.ACCOUNT, cool=60.0, lasting=True),
    Kind.QUOTA: Remedy(Reach.ACCOUNT, cool=60.0, lasting=True),
    Kind.NOT_FOUND: Remedy(Reach.TARGET, cool=60.0, lasting=True),
    Kind.UNSUPPORTED: Remedy(Reach.TARGET),
    Kind.STATE_LOST: Remedy(Reach.SERVER),
    Kind.NOT_ACCEPTED: Remedy(Reach.SERVER, once=True),
    Kind.BAD_REQUEST: Remedy(Reach.ALL),
}


class Recovery:
    """First requirement of every chain: rule out targets by the attempts so far.

    After the deadline of a call's scope no other target is tried, and pauses beyond it are not waited for. If all remaining targets had
    transient failures, the one whose pause ends first is called once more.

    Parameters:
        patience: longest pause in seconds before a target is called once more as the last resort, for calls without a deadline; others
            wait within their deadline. 0: no target is called twice.
        pause: pause in seconds if the provider gives none.
        second_opinion: after a refusal that may be specific to the provider (an extra field, a dialect of schemas, a limit), try one
            target of another server. False: the first refusal counts.

    Raises:
        ConfigurationError: a parameter is out of range.
    """

    name = "Recovery"
    requires = True

    def __init__(self, patience: float = 30.0, pause: float = 0.25, *, second_opinion: bool = True) -> None:
        number("Recovery", "patience", patience)
        number("Recovery", "pause", pause)
        if not isinstance(second_opinion, bool):
            raise ConfigurationError(f"Recovery(second_opinion={second_opinion!r}): give True or False")
        self.patience = patience
        self.pause = pause
        self.second_opinion = second_opinion

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if not view.attempts:
            return shortlist
        deadline = view.scope.deadline
        if deadline is not None and view.now >= deadline:
            return shortlist.require(lambda _: False, "the deadline has passed")
        for attempt in view.attempts:
            shortlist = self._after(attempt, view, shortlist)
        failed = {attempt.target.name: attempt.kind for attempt in view.attempts if attempt.kind is not None}
        again = [target for target in shortlist.targets if target.name in failed]
        if not again:
            return shortlist
        retried = ", ".join(f"{target.name} ({failed[target.name]})" for target in again)
        waits = {target.name: 1.0 + self.delay(target, view) for target in again}
        return shortlist.order(
            lambda target: waits.get(target.name, 0.0), f"what failed for this request comes last: {retried}"
        )

    def _after(self, attempt: Tried, view: View, shortlist: Shortlist) -> Shortlist:
        failed, kind = attempt.target, attempt.kind
        if kind is None and attempt.reply is None:  # cancelled: another call was chosen
            return shortlist if self._calls(failed, view) == 1 else shortlist.require(lambda t: t.name != failed.name, _TWICE)
        if kind is None:
            because = attempt.verdict.because if attempt.verdict else ""
            return shortlist.require(lambda t: t.base != failed.base, f"its reply was rejected: {because}")
        if self._again(failed, view):
            return shortlist
        because = f"{failed.name} failed with {kind.value}"
        if TABLE[kind].once and (not self.second_opinion or sum(other.kind is kind for other in view.attempts) > 1):
            return shortlist.require(lambda _: False, f"{because}: the request itself is at fault")
        reach = TABLE[kind].rules_out
        return shortlist.require(lambda t: not _reached(reach, failed, t), because)

    def _again(self, target: Target, view: View) -> bool:
        kind = next((attempt.kind for attempt in view.attempts if attempt.target.name == target.name and attempt.kind), None)
        if kind is None or not TABLE[kind].passes or self.patience == 0 or self._calls(target, view) > 1:
            return False
        delay, deadline = self.delay(target, view), view.scope.deadline
        return delay <= self.patience if deadline is None else view.now + delay < deadline

    @staticmethod
    def _calls(target: Target, view: View) -> int:
        return sum(attempt.target.name == target.name for attempt in view.attempts)

    def delay(self, target: Target, view: View) -> float:
        """Seconds to wait before calling `target`: 0 if it has not failed for this request.

        The rest of the pause requested by the provider, or of our own, randomised between half and the whole.
        """
        for attempt in reversed(view.attempts):
            if attempt.error and attempt.target.name == target.name:
                asked = attempt.error.retry_after
                if asked is not None:
                    since = view.now - attempt.ended if attempt is not view.attempts[-1] else 0.0
                    return max(0.0, asked - since)
                return self.pause * (0.5 + (view.seed & 0xFFFF) / 0x1FFFF)
        return 0.0


def _reached(reach: Reach, failed: Target, target: Target) -> bool:
    if reach is Reach.ALL or target.name == failed.name:
        return True
    if reach is Reach.SERVER:
        return failed.served_with(target)
    if reach is Reach.ACCOUNT or reach is Reach.MODEL:
        if reach is Reach.MODEL and target.base == failed.base:
            return True
        same = bool(failed.payer) and target.payer == failed.payer
        return same and (reach is Reach.ACCOUNT or (bool(failed.model) and target.model == failed.model))
    if reach is Reach.NO_LARGER:
        return failed.can.window is not None and target.can.window is not None and target.can.window <= failed.can.window
    return False
