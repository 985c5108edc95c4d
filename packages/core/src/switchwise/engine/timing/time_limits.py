"""Cuts a call short that takes too long: to its first token, between tokens, or as a whole, the deadline of its scope included.

Rules:
1. A call without limits is made as if this module were not there.
2. What counts as a token is for the adapter to say, by `tokens_came()`: a server that only keeps its stream alive sends none. That a call
   streams at all it says by `streaming()`; a whole answer has no limit but the total one.
3. Between tokens counts only while somebody waits for the next one: a reader who takes his time is not the target's fault.
4. Asynchronously the call is cancelled where it awaits, which closes its connection.
5. A blocking call cannot be cancelled: `switchwise.engine.timing.blocking_calls` says what is done with it.
6. A failure after tokens came is soft: the target is slow, not dead. One by a limit of the caller's own is his own doing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, NoReturn

from switchwise.nouns.call import Call
from switchwise.nouns.errors import FailureKind, TargetError


class Allowance(NamedTuple):
    """The limits of one call, in seconds.

    Parameters:
        first, between, total: as in `Limits`; `total` includes the deadline.
        own: those of them that came with the call, not with its target.
    """

    first: float | None
    between: float | None
    total: float | None
    own: frozenset[str]


def allowance(call: Call, clock: Callable[[], float]) -> Allowance | None:
    """The limits of a call that is made now; None: it has none.

    Parameters:
        call: about to be made.
        clock: the router's, on which the deadline of its scope is.
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
    return Allowance(first, between, total, frozenset(own))


class Watch:
    """The time of one call under way.

    Parameters:
        allowed: its limits.
    """

    def __init__(self, allowed: Allowance) -> None:
        self._allowed = allowed
        self._begun = self._since = time.monotonic()
        self._streams = self._any = False
        self.moved: Callable[[float], object] | None = None
        """Is told the seconds that are left, whenever a token gives more of them."""

    def stream(self) -> None:
        """The call streams."""
        self._streams = True
        self._tell()

    def token(self) -> None:
        """A token has come."""
        self._streams = self._any = True
        self._since = time.monotonic()
        self._tell()

    def wait(self) -> float | None:
        """Somebody begins to wait for the next item: the seconds that are left for it; None: no limit."""
        if self._any:
            self._since = time.monotonic()
        return self.left

    @property
    def left(self) -> float | None:
        """Seconds until the call is over a limit."""
        return min(self._ends.values(), default=None)

    @property
    def failure(self) -> TargetError:
        """What a call that is over a limit fails with."""
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
        """The call is over a limit.

        Raises:
            TargetError: which one.
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


WATCH: ContextVar[Watch | None] = ContextVar("switchwise_watch", default=None)


def streaming() -> None:
    """For adapters: the call that is being made streams its answer."""
    if (watch := WATCH.get()) is not None:
        watch.stream()


def tokens_came() -> None:
    """For adapters: a piece of the answer has come, shown or not."""
    if (watch := WATCH.get()) is not None:
        watch.token()


async def abounded(make: Callable[[], AsyncIterator[Any]], allowed: Allowance) -> AsyncIterator[Any]:
    """As `bounded`, asynchronously; needs asyncio."""
    import asyncio  # a quarter of what importing switchwise would cost, and known to whoever runs a loop

    watch = Watch(allowed)
    if allowed.total is not None and allowed.total <= 0:
        watch.over()
    items, clock = make(), asyncio.get_running_loop().time
    try:
        while True:
            token, scope = WATCH.set(watch), asyncio.timeout(watch.wait())

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
                WATCH.reset(token)
            yield item
    finally:
        if (close := getattr(items, "aclose", None)) is not None:
            await close()
