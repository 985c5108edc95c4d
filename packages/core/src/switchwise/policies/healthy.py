"""Rule out targets that failed recently, and try them again after a pause.

Use it in every chain: without it, each step spends time on a provider that is down. Its place in the chain does not matter: it
never rules out the last target. Not for shifting load: see `Weighted`.

Source: the circuit breaker (M. Nygard, "Release It!", 2007), implemented in `switchwise.engine.circuit`;
`switchwise.engine.recovery.TABLE` gives the first pause and the reach of each kind of failure.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from switchwise.engine.circuit import CallEnd, Circuit, CircuitState, Thresholds
from switchwise.engine.recovery import TABLE, Reach
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import ConfigurationError, FailureKind
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.observe.observer import Channel, Event, EventKind
from switchwise.state.codec import mapping, rows
from switchwise.state.forking import rlock
from switchwise.state.store import Store, Table

_KINDS = frozenset(kind.value for kind in FailureKind)
_log = logging.getLogger("switchwise.healthy")
_PULL = 1.0  # seconds between two reads of other processes' circuits

Key = tuple[str, str]
"""Value of `per` (empty: shared by all), and the name of a target, or "@" and an account."""


class Healthy:
    """Rule out targets whose circuit is open; there is a circuit per target and per account.

    - closed: the target is called. The circuit opens when the failed share of recent calls reaches `share`, at the first
      failure if fewer than `minimum` calls are recent, or when the provider asks for a pause.
    - open: the target is not called for the seconds in `recovery.TABLE`, or as long as the provider asks; each further opening without a reply
      in between doubles the pause, up to `longest`. The first pause after a time-out is at least as long as the call took.
    - half-open: after the pause one call at a time tries the target; other calls use other targets meanwhile. A reply closes the circuit.
    - A wrong key, an empty account and an unknown model are lasting failures: their pauses are longer (`lasting`, doubled up to
      `longest_lasting`), but end too. A wrong key and an empty account open the circuit of the account, for all its targets.
    - If no target is left at the end of the chain, the one whose pause ends first is called.
    - In a router with a store, processes share circuits: an opening or closing in one reaches the others within a second of use.
    - Every opening and closing logs one warning to `switchwise.healthy` and sends one event to the observers.

    Parameters:
        share: failed share of the recent calls that opens a circuit, above 0 and up to 1.
        minimum: recent calls needed for the share to decide.
        window: seconds for which a call counts as recent.
        calls: most calls that count as recent.
        longest: longest pause in seconds, unless the provider asks for more.
        lasting: first pause in seconds after a lasting failure, in place of the table's.
        longest_lasting: longest pause in seconds after a lasting failure.
        pauses: kind of failure -> first pause in seconds, in place of the table's.
        waited: a call ended by the caller's own limit or deadline counts as a failure if it took at least this many seconds.
        slow: a reply counts as a failure if its first chunk (unstreamed: its end) takes at least this many seconds; None: never.
        per: owner of the API keys: `process` (all calls use the same), or a label of the scope, such as `tenant` (each value
            has its own, and a failure of its key or account affects its calls alone).
        size: most circuits remembered; the least recently used one is evicted first.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> from switchwise import FailureKind, Pool, Router, Target, View, drive
    >>> from switchwise.testing import Clock, Fails, Script
    >>> clock, script = Clock(), Script(opus=Fails(FailureKind.OVERLOADED), haiku="hello")
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Healthy(), clock=clock)
    >>> _ = list(drive(router.start(View()), script.perform, sleep=clock.advance))
    >>> router.decide(View()).notes[0].because
    'open circuit: opus for 5 s more after overloaded'
    >>> router.health()["opus"].state
    'open'
    >>> clock.advance(5)
    >>> router.decide(View()).names, router.health()["opus"].state
    (('opus', 'haiku'), 'half-open')
    """

    name = "Healthy"
    requires = gives_way = momentary = True

    def __init__(
        self,
        *,
        share: float = 0.5,
        minimum: int = 10,
        window: float = 60.0,
        calls: int = 20,
        longest: float = 60.0,
        lasting: float = 60.0,
        longest_lasting: float = 3_600.0,
        pauses: Mapping[FailureKind, float] | None = None,
        waited: float = 10.0,
        slow: float | None = None,
        per: str = "process",
        size: int = 1_000,
    ) -> None:
        number("Healthy", "share", share, above=True, most=1.0)
        whole("Healthy", "minimum", minimum)
        whole("Healthy", "calls", calls, least=minimum)
        number("Healthy", "window", window, above=True)
        for name, value in (("longest", longest), ("lasting", lasting), ("longest_lasting", longest_lasting)):
            number("Healthy", name, value, most=1e9)
        number("Healthy", "waited", waited, most=1e9)
        if slow is not None:
            number("Healthy", "slow", slow, above=True)
        whole("Healthy", "size", size)
        if not isinstance(per, str) or not per:
            raise ConfigurationError(f"Healthy(per={per!r}): give process, or a label of the scope such as tenant")
        self.waited = waited
        self.slow = slow
        self.per = per
        self.size = size
        self._limits = Thresholds(share, minimum, window, calls, longest, lasting, longest_lasting, _kinds(pauses or {}))
        self._channel = Channel()
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle, which settles it
        self._circuits: OrderedDict[Key, Circuit] = OrderedDict()
        # Replaced as a whole, never changed in place: a decision reads them without the lock.
        self._out: Mapping[Key, Circuit] = {}
        self._probes: Mapping[Key, tuple[Call, float]] = {}
        self.table: Table | None = None
        self._stored: Mapping[Key, list[Any]] = {}  # last read from the store
        self._pull_at = -inf

    def use_store(self, store: Store) -> None:
        """Share the circuits that are not closed with all routers on `store`; their clocks must agree."""
        self.table = store.table("Healthy circuits", self.size)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if self.table is not None and view.now >= self._pull_at:
            self._pull(self.table, view.now)
        out = self._out
        if not out:
            return shortlist
        now, waits = view.now, {}
        for target in shortlist.targets:
            if (found := self._why(target, view, out, now)) is not None:
                waits[target.name] = found
        if not waits:
            return shortlist
        if shortlist.last_resort:
            soonest = min(waits, key=lambda name: waits[name][0])
            because = f"nothing else is left; soonest back is {soonest} {waits[soonest][1]}"
        else:
            because = "open circuit: " + ", ".join(f"{name} {rows}" for name, (_, rows) in waits.items())
        if any(attempt.reply is not None for attempt in view.attempts):  # a rejected reply is better than a wait
            return shortlist.require(lambda target: target.name not in waits, because)
        return shortlist.avoid(lambda target: waits[target.name][0] if target.name in waits else 0.0, because)

    def reserve(self, call: Call) -> bool:
        """Let `call` try a half-open circuit; False if another call is trying it."""
        if not self._out or call.ask is not None or call.shortlist.last_resort:
            return True
        now = call.view.now
        with self._lock:
            half_open = [key for key in self._keys(call.target, call.view) if key in self._out and self._out[key].until <= now]
            if any(self._probing(key, now) for key in half_open):
                return False
            if half_open:
                self._probes = {**self._probes, **dict.fromkeys(half_open, (call, now + self._limits.longest))}
        return True

    def release(self, call: Call) -> None:
        """The call is not made: another one may try the circuit."""
        if self._probes:
            with self._lock:
                self._probes = {key: probe for key, probe in self._probes.items() if probe[0] is not call}

    def learn(self, attempt: Attempt) -> None:
        """Learn from an attempt. An abandoned call and a failure caused by the request do not count."""
        if self._probes:
            self.release(attempt.call)
        if attempt.reply is None or self.slow is not None or self._out:
            self._learn(attempt)
            return
        with self._lock:  # a reply, and every circuit is closed: nothing can change but what is recent
            for key in self._keys(attempt.reply.maker or attempt.call.target, attempt.call.view):
                circuit = self._circuits.get(key) or self._new(key)
                self._circuits.move_to_end(key)
                if attempt.started >= circuit.since:
                    circuit.recent.append((attempt.ended, False))
                    if len(circuit.recent) > self._limits.calls:
                        circuit.recent.popleft()

    def _learn(self, attempt: Attempt) -> None:
        """Learn from an attempt that may open or close a circuit."""
        kind, reply, error = attempt.kind, attempt.reply, attempt.error
        own = error is not None and error.own_doing and not (error.soft and attempt.latency >= self.waited)
        if own or (reply is None and kind is None) or (kind is not None and TABLE[kind].cool is None):
            return
        if reply is not None and self.slow is not None:
            slow = (reply.first_chunk if reply.first_chunk is not None else attempt.latency) > self.slow
            end = CallEnd(attempt.started, attempt.ended, FailureKind.TIMEOUT if slow else None, soft=slow)
        else:
            asked, soft = (error.retry_after, error.soft) if error else (None, False)
            end = CallEnd(attempt.started, attempt.ended, kind, asked, soft)
        keys = self._keys(attempt.target, attempt.call.view)
        if kind is not None:
            keys = keys[-1:] if TABLE[kind].rules_out is Reach.ACCOUNT else keys[:1]
        events = []
        with self._lock:
            for key in keys:
                circuit = self._circuits.get(key) or self._new(key)
                self._circuits.move_to_end(key)
                was = circuit.kind
                if circuit.take(end, self._limits):
                    self._show(key, circuit)
                    self._share(key, circuit.row)
                    _say(key, circuit, attempt, was)
                    events.append(_event(key, circuit, attempt, was))
        for event in events:
            self._channel.send(event)

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Call `hear` with an event for every opening and closing."""
        self._channel.add(hear)

    def health(self, now: float) -> dict[str, CircuitState]:
        """The state of each circuit, by target name; for accounts, by provider and account.

        Parameters:
            now: the router's clock; `Router.health()` gives it.
        """
        with self._lock:
            return {_shown(key): circuit.shown(now, self._limits) for key, circuit in self._circuits.items()}

    def reset(self, name: str | None = None) -> None:
        """Close circuits at once, for use after the key, the account or the model name is corrected.

        Parameters:
            name: a target, a provider, an account or a name from `health`; None: all.
        """
        with self._lock:
            for key in [key for key in self._circuits if name is None or name in (_shown(key), *key[1].lstrip("@").split(" "))]:
                del self._circuits[key]
                self._share(key, None)
            closed = [key for key in self._out if key not in self._circuits]
            self._out = {key: circuit for key, circuit in self._out.items() if key in self._circuits}
            self._probes = {}
        for key in closed:
            _log.warning("circuit closed: %s was reset", _shown(key))
            self._channel.send(Event(EventKind.CIRCUIT_CLOSED, _shown(key), "it was reset"))

    def dump(self) -> Mapping[str, Any]:
        """The circuits that are not closed, as JSON data."""
        with self._lock:
            rows = [[*key, *row] for key, circuit in self._out.items() if (row := circuit.row) is not None]
        return {"circuits": rows}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        _read(state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        loaded = _read(state)
        with self._lock:
            self._circuits.update(loaded)
            self._out = {**self._out, **loaded}
            self._forget()
            for key, circuit in loaded.items():
                self._share(key, circuit.row)

    def _why(self, target: Target, view: View, out: Mapping[Key, Circuit], now: float) -> tuple[float, str] | None:
        """Seconds until the target may be called again, and the reason; None if it may be called."""
        worst: tuple[float, str] | None = None
        for key in self._keys(target, view):
            circuit = out.get(key)
            if circuit is None or circuit.kind is None:
                continue
            wait = circuit.until - now
            if wait > 0:
                found = wait, f"for {wait:,.0f} s more after {circuit.kind.value}"
            elif self._probing(key, now):
                found = 1e-9, f"which another call tries again after {circuit.kind.value}"
            else:
                continue
            if worst is None or found[0] > worst[0]:
                worst = found
        return worst

    def _probing(self, key: Key, now: float) -> bool:
        probe = self._probes.get(key)
        return probe is not None and now < probe[1]

    def _keys(self, target: Target, view: View) -> tuple[Key, ...]:
        """Keys of the circuits of the target and of its account. Without provider and account, the target is its own account."""
        whose = "" if self.per == "process" else view.scope.label(self.per)
        payer = target.payer
        return (("", target.name), (whose, f"@{payer}")) if payer else (("", target.name),)

    def _pull(self, table: Table, now: float) -> None:
        """Merge the circuits that other processes changed since the last read."""
        with self._lock:
            self._pull_at = now + _PULL
            found = {(key[0], key[1]): list(row) for key, row in table.items() if len(key) == 2}
            known, self._stored = self._stored, found
            for key in known.keys() | found.keys():
                row = found.get(key)
                if row == known.get(key) or row == self._circuits.get(key, _CLOSED).row:
                    continue
                circuit = self._circuits.setdefault(key, Circuit())
                circuit.become(row, now)
                self._show(key, circuit)
            self._forget()

    def _share(self, key: Key, row: list[Any] | None) -> None:
        if self.table is None:
            return
        self.table.update(key, lambda _: row)
        rows = {other: each for other, each in self._stored.items() if other != key}
        self._stored = rows if row is None else {**rows, key: row}

    def _show(self, key: Key, circuit: Circuit) -> None:
        if circuit.kind is None:
            self._out = {other: known for other, known in self._out.items() if other != key}
        else:
            self._out = {**self._out, key: circuit}

    def _new(self, key: Key) -> Circuit:
        circuit = self._circuits[key] = Circuit()
        self._forget()
        return circuit

    def _forget(self) -> None:
        while len(self._circuits) > self.size:
            key, _ = self._circuits.popitem(last=False)
            self._out = {other: known for other, known in self._out.items() if other != key}


_CLOSED = Circuit()


def _kinds(pauses: Mapping[FailureKind, float]) -> dict[FailureKind, float]:
    for kind, seconds in mapping(pauses, "Healthy(pauses=...)").items():
        if not isinstance(kind, FailureKind) or TABLE[kind].cool is None:
            known = ", ".join(kind.value for kind, row in TABLE.items() if row.cool is not None)
            raise ConfigurationError(f"Healthy(pauses=...) holds {kind!r}: the kinds after which there is a pause are {known}")
        number("Healthy", f"pauses[{kind.value}]", seconds, most=1e9)
    return dict(pauses)


def _read(state: Any) -> dict[Key, Circuit]:
    what, found = "state of Healthy", {}
    if "circuits" not in mapping(state, what):
        raise ConfigurationError(f"{what}: 'circuits' is missing; start without that state")
    for row in rows(state, "circuits", what):
        match row:
            case [str(whose), str(name), str(kind), openings, since, until] if kind in _KINDS:
                whole(what, "openings", openings)
                number(what, "since", since, least=-1e12, most=1e12)
                number(what, "until", until, least=-1e12, most=1e12)
                found[whose, name] = Circuit(kind=FailureKind(kind), openings=openings, since=float(since), until=float(until))
            case _:
                raise ConfigurationError(f"{what}: {row!r:.80} is not an open circuit; start without that state")
    return found


def _shown(key: Key) -> str:
    whose, name = key
    return f"{whose}: {name.lstrip('@')}" if whose else name.lstrip("@")


def _event(key: Key, circuit: Circuit, attempt: Attempt, was: FailureKind | None) -> Event:
    kind, decision = circuit.kind, attempt.call.view.decision
    if kind is None:
        because = f"it answers again after {was.value if was is not None else 'a failure'}"
        return Event(EventKind.CIRCUIT_CLOSED, _shown(key), because, attempt.ended, decision)
    pause = circuit.until - circuit.since
    details = {"failure": kind.value, "pause": pause, "openings": circuit.openings}
    because = f"it is not called for {pause:,.0f} s after {kind.value}"
    return Event(EventKind.CIRCUIT_OPENED, _shown(key), because, attempt.ended, decision, details)


def _say(key: Key, circuit: Circuit, attempt: Attempt, was: FailureKind | None) -> None:
    who = f"every target of {_shown(key)!r}" if key[1].startswith("@") else f"target {_shown(key)!r}"
    if circuit.kind is None:
        _log.warning("circuit closed: %s answers again after %s", who, was.value if was is not None else "a failure")
        return
    level = logging.ERROR if TABLE[circuit.kind].lasting else logging.WARNING
    pause = circuit.until - circuit.since
    what = attempt.error if attempt.error is not None else f"a reply after {attempt.latency:.1f} s"
    message = "circuit open: %s is not called for %.0f s after %s (opening %d: %s)"
    _log.log(level, message, who, pause, circuit.kind, circuit.openings, what)
