"""Stop calls that take too long: to the first token, between tokens, or in total, including the deadline of the scope.

Rules:
1. A call without limits does not use this module.
2. The adapter reports tokens by `tokens_came()`: keep-alive data are not tokens. It reports a stream by `streaming()`; a whole answer has
   only the total limit.
3. The limit between tokens counts only while the reader waits: a slow reader is not the target's fault.
4. Asynchronously the call is cancelled where it awaits, which closes its connection.
5. A blocking call cannot be cancelled: see `switchwise.engine.timing.blocking_calls`.
6. A failure after the first token is soft: the target is slow, not dead. A failure by the caller's own limit is `own_doing`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, NoReturn

from switchwise.nouns.call import Call
from switchwise.nouns.errors import FailureKind, TargetError


class CallLimits(NamedTuple):
    """The limits of one call, in seconds.

    Parameters:
        first, between, total: as in `Limits`; `total` includes the deadline.
        own: the limits given with the call, not with its target.
    """

    first: float | None
    between: float | None
    total: float | None
    own: frozenset[str]


def call_limits(call: Call, clock: Callable[[], float]) -> CallLimits | None:
    """Limits of a call made now; None without limits.

    Parameters:
        call: about to be made.
        clock: the router's clock, for the deadline of the scope.
    """
    scope, theirs = call.view.scope, call.target.limits
    mine, deadline = scope.limits, scope.deadline
    if theirs is None and mine is None and deadline is None:
        return None
    limits = mine.over(theirs) if mine is not None else theirs
    first, between, total = (None, None, None) if limits is None else (limits.first, limits.between, limits.total)
    own = {name for name in ("first", "between", "total") if getattr(mine, name, None) is not None}
    if deadline is not None and (total is None or deadline - clock() < total):
        total = deadline - clock()
        own.add("total")
    return CallLimits(first, between, total, frozenset(own))


class CallTimer:
    """Timer of one call under way.

    Parameters:
        allowed: its limits.
    """

    def __init__(self, allowed: CallLimits) -> None:
        self._allowed = allowed
        self._begun = self._since = time.monotonic()
        self._streams = self._any = False
        self.moved: Callable[[float], object] | None = None
        """Called with the remaining seconds whenever a token extends them."""

    def stream(self) -> None:
        """Record that the call streams."""
        self._streams = True
        self._tell()

    def token(self) -> None:
        """Record a token."""
        self._streams = self._any = True
        self._since = time.monotonic()
        self._tell()

    def wait(self) -> float | None:
        """Start waiting for the next item; return the remaining seconds, None without a limit."""
        if self._any:
            self._since = time.monotonic()
        return self.left

    @property
    def left(self) -> float | None:
        """Seconds until the call exceeds a limit."""
        return min(self._ends.values(), default=None)

    @property
    def failure(self) -> TargetError:
        """The failure of a call that exceeds a limit."""
        name = min(self._ends.items(), key=lambda end: end[1])[0]
        seconds = getattr(self._allowed, name)
        messages = {
            "first": f"no token within {seconds:g} s",
            "between": f"no further token within {seconds:g} s",
            "total": f"no end within {max(seconds, 0.0):.3g} s",
        }
        error = TargetError(FailureKind.TIMEOUT, messages[name])
        error.own_doing = name in self._allowed.own
        error.soft = self._any or error.own_doing
        return error

    def over(self) -> NoReturn:
        """Raise the failure of a call that exceeds a limit.

        Raises:
            TargetError: names the limit.
        """
        error = self.failure
        raise error from TimeoutError(str(error))

    @property
    def _ends(self) -> dict[str, float]:
        now, allowed = time.monotonic(), self._allowed
        ends = {}
        if allowed.total is not None:
            ends["total"] = self._begun + allowed.total - now
        if self._any and allowed.between is not None:
            ends["between"] = self._since + allowed.between - now
        if self._streams and not self._any and allowed.first is not None:
            ends["first"] = self._begun + allowed.first - now
        return ends

    def _tell(self) -> None:
        if self.moved is not None and (left := self.left) is not None:
            self.moved(left)


CALL_TIMER: ContextVar[CallTimer | None] = ContextVar("switchwise_call_timer", default=None)


def streaming() -> None:
    """For adapters: report that the current call streams its answer."""
    if (watch := CALL_TIMER.get()) is not None:
        watch.stream()


def tokens_came() -> None:
    """For adapters: report a piece of the answer, shown or not."""
    if (watch := CALL_TIMER.get()) is not None:
        watch.token()


async def abounded(make: Callable[[], AsyncIterator[Any]], allowed: CallLimits) -> AsyncIterator[Any]:
    """As `bounded`, asynchronously; needs asyncio."""
    import asyncio  # a quarter of the import time of switchwise; loaded already if a loop runs

    watch = CallTimer(allowed)
    if allowed.total is not None and allowed.total <= 0:
        watch.over()
    items, clock = make(), asyncio.get_running_loop().time
    try:
        while True:
            token, scope = CALL_TIMER.set(watch), asyncio.timeout(watch.wait())

            def moved(left: float, scope: Any = scope) -> None:
                with suppress(RuntimeError):  # it is not entered yet, or expires at this moment
                    scope.reschedule(clock() + left)

            watch.moved = moved
            try:
                async with scope:
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not scope.expired():
                    raise
                watch.over()
            finally:
                watch.moved = None
                CALL_TIMER.reset(token)
            yield item
    finally:
        if (close := getattr(items, "aclose", None)) is not None:
            await close()
