"""How busy each target is: its calls in flight, how fast it answers, and what its provider says is left.

One entry per target, under the key ("", target): load is a matter of the process (or, with a shared store, of the fleet), of no tenant.
A call in flight is an entry of its own with its time, so that what a process leaves behind when it dies lapses after `LONGEST` seconds,
and so that to begin or end a call twice counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import FailureKind
from switchwise.nouns.exchange.allowance import Allowance
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

LONGEST = 900.0  # seconds after which a call that nobody ended counts as over
TARGETS = 1_000
WINDOW = 60.0  # seconds until a limit is full again, where the provider does not say

Entry = Mapping[str, Any]
_NOTHING: Entry = {}


class TracksLoad:
    """A policy that knows the load of the targets: it is told of each call before it is made, and of what became of it.

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
        """It is not made after all."""
        mine = _key(call)
        self.table.update(("", call.target.name), lambda entry: _without(entry or _NOTHING, mine) or None)

    def learn(self, attempt: Attempt) -> None:
        """Take in how long the call took, and what its provider says is left."""
        end, half_life = _end(attempt, self.allowances(attempt)), self._half_life
        self.table.update(("", attempt.target.name), lambda entry: _ended(entry or _NOTHING, end, half_life) or None)

    def allowances(self, attempt: Attempt) -> Sequence[Allowance]:  # noqa: ARG002  (whoever goes by headers reads them)
        """What the answer says is left."""
        return ()

    def load(self, name: str) -> Entry:
        """What is known of a target."""
        entry: Entry = self.table.get(("", name)) or _NOTHING
        return entry

    def _table(self, store: Store) -> Table:
        return store.table(f"load:{self.name}", TARGETS)


def in_flight(entry: Entry, now: float) -> int:
    """How many calls are under way."""
    calls = entry.get("calls")
    return sum(now - started < LONGEST for started, _ in calls.values()) if calls else 0


def seconds(entry: Entry) -> float | None:
    """Decayed mean of the seconds to the first chunk, or to the end of what was not streamed; None: no call of it ended."""
    return entry.get("seconds")


def measured(entry: Entry) -> float:
    """When a call of it was last measured; minus infinity: never."""
    at: float = entry.get("at", float("-inf"))
    return at


def left(entry: Entry, of: str, now: float) -> tuple[float, float, float] | None:
    """What is left of a limit: (left, limit, gain per second), what calls in flight will use taken off; None: nothing was said of it.

    A limit fills up evenly until it resets. What a call will use is its estimated prompt, scaled by how much of such estimates was counted so far
    (cache reads do not count with most providers).
    """
    allowances = (entry.get("left") or _NOTHING).get(of)
    if allowances is None:
        return None
    limit, had, seen, resets = allowances
    gain = (limit - had) / resets if resets > 0 else 0.0
    rest = limit if now - seen >= resets else had + gain * max(0.0, now - seen)
    for started, tokens in (entry.get("calls") or _NOTHING).values():
        if now - started < LONGEST:
            rest -= 1.0 if of == "requests" else tokens * counted(entry) if of != "output_tokens" else 0.0
    return rest, limit, gain or limit / WINDOW


def limits(entry: Entry) -> Sequence[str]:
    """What its provider limits."""
    return tuple(entry.get("left") or ())


def counted(entry: Entry) -> float:
    """Tokens that a limit counts for each estimated token of a prompt."""
    ratio: float = entry.get("ratio", 1.0)
    return ratio


def _key(call: Call) -> str:
    return f"{call.view.decision}.{id(call):x}"


def begins(call: Call) -> Callable[[Any], Entry]:
    """The change that a call makes when it begins. It holds on to numbers alone: a shared store may make it again."""
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
        took: seconds that count as its latency; None: none do.
        left: what its provider says is left, by kind of limit.
        counted: tokens that the provider counted for each estimated one; None: not known.
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
