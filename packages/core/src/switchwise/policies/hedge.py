"""Call a second target when the first takes longer than usual to begin; the first to begin gives the answer.

Use it where people wait and a target sometimes takes far longer than usual: it shortens the slowest answers and leaves the
others unchanged. Put it last, after the policies that choose and rule out; their requirements hold for the second call too. Not
against outages (fallback handles them), and not to save money: the call that loses is billed too.

The usual time is learned per target, separately for streams (to the first token) and whole answers; old values fade slowly. If
more answers are slow than the quantile leaves out, the quantile itself is slow: so the wait is at most twice the quantile that
is twice as far from the end (for p95: twice the p90). A token bucket limits the further calls. The losing call is cancelled and
its stream closed; no text of a stream is shown before the winner is known.

A call that binds tools with side effects is not hedged, unless `effects` is set; `switchwise.reading.tool_kinds` classifies the
tools.

Source: J. Dean and L. A. Barroso, "The tail at scale", Communications of the ACM 56 (2013). `python tools/hedging.py` measures it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError, FailureKind
from switchwise.nouns.exchange.gather import Together
from switchwise.nouns.scope import Key
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.reading.tool_kinds import have_effects
from switchwise.state.codec import dump_table, is_amount, table_rows
from switchwise.state.in_process import InProcess
from switchwise.state.quantile import observed, read
from switchwise.state.store import Store, Table

MEMORY = 500
"""Durations of a target that count fully; older ones fade."""
FEW = 20
"""Durations needed before a quantile is used."""
_CALLS: Key = ("", "calls")


class Hedge:
    """Make a second call, to the next target of the shortlist, when the first has no token in time; the first to begin gives
    the answer.

    Parameters:
        after: wait before the second call: "p95" (or another quantile of the target's own times), or seconds. 0: a race; then
            raise `at_most` too.
        at_most: further calls, as a share of all calls: a token bucket that starts empty, gains this share per call, and holds
            ten.
        least: shortest wait in seconds where `after` is a quantile.
        to: target or role for the further calls; empty: any that is left.
        calls: most targets called for one request.
        effects: hedge also calls whose tools have, or may have, side effects.
        when: condition on the request; None: always.
        store: where durations are kept; None: in this process.

    Raises:
        ConfigurationError: a parameter is out of range; or, when the router is built, `to` is not in the pool, or the pool has one target.

    >>> from switchwise import Pool, Router, Target, View
    >>> router = Router(Pool([Target("opus"), Target("sol")]), Hedge(after=1.5, at_most=0.05))
    >>> router.decide(View()).at_once is None  # the bucket starts empty
    True
    """

    name = "Hedge"

    def __init__(
        self,
        after: float | str = "p95",
        at_most: float = 0.1,
        *,
        least: float = 0.1,
        to: str = "",
        calls: int = 2,
        effects: bool = False,
        when: Callable[[View], bool] | None = None,
        store: Store | None = None,
        size: int = 1_000,
    ) -> None:
        if isinstance(after, str):
            if not re.fullmatch(r"p[5-9]\d(\.\d+)?", after):
                raise ConfigurationError(
                    f"Hedge(after={after!r}): give a quantile from p50 to p99.9, such as 'p95', or seconds"
                )
        else:
            number("Hedge", "after", after)
        number("Hedge", "at_most", at_most, most=1.0, above=True)
        number("Hedge", "least", least)
        whole("Hedge", "calls", calls, least=2)
        whole("Hedge", "size", size)
        if when is not None and not callable(when):
            raise ConfigurationError(f"Hedge(when={when!r}): give a function of the view")
        self.after, self.at_most, self.least, self.to, self.calls = after, at_most, least, to, calls
        self.effects, self.when, self.size = effects, when, size
        share = float(after[1:]) / 100 if isinstance(after, str) else 0.95
        self._shares = (share, 1 - 2 * (1 - share))
        self._store = store
        self.table = self._table(store or InProcess())
        many = f"at most {at_most:.0%} more calls"
        self._remark = "several targets race" if after == 0 else f"a second call where the first says nothing for {self._words}"
        self._remark = f"{self._remark}; {many}"

    def check(self, pool: Pool) -> None:
        """Check that the pool has a second target and that `to` is in it."""
        if len(pool) < 2:
            raise ConfigurationError("Hedge needs a second target to call; the pool has one")
        if self.to:
            pool.select(self.to)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if len(shortlist.targets) < 2 or (self.when is not None and not self.when(view)):
            return shortlist
        if not self.effects and view.needs.tools and (not view.tools or have_effects(view.tools)):
            return shortlist
        calls = self.table.get(_CALLS)
        if calls is None or calls < 1.0:
            return shortlist
        names = shortlist.pool.select(self.to) if self.to else None
        plan = Together(
            self.name,
            self.calls,
            self._because,
            lambda target: self.seconds(target, view.streamed),
            grant=self._granted,
            among=lambda target: names is None or target.name in names,
        )
        return shortlist.together(plan).remark(self._remark)

    def seconds(self, target: Target, streamed: bool) -> float | None:
        """Seconds before the second call after `target` is called first; None if too few durations are known."""
        if not isinstance(self.after, str):
            return self.after
        known = self.table.get(_key(target, streamed))
        return None if known is None or known["total"] < FEW else max(self.least, _usual(known))

    def learn(self, attempt: Attempt) -> None:
        """Learn the duration of an attempt. A cancelled call counts if it took longer than usual, as a lower bound."""
        call = attempt.call
        if call.ask is not None:
            return
        plan = call.shortlist.at_once
        if plan is None or plan.policy != self.name or call.shortlist.decider.policy != self.name:
            self.table.update(_CALLS, lambda known: min(10.0, (known or 0.0) + self.at_most))
        if attempt.kind is not None and attempt.kind is not FailureKind.TIMEOUT:
            return
        reply, streamed = attempt.reply, call.view.streamed
        first = reply.first_chunk if reply is not None and streamed else None
        seconds, censored = (attempt.latency if first is None else first), reply is None

        def changed(known: Any) -> Any:
            if censored and (known is None or seconds <= _usual(known)):
                return known
            return observed(known, seconds, self._shares, MEMORY)

        self.table.update(_key(attempt.target, streamed), changed)

    def dump(self) -> Mapping[str, Any]:
        """Durations per target and the content of the bucket, as JSON data."""
        return {"times": [row for row in dump_table(self.table) if row[0] != [*_CALLS]], "calls": self.table.get(_CALLS) or 0.0}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        self._read(state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        times, calls = self._read(state)
        for key, known in times:
            self.table.put(key, known)
        self.table.put(_CALLS, calls)

    def use_store(self, store: Store) -> None:
        """Keep durations in `store`, unless the constructor got a store."""
        if self._store is None:
            self._store, self.table = store, self._table(store)

    def _table(self, store: Store) -> Table:
        return store.table(f"Hedge:p{self._shares[0] * 100:g}", self.size)

    def _read(self, state: Any) -> tuple[list[tuple[Key, dict[str, Any]]], float]:
        times = table_rows(state, "times", "state of Hedge", 2, self._times, "a target with how long it takes")
        calls = state.get("calls")
        if not is_amount(calls):
            raise ConfigurationError(f"state of Hedge: calls is {calls!r:.80}, not a number; start without that state")
        return times, float(calls)

    def _times(self, value: Any) -> dict[str, Any] | None:
        found = read(value)
        return found if found is not None and len(found["quantiles"]) == len(self._shares) else None

    def _granted(self) -> bool:
        granted = False

        def taken(known: float | None) -> float:
            nonlocal granted
            granted = known is not None and known >= 1.0
            return (known or 0.0) - granted

        self.table.update(_CALLS, taken)
        return granted

    @property
    def _words(self) -> str:
        return f"its {self.after}" if isinstance(self.after, str) else f"{self.after:g} s"

    def _because(self, target: Target, after: float) -> str:
        if not after:
            return f"it races with {target.name}"
        usual = f", longer than usual (its {self.after})" if isinstance(self.after, str) else ""
        return f"{target.name} said nothing for {after:.2f} s{usual}"

    @staticmethod
    def _examples() -> list[Hedge]:
        return [Hedge(), Hedge(after=0.0, at_most=1.0, calls=3), Hedge(after=2.5, effects=True)]


def _key(target: Target, streamed: bool) -> Key:
    return "", f"{'first' if streamed else 'whole'} {target.name}"


def _usual(known: Mapping[str, Any]) -> float:
    """Seconds after which an answer counts as late."""
    late, earlier = known["quantiles"]
    return float(min(late, 2 * earlier))
