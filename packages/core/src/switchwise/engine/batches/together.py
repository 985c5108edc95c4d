"""Several live calls at once: which calls, when the batch ends, and how each is settled. `route` chooses the answer.

Rules:
1. Only the flow decides what is live; the driver starts new calls, cancels removed ones, and reports the first event.
2. A call is reserved for before it is begun, and settled when it ends: answered, failed or cancelled. None is left open.
3. Once the first chunk decides, its call is chosen for good: the others are cancelled before anything of it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from switchwise.engine.policy import NotMade
from switchwise.nouns.call import Attempt, Call, CallEvent, Live
from switchwise.nouns.errors import Interrupted, TargetError
from switchwise.nouns.exchange.gather import Until, enough
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.fast_dataclass import maker
from switchwise.nouns.usage import Usage

_attempt = maker(Attempt)


def answered(call: Call, started: float, ended: float, reply: Reply, latency: float) -> Attempt:
    """The attempt of a call that was answered, with what it cost."""
    price, usage = (reply.maker or call.target).price, reply.usage
    cost = None if usage is None else usage.cost if price is None else price.cost(usage, started)
    return _attempt(call, started, ended, reply, cost=cost, latency=latency)


def prompt_cost(call: Call, started: float) -> float | None:
    """USD of the prompt of a call, the least that a reply without its end costs; None if the price is unknown."""
    price = call.target.price
    return None if price is None else price.cost(Usage(call.view.tokens, 0), started)


@dataclass(slots=True)
class Batch:
    """Calls that are live at once.

    Parameters:
        clock, timer: of the router.
        until: number of replies, or a predicate on them, that ends it; None: all.
        first: the first chunk that may be shown decides.
        after: seconds until `further` gives one more call; None: never.
        further: returns one more reserved call; None: no more.
        release: cancels the reservation of a call that is not made.
    """

    clock: Callable[[], float]
    timer: Callable[[], float]
    until: Until | None = None
    first: bool = False
    after: float | None = None
    further: Callable[[], Call | None] = lambda: None
    release: Callable[[Call], None] = lambda _: None
    made: list[Attempt] = field(default_factory=list)
    order: dict[int, int] = field(default_factory=dict)  # by id of the call, the place in which it was begun
    _open: dict[int, tuple[Call, float, float]] = field(default_factory=dict)  # with when it began, by clock and timer

    def run(self, calls: Sequence[Call]) -> Generator[Live, CallEvent | None, list[Attempt]]:
        """Make the calls; return every attempt in order of its end, cancelled ones last.

        Raises:
            Interrupted: the call that is shown broke off; `made` has all attempts then.
        """
        for call in calls:
            self._begin(call)
        chosen: Call | None = None
        due = None if self.after is None else self.timer() + self.after
        try:
            while self._open:
                wait = None if due is None else max(0.0, due - self.timer())
                event = yield Live(tuple([call for call, _, _ in self._open.values()]), wait, chosen, self.first)
                if event is None:
                    more = self.further()
                    due = None if more is None or self.after is None else self.timer() + self.after
                    if more is not None:
                        self._begin(more)
                elif event.what is None:
                    chosen, due = event.call, None
                    self._cancel(but=chosen)
                else:
                    self._take(event.call, event.what)
                    if enough(self.until, [attempt.reply for attempt in self.made if attempt.reply is not None]):
                        break
        except Interrupted as stop:
            broken = stop.__cause__
            assert chosen is not None, "what was shown was chosen"
            assert isinstance(broken, TargetError), "a run interrupts with the failure as the cause"
            self._take(chosen, broken)
            raise
        except NotMade:
            for call, _, _ in self._open.values():
                self.release(call)
            self._open.clear()
            raise
        finally:
            self._cancel()
        return self.made

    def _begin(self, call: Call) -> None:
        self.order[id(call)] = len(self.order)
        self._open[id(call)] = call, self.clock(), self.timer()

    def _take(self, call: Call, what: Reply | TargetError) -> None:
        _, started, begun = self._open.pop(id(call))
        latency = self.timer() - begun
        if isinstance(what, Reply):
            self.made.append(answered(call, started, self.clock(), what, latency))
        else:
            cost = None if what.broken is None else prompt_cost(call, started)
            self.made.append(Attempt(call, started, self.clock(), error=what, cost=cost, latency=latency))

    def _cancel(self, but: Call | None = None) -> None:
        """Settle the live calls as cancelled: their prompts are billed, and an unknown part of the answers."""
        for key, (call, started, begun) in [*self._open.items()]:
            if call is but:
                continue
            del self._open[key]
            cost, latency = prompt_cost(call, started), self.timer() - begun
            self.made.append(Attempt(call, started, self.clock(), abandoned=True, cost=cost, latency=latency))
