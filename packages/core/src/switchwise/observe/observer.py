"""One protocol for everybody who watches a router: journals, framework events, traces, metrics.

| verb | when | its argument |
|---|---|---|
| `decided` | a target was chosen for the caller's request, before it is called | `Call` |
| `started` | a call goes out: the request, or a question of a policy or verifier | `Call` |
| `settled` | a call is over: an answer and its verdict, a failure, or abandoned | `Attempt` |
| `finished` | the step is over | `Finished` |
| `event` | anything else worth knowing: a circuit opened, a budget ran low, a gate sent work back | `Event` |

Rules:
1. Every verb is optional. Which ones an observer has is looked up when the router is built; a verb that nobody has costs nothing.
2. The verbs of one step come in this order, `decided`, `started` and `settled` once for each attempt. `call.view.decision` is its id.
3. An observer runs in the thread of the call: hand slow work to another one. It changes nothing: what it gets is frozen.
4. One that raises costs no answer: the log `switchwise.observe` has one line, and the next observer is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import View

_log = logging.getLogger("switchwise.observe")


class EventKind(StrEnum):
    """What an `Event` says."""

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
    """Something worth knowing that is not a call.

    Parameters:
        kind: what happened.
        name: to whom: the circuit, the budget, the target.
        because: in words.
        time: when, on the router's clock, in seconds; None: now.
        decision: id of the step that it belongs to; empty: none.
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
    """How a step ended. Neither `outcome` nor `error`: the caller went away before the end.

    Parameters:
        view: the request as it was when the step began.
        seconds: that it took, on the router's timer, waits and pauses of the reader included.
        outcome: the result, if there is one.
        error: what was raised, if it failed.
    """

    view: View
    seconds: float
    outcome: Outcome | None = None
    error: BaseException | None = None

    @property
    def decision(self) -> str:
        """The id of the step."""
        return self.view.decision

    @property
    def result(self) -> str:
        """`accepted`, `rejected` (every reply was, and the best of them is returned), `failed` or `abandoned`."""
        if self.outcome is not None:
            return "accepted" if self.outcome.accepted else "rejected"
        return "failed" if self.error is not None else "abandoned"

    @property
    def usage(self) -> Usage | None:
        """Of the answer; None: there is none, or it is unknown."""
        return self.outcome.reply.usage if self.outcome is not None else None

    @property
    def cost(self) -> float | None:
        """USD of all attempts; None: unknown."""
        return self.outcome.cost if self.outcome is not None else None


class Observer:
    """A base class: override what you want to know. Any object with some of these methods will do as well.

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
        """A target was chosen for the caller's request."""

    def started(self, call: Call) -> None:
        """A call goes out."""

    def settled(self, attempt: Attempt) -> None:
        """A call is over."""

    def finished(self, finished: Finished) -> None:
        """The step is over."""

    def event(self, event: Event) -> None:
        """Something else happened."""


Observes = Observer | Callable[[Attempt], object]
"""What may stand in `observers=`: an object with some of the verbs, or a function that is called with each settled attempt."""
VERBS = ("decided", "started", "settled", "finished", "event")


class Observers:
    """The observers of a router, by verb. Each verb is a tuple of functions, empty where nobody has it; `tell` calls them.

    Parameters:
        observers: in the order in which they are called.

    Raises:
        ConfigurationError: one of them has no verb and cannot be called; the message names it.
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
        """These, and further ones after them."""
        both, further = Observers(), Observers(more)
        for verb in VERBS:
            setattr(both, verb, (*getattr(self, verb), *getattr(further, verb)))
        return both


def _has(observer: object, verb: str) -> bool:
    """Whether it has the verb, and not only from the base class, where it does nothing."""
    method = getattr(observer, verb, None)
    return callable(method) and getattr(method, "__func__", None) is not getattr(Observer, verb)


def tell(hearers: Iterable[Callable[[Any], object]], what: Any) -> None:
    """Call each of them with `what`; one that raises is logged, and the next one is called."""
    for hear in hearers:
        try:
            hear(what)
        except Exception:  # noqa: BLE001  (a full disk or a collector that is down must not cost an answer that is paid for)
            _log.exception("the observer %r failed; the call goes on without it", hear)


NOBODY = Observers()


class Channel:
    """Whom a policy or gate sends its events to: the routers that it is part of."""

    __slots__ = ("_hearers",)

    def __init__(self) -> None:
        self._hearers: tuple[Callable[[Event], object], ...] = ()

    @property
    def heard(self) -> bool:
        """Whether anyone listens, so that an event is worth making."""
        return bool(self._hearers)

    def add(self, hear: Callable[[Event], object]) -> None:
        """From now on `hear` is called with each event; adding it twice changes nothing."""
        if hear not in self._hearers:
            self._hearers = (*self._hearers, hear)

    def send(self, event: Event) -> None:
        """Call everybody."""
        for hear in self._hearers:
            hear(event)
