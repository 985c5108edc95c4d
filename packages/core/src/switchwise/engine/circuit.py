"""One circuit breaker: closed, open, half-open with one probe at a time. Plain state without a lock; `Healthy` keeps many.

Rules:
1. With traffic, the share of recent calls that failed decides. With fewer recent calls than `minimum` there is no share to go by, and one
   failure is enough: an agent alone makes a call every few seconds, and each further failure costs it a wait.
2. A pause that the provider asks for opens the circuit at once, for as long as it asks.
3. Each further opening without a reply in between doubles the pause. A time-out pauses at least as long as the call took.
4. A call that began before the circuit last changed is ignored: calls that fail together are one opening, a slow reply from before the
   outage does not end it, and a slow failure from the outage does not begin it again. A failure during the pause (as the last resort) is
   not another opening either.
5. After every pause one call may try. Its reply closes the circuit.
6. While a circuit is closed, a reply is one more entry of `recent` and nothing else (`Healthy.learn` adds it); entries that are too old are
   dropped before a share is counted.

Source: M. Nygard, "Release It!" (2007); a count-based window that also forgets by age, as in Resilience4j and Polly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from switchwise.engine.recovery import TABLE
from switchwise.nouns.errors import FailureKind

State = Literal["closed", "open", "half-open"]
LONGEST_ASKED = 86_400.0
"""Longest accepted pause requested by a provider in seconds: a circuit is probed at least once a day."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds and pauses of a circuit; see `Healthy` for their meaning."""

    share: float
    minimum: int
    window: float
    calls: int
    longest: float
    lasting: float
    longest_lasting: float
    pauses: dict[FailureKind, float]


@dataclass(frozen=True, slots=True)
class CircuitState:
    """State of a circuit.

    Parameters:
        state: `closed`: calls are made. `open`: no calls before `until`, unless nothing else is left. `half-open`: the pause is over, and
            one call at a time tries.
        kind: the failure that opened it; None: closed.
        openings: number of openings since the last reply.
        since: time of the last opening, on the router's clock.
        until: end of the pause.
        calls, failed: number of recent calls, and of failures among them.
    """

    state: State
    kind: FailureKind | None = None
    openings: int = 0
    since: float = 0.0
    until: float = 0.0
    calls: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class CallEnd:
    """End of a call, as evidence of the target's health. Times are on the router's clock.

    Parameters:
        started, ended: start and end of the call.
        failure: kind of failure; None: it gave a reply.
        retry_after: seconds that the provider asks to wait.
        soft: tokens arrived, but too slowly: it counts in the share, and never opens a circuit alone.
    """

    started: float
    ended: float
    failure: FailureKind | None = None
    retry_after: float | None = None
    soft: bool = False


@dataclass(slots=True)
class Circuit:
    """The breaker of one target, or of one account.

    Parameters:
        recent: end of each of the last calls, and whether it failed.
    """

    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    kind: FailureKind | None = None
    openings: int = 0
    since: float = -inf
    until: float = -inf

    def take(self, end: CallEnd, limits: Thresholds) -> bool:
        """Learn the end of a call; True if the circuit opened, opened again, or closed."""
        failed = end.failure is not None
        if end.started < self.since or (failed and self.kind is not None and end.started < self.until):
            return self._lengthen(end)
        self.recent.append((end.ended, failed))
        self._forget(limits)
        if end.failure is None or end.soft:
            if self.kind is not None and not failed:
                self.become(None, end.ended)
                return True
            if not failed or len(self.recent) < limits.minimum:
                return False
        if self.kind is None and end.retry_after is None and not self._too_many(limits):
            return False
        assert end.failure is not None
        self._open(end, end.failure, limits)
        return True

    def shown(self, now: float, limits: Thresholds) -> CircuitState:
        """The state at a time."""
        self._forget(limits)
        state: State = "closed" if self.kind is None else "open" if now < self.until else "half-open"
        failed = sum(failed for _, failed in self.recent)
        return CircuitState(state, self.kind, self.openings, self.since, self.until, len(self.recent), failed)

    @property
    def row(self) -> list[Any] | None:
        """Kind, openings, since and until as JSON data; None if it is closed."""
        return None if self.kind is None else [self.kind.value, self.openings, self.since, self.until]

    def become(self, row: list[Any] | None, now: float) -> None:
        """Take over a `row`; None: close."""
        if row is None:
            self.recent.clear()
            self.kind, self.openings, self.since, self.until = None, 0, now, now
        else:
            self.kind, self.openings, self.since, self.until = FailureKind(row[0]), row[1], row[2], row[3]

    def _forget(self, limits: Thresholds) -> None:
        """Drop what is not recent by the time of the last call."""
        recent = self.recent
        while len(recent) > limits.calls or (recent and recent[0][0] <= recent[-1][0] - limits.window):
            recent.popleft()

    def _too_many(self, limits: Thresholds) -> bool:
        calls = len(self.recent)
        return calls < limits.minimum or sum(failed for _, failed in self.recent) >= limits.share * calls

    def _open(self, end: CallEnd, kind: FailureKind, limits: Thresholds) -> None:
        lasting = TABLE[kind].lasting
        longest = limits.longest_lasting if lasting else limits.longest
        forgotten = self.kind is None or end.started > self.until + longest
        self.openings = 1 if forgotten else self.openings + 1
        took = end.ended - end.started if kind is FailureKind.TIMEOUT else 0.0
        asked = None if end.retry_after is None else min(max(end.retry_after, 0.0), LONGEST_ASKED)
        own = limits.pauses.get(kind, limits.lasting if lasting else TABLE[kind].cool or 0.0)
        first = asked if asked is not None else max(own, took)
        doubled = min(first * 2.0 ** min(self.openings - 1, 64), longest)
        self.kind, self.since = kind, end.ended
        self.until = end.ended + max(doubled, asked or 0.0, took)

    def _lengthen(self, end: CallEnd) -> bool:
        """Handle a call from before the last change, or during the pause: it can only lengthen the pause."""
        if self.kind is not None and end.failure is not None and end.retry_after is not None:
            self.until = max(self.until, end.ended + min(max(end.retry_after, 0.0), LONGEST_ASKED))
        return False
