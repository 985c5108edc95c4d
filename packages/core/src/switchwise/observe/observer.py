"""The observer protocol of a router, for journals, framework events, traces and metrics.

| verb | when | its argument |
|---|---|---|
| `decided` | a target is chosen for the caller's request, before its call | `Call` |
| `started` | a call is sent: the request, or a question of a policy or verifier | `Call` |
| `settled` | a call has ended: an answer and its verdict, a failure, or abandoned | `Attempt` |
| `finished` | the step has ended | `Finished` |
| `event` | other events: a circuit opened, a budget is low, a gate rejected work | `Event` |

Rules:
1. Every method is optional. They are looked up when the router is built; a method that no observer has costs nothing.
2. The methods of one step are called in this order, `decided`, `started` and `settled` once per attempt. `call.view.decision` is its id.
3. An observer runs in the thread of the call: move slow work to another thread. Its arguments are frozen.
4. An exception of an observer is logged to `switchwise.observe`; the call and the other observers continue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import View


class EventKind(StrEnum):
    """Kind of an `Event`."""

    CIRCUIT_OPENED = "circuit_opened"
    CIRCUIT_CLOSED = "circuit_closed"
    BUDGET_ALERT = "budget_alert"
    BUDGET_EXHAUSTED = "budget_exhausted"
    ESCALATED = "escalated"
    GATE_ACCEPTED = "gate_accepted"
    GATE_REJECTED = "gate_rejected"
    GATE_UNJUDGED = "gate_unjudged"
    BUDGET_CHARGED = "budget_charged"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Event:
    """An event other than a call.

    Parameters:
        kind: kind of the event.
        name: its subject: the circuit, the budget, the target.
        because: description in words.
        time: seconds on the router's clock; None: now.
        decision: decision id of its step; empty: none.
        details: numbers and names, as JSON types; see docs/guide/observability.md for those of each kind.
    """

    kind: EventKind
    name: str
    because: str = ""
    time: float | None = None
    decision: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """End of a step. Without `outcome` and `error`, the caller abandoned it.

    Parameters:
        view: the request at the start of the step.
        seconds: duration on the router's timer, including waits and pauses of the reader.
        outcome: the result, if there is one.
        error: the exception, if it failed.
    """

    view: View
    seconds: float
    outcome: Outcome | None = None
    error: BaseException | None = None

    @property
    def decision(self) -> str:
        """The decision id."""
        return self.view.decision

    @property
    def result(self) -> str:
        """`accepted`, `rejected` (all replies; the best is returned), `failed` or `abandoned`."""
        if self.outcome is not None:
            return "accepted" if self.outcome.accepted else "rejected"
        return "failed" if self.error is not None else "abandoned"

    @property
    def usage(self) -> Usage | None:
        """Usage of the answer; None if unknown."""
        return self.outcome.reply.usage if self.outcome is not None else None

    @property
    def cost(self) -> float | None:
        """Cost of all attempts in USD; None if unknown."""
        return self.outcome.cost if self.outcome is not None else None


class Observer:
    """Base class of observers: override some methods. Any object with some of these methods is an observer too.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Script
    >>> class Printer(Observer):
    ...     def decided(self, call):
    ...         print("to", call.target.name)
    ...     def finished(self, finished):
    ...         print(finished.result, finished.cost)
    >>> router = Router(Pool([Target("opus")]), observers=[Printer()])
    >>> _ = list(drive(router.start(View()), Script(opus="Yes.").perform))
    to opus
    accepted None
    """

    def decided(self, call: Call) -> None:
        """Called when a target is chosen for the caller's request."""

    def started(self, call: Call) -> None:
        """Called when a call is sent."""

    def settled(self, attempt: Attempt) -> None:
        """Called when a call has ended."""

    def finished(self, finished: Finished) -> None:
        """Called when the step has ended."""

    def event(self, event: Event) -> None:
        """Called for other events."""


Observes = Observer | Callable[[Attempt], object]
"""An element of `observers=`: an object with some of the methods, or a function that is called with each settled attempt."""
VERBS = ("decided", "started", "settled", "finished", "event")


class Observers:
    """The observers of a router by method: each a tuple of functions, called by `tell`.

    Parameters:
        observers: in the order in which they are called.

    Raises:
        ConfigurationError: an observer has none of the methods and is not callable; the message names it.
    """

    __slots__ = ("decided", "event", "finished", "settled", "started")
    decided: tuple[Callable[[Call], object], ...]
    started: tuple[Callable[[Call], object], ...]
    settled: tuple[Callable[[Attempt], object], ...]
    finished: tuple[Callable[[Finished], object], ...]
    event: tuple[Callable[[Event], object], ...]

    def __init__(self, observers: Iterable[object] = ()) -> None:
        found: dict[str, list[Any]] = {verb: [] for verb in VERBS}
        for observer in observers:
            verbs = [verb for verb in VERBS if _has(observer, verb)]
            if isinstance(observer, type) or not (verbs or isinstance(observer, Observer) or callable(observer)):
                raise ConfigurationError(
                    f"observers= holds {observer!r:.80}: give objects with some of the methods {', '.join(VERBS)}, "
                    "such as JsonLines('journal.jsonl'), or functions of an Attempt"
                )
            for verb in verbs:
                found[verb].append(getattr(observer, verb))
            if not verbs and not isinstance(observer, Observer):
                found["settled"].append(observer)
        for verb, hearers in found.items():
            setattr(self, verb, tuple(hearers))

    def with_further(self, more: Iterable[object]) -> Observers:
        """Return these observers and further ones."""
        both, further = Observers(), Observers(more)
        for verb in VERBS:
            setattr(both, verb, (*getattr(self, verb), *getattr(further, verb)))
        return both


def _has(observer: object, verb: str) -> bool:
    """Return whether the observer implements the method, other than in the base class."""
    method = getattr(observer, verb, None)
    return callable(method) and getattr(method, "__func__", None) is not getattr(Observer, verb)


def tell(hearers: Iterable[Callable[[Any], object]], what: Any) -> None:
    """Call each function with `what`; an exception is logged, and the next one is called."""
    for hear in hearers:
        try:
            hear(what)
        except Exception:  # a full disk or a collector that is down must not cost an answer that is paid for
            import logging  # imported only where there is something to report

            logging.getLogger("switchwise.observe").exception("the observer %r failed; the call goes on without it", hear)


NOBODY = Observers()


class Channel:
    """Receivers of a policy's or gate's events: the routers that use it."""

    __slots__ = ("_hearers",)

    def __init__(self) -> None:
        self._hearers: tuple[Callable[[Event], object], ...] = ()

    @property
    def heard(self) -> bool:
        """Whether there is a receiver, so that an event is worth creating."""
        return bool(self._hearers)

    def add(self, hear: Callable[[Event], object]) -> None:
        """Add a receiver; adding it twice has no effect."""
        if hear not in self._hearers:
            self._hearers = (*self._hearers, hear)

    def send(self, event: Event) -> None:
        """Call every receiver."""
        for hear in self._hearers:
            hear(event)
