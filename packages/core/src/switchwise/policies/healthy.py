"""Keep away from targets that have just failed, and come back to them in good time.

Use it in every chain: without it, each step pays again for finding out that a provider is down. It sees failures, not
slowness. Nothing is stranded by it: when everything is cooling down, it only says who recovers soonest.

Source: the circuit breaker (M. Nygard, "Release It!", 2007) with exponential back-off; the seconds and the reach of
each kind of failure are the rows of `switchwise.engine.recovery.TABLE`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from switchwise.engine.recovery import TABLE, Reach
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import FailureKind
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View

_log = logging.getLogger("switchwise.healthy")


@dataclass(frozen=True, slots=True)
class Ailment:
    """Why a target or provider is kept out; None in its place: it is healthy.

    Parameters:
        kind: how it failed last.
        failures: failures in a row that count.
        since: when the last of them ended.
        until: when it may be called again; infinite: when somebody mends it.
    """

    kind: FailureKind
    failures: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Event:
    """What a call says about the health of whom it went to. Times are on the router's clock.

    Parameters:
        started, ended: when it was made and when it was over.
        failure: how it failed; None: it gave a reply.
        retry_after: seconds that the provider asks to wait.
    """

    started: float
    ended: float
    failure: FailureKind | None = None
    retry_after: float | None = None


def after(state: Ailment | None, event: Event, longest: float, lasting: float) -> Ailment | None:
    """The state after `event`. A pure function: all of Healthy's judgement.

    A call that was already under way when the last counted failure came in is old news: a burst of calls that break
    together is one failure, not many, and a slow success from before the outage does not end it.

    Parameters:
        longest: seconds beyond which cool-downs are not doubled any further.
        lasting: seconds that a failure that will not pass by itself keeps its target out.
    """
    old = state is not None and event.started < state.since
    if event.failure is None:
        return state if old else None
    row = TABLE[event.failure]
    asked = max(event.retry_after or 0.0, 0.0)
    if row.lasting:
        if state is not None and TABLE[state.kind].lasting and event.started < state.until:
            return state
        return Ailment(event.failure, 1, event.ended, event.ended + max(lasting, asked))
    if row.cool is None or (state is not None and TABLE[state.kind].lasting and event.ended < state.until):
        return state
    if state is not None and old:
        return Ailment(state.kind, state.failures, state.since, max(state.until, event.ended + asked))
    forgotten = state is None or event.started > state.until + longest
    failures = 1 if state is None or forgotten else state.failures + 1
    first = asked if event.retry_after is not None else row.cool
    doubled = min(first * 2.0 ** min(failures - 1, 64), longest)
    return Ailment(event.failure, failures, event.ended, event.ended + max(doubled, asked))


class Healthy:
    """Rule out targets that are cooling down after failures.

    - A failure keeps its target out for the seconds in `recovery.TABLE`, or as long as the provider asks; each further
      failure doubles that, up to `longest`. A reply resets it.
    - After the cool-down the target is eligible again; one more failure doubles (a half-open breaker).
    - Authentication, quota and an unknown model do not pass by themselves: such a target or provider is out for
      `lasting` seconds, and the log `switchwise.healthy` says so, once.
    - Failures whose reach is the provider keep all its targets out.
    - When every target is cooling down, none is ruled out; they are ranked by who recovers soonest.

    Parameters:
        longest: longest cool-down in seconds, unless the provider asks for more.
        lasting: seconds for failures that last; None: until `mend` or a restart (they are not dumped).
        size: how many targets and providers can be out at once; beyond it, who recovers soonest is let in again.

    Raises:
        ConfigurationError: one of them is no number of seconds, or `size` is less than 1.

    >>> from switchwise import FailureKind, Pool, Router, Target, View, drive
    >>> from switchwise.testing import Clock, Fails, Script
    >>> clock, script = Clock(), Script(opus=Fails(FailureKind.OVERLOADED), haiku="hello")
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Healthy(), clock=clock)
    >>> _ = list(drive(router.start(View()), script.perform, sleep=clock.advance))
    >>> router.decide(View()).notes[0].because
    'cooling down: opus for 5 s more after overloaded'
    >>> clock.advance(5)
    >>> router.decide(View()).names
    ('opus', 'haiku')
    """

    name = "Healthy"
    requires = True

    def __init__(self, longest: float = 300.0, lasting: float | None = None, size: int = 1_000) -> None:
        number("Healthy", "longest", longest)
        if lasting is not None:
            number("Healthy", "lasting", lasting)
        whole("Healthy", "size", size)
        self.longest = longest
        self.lasting = inf if lasting is None else lasting
        self.size = size
        self._lock = threading.Lock()
        # Replaced, never changed: a decision reads it without the lock. Keys are target names, and providers after "@".
        self._ailing: Mapping[str, Ailment] = {}

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        ailing = self._ailing
        if not ailing:
            return shortlist
        now, waits = view.now, {}
        for target in shortlist.targets:
            if (ailment := _worst(ailing, target)) is not None and ailment.until > now:
                waits[target.name] = ailment
        if not waits:
            return shortlist
        if len(waits) < len(shortlist.targets):
            told = ", ".join(f"{name} {_told(ailment, now)}" for name, ailment in waits.items())
            return shortlist.require(lambda target: target.name not in waits, f"cooling down: {told}")

        def because(target: Target) -> str:
            return f"everything is cooling down; soonest back is {target.name} {_told(waits[target.name], now)}"

        return shortlist.order(lambda target: waits[target.name].until, because)

    def learn(self, attempt: Attempt) -> None:
        """Take in how the target did. An abandoned call, and a failure of the request's own, say nothing about it."""
        kind = attempt.kind
        if attempt.reply is None and (kind is None or not (TABLE[kind].lasting or TABLE[kind].cool is not None)):
            return
        if kind is None and not self._ailing:
            return
        asked = attempt.error.retry_after if attempt.error is not None else None
        event = Event(attempt.started, attempt.ended, kind, asked)
        target, provider = _keys(attempt.target)
        shared = kind is not None and TABLE[kind].rules_out is Reach.PROVIDER
        touched = {target, provider} if kind is None else {provider if shared else target}
        with self._lock:
            ailing = dict(self._ailing)
            for key in touched:
                before = ailing.pop(key, None)
                state = after(before, event, self.longest, self.lasting)
                if state is not None:
                    ailing[key] = state
                    if TABLE[state.kind].lasting and before is not state:
                        _say(key, attempt, self.lasting)
            while len(ailing) > self.size:
                del ailing[min(ailing, key=lambda key: ailing[key].until)]
            self._ailing = ailing

    def mend(self, name: str | None = None) -> None:
        """Let a target, or all targets of a provider, be called again at once; None: all.

        For whoever has put the key, the account or the model name right.
        """
        with self._lock:
            self._ailing = {} if name is None else {k: v for k, v in self._ailing.items() if k not in (name, f"@{name}")}

    def dump(self) -> Mapping[str, Any]:
        """Who is out, but for what lasts until a restart."""
        return {
            "ailing": [
                [key, ailment.kind.value, ailment.failures, ailment.since, ailment.until]
                for key, ailment in self._ailing.items()
                if ailment.until < inf
            ]
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave."""
        loaded = {key: Ailment(FailureKind(kind), n, since, until) for key, kind, n, since, until in state["ailing"]}
        with self._lock:
            self._ailing = {**self._ailing, **loaded}


def _keys(target: Target) -> tuple[str, str]:
    """What failures of the target, and of its whole provider, are kept under. Without a provider it stands for itself."""
    return target.name, f"@{target.provider}" if target.provider else target.name


def _worst(ailing: Mapping[str, Ailment], target: Target) -> Ailment | None:
    own, shared = (ailing.get(key) for key in _keys(target))
    if own is None or shared is None:
        return own or shared
    return own if own.until >= shared.until else shared


def _told(ailment: Ailment, now: float) -> str:
    if ailment.until == inf:
        return f"until it is mended, after {ailment.kind.value}"
    return f"for {ailment.until - now:,.0f} s more after {ailment.kind.value}"


def _say(key: str, attempt: Attempt, lasting: float) -> None:
    who = f"every target of provider {key[1:]!r}" if key.startswith("@") else f"target {key!r}"
    how_long = "until it is mended (Healthy.mend) or the process restarts" if lasting == inf else f"for {lasting:,.0f} s"
    _log.error("%s is out %s: %s (%s)", who, how_long, attempt.kind, attempt.error)
