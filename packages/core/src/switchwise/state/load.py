"""Load of each target: calls in flight, latency, and the remaining rate limits reported by its provider.

One entry per target, under the key ("", target): load belongs to the process (or, with a shared store, to the fleet), not to a tenant. A
call in flight is a separate entry with its time, so that calls of a dead process expire after `LONGEST` seconds, and beginning or ending
a call twice counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import FailureKind
from switchwise.nouns.exchange.allowance import Allowance
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

LONGEST = 900.0  # seconds after which an unfinished call counts as over
TARGETS = 1_000
WINDOW = 60.0  # assumed seconds until a limit resets

Entry = Mapping[str, Any]
_NOTHING: Entry = {}


class TracksLoad:
    """Base class of policies that track the load of targets, from each call's start and end.

    Parameters:
        half_life: seconds after which a measured latency counts half.
        store: where the load is kept; None: the router's store, else this process.
    """

    name = "TracksLoad"
    momentary = True

    def __init__(self, half_life: float = 60.0, store: Store | None = None) -> None:
        self._half_life = half_life
        self._store = store
        self.table = self._table(store or InProcess())

    def use_store(self, store: Store) -> None:
        """Keep the load in `store`, unless the constructor got a store."""
        if self._store is None:
            self._store, self.table = store, self._table(store)

    def reserve(self, call: Call) -> bool:
        """Count `call` as in flight."""
        self.table.update(("", call.target.name), begins(call))
        return True

    def release(self, call: Call) -> None:
        """Remove a call that is not made."""
        mine = _key(call)
        self.table.update(("", call.target.name), lambda entry: _without(entry or _NOTHING, mine) or None)

    def learn(self, attempt: Attempt) -> None:
        """Learn the latency of a call and the remaining rate limits."""
        end, half_life = _end(attempt, self.allowances(attempt)), self._half_life
        self.table.update(("", attempt.target.name), lambda entry: _ended(entry or _NOTHING, end, half_life) or None)

    def allowances(self, attempt: Attempt) -> Sequence[Allowance]:  # noqa: ARG002  (whoever goes by headers reads them)
        """The remaining rate limits of an answer."""
        return ()

    def load(self, name: str) -> Entry:
        """Load of a target."""
        entry: Entry = self.table.get(("", name)) or _NOTHING
        return entry

    def _table(self, store: Store) -> Table:
        return store.table(f"load:{self.name}", TARGETS)


def in_flight(entry: Entry, now: float) -> int:
    """Number of calls under way."""
    calls = entry.get("calls")
    return sum(now - started < LONGEST for started, _ in calls.values()) if calls else 0


def seconds(entry: Entry) -> float | None:
    """Decayed mean of the seconds to the first chunk (unstreamed: to the end); None without a finished call."""
    return entry.get("seconds")


def measured(entry: Entry) -> float:
    """Time of its last measurement; minus infinity: never."""
    at: float = entry.get("at", float("-inf"))
    return at


def left(entry: Entry, of: str, now: float) -> tuple[float, float, float]:
    """Remaining part of one of its `limits` as (left, limit, gain per second), less the expected usage of calls in flight.

    A limit refills evenly until it resets. The expected usage of a call is its estimated prompt, scaled by the counted share of earlier
    estimates (at most providers cache reads do not count).
    """
    limit, had, seen, resets = entry["left"][of]
    gain = (limit - had) / resets if resets > 0 else 0.0
    rest = limit if now - seen >= resets else had + gain * max(0.0, now - seen)
    for started, tokens in (entry.get("calls") or _NOTHING).values():
        if now - started < LONGEST:
            rest -= 1.0 if of == "requests" else tokens * counted(entry) if of != "output_tokens" else 0.0
    return rest, limit, gain or limit / WINDOW


def limits(entry: Entry) -> Sequence[str]:
    """Kinds of limits of its provider."""
    return tuple(entry.get("left") or ())


def counted(entry: Entry) -> float:
    """Tokens counted by the limit per estimated token of a prompt."""
    ratio: float = entry.get("ratio", 1.0)
    return ratio


def _key(call: Call) -> str:
    return f"{call.view.decision}.{id(call):x}"


def begins(call: Call) -> Callable[[Any], Entry]:
    """The table update at the start of a call. It references only numbers: a shared store may run it again."""
    mine, now, tokens = _key(call), call.view.now, call.view.tokens

    def begun(entry: Any) -> Entry:
        known: Entry = entry or _NOTHING
        calls = {key: each for key, each in (known.get("calls") or _NOTHING).items() if now - each[0] < LONGEST}
        return {**known, "calls": {**calls, mine: [now, tokens]}}

    return begun


def _without(entry: Entry, mine: str) -> Entry:
    calls = {key: each for key, each in (entry.get("calls") or _NOTHING).items() if key != mine}
    rest = {name: value for name, value in entry.items() if name != "calls"}
    return {**rest, "calls": calls} if calls else rest


class _End(NamedTuple):
    """How a call ended.

    Parameters:
        mine: the call.
        now: when.
        took: latency in seconds; None: not measured.
        left: remaining limits by kind.
        counted: tokens counted by the provider per estimated token; None: unknown.
    """

    mine: str
    now: float
    took: float | None
    left: Mapping[str, list[float]]
    counted: float | None


def _end(attempt: Attempt, allowances: Sequence[Allowance]) -> _End:
    reply, now, took, ratio = attempt.reply, attempt.ended, None, None
    if reply is not None:
        took = attempt.latency if reply.first_chunk is None else reply.first_chunk
    elif attempt.kind is FailureKind.TIMEOUT:
        took = attempt.latency
    usage, estimate = reply.usage if reply is not None else None, attempt.call.view.tokens
    if allowances and usage is not None and estimate and attempt.call.ask is None:
        ratio = min(2.0, (usage.input_tokens - (usage.cache_read_tokens or 0)) / estimate)
    left = {each.of: [each.limit, each.left, now, WINDOW if each.resets is None else each.resets] for each in allowances}
    return _End(_key(attempt.call), now, took, left, ratio)


def _ended(entry: Entry, end: _End, half_life: float) -> Entry:
    new, now = dict(_without(entry, end.mine)), end.now
    if end.took is not None:
        weight = new.get("weight", 0.0) * 0.5 ** (max(0.0, now - new.get("at", now)) / half_life)
        new["seconds"] = (new.get("seconds", 0.0) * weight + end.took) / (weight + 1.0)
        new["weight"], new["at"] = weight + 1.0, max(now, new.get("at", now))
    if end.left:
        new["left"] = end.left
    if end.counted is not None:
        new["ratio"] = counted(new) + 0.2 * (end.counted - counted(new))
    return new
