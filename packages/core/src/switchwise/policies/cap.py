"""Limit the calls in flight of a target, and send further calls to others.

Use it for a local server that overflows to the cloud, or for a deployment that slows down under load. It never rules out the
last target: if every other target fails, the call queues at the server. Not for an account's limits per minute (see
`Headroom`).

Source: concurrency limits with overflow, as `ConcurrencyLimitedModel` of pydantic-ai and LiteLLM's `max_parallel_requests`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import whole
from switchwise.nouns.view import View
from switchwise.state.load import TracksLoad, begins, in_flight
from switchwise.state.store import Store


class Cap(TracksLoad):
    """Rule out targets at their limit of calls in flight; if nothing else is left, the one least over its limit leads.

    Exact within a process: a call is checked and counted in one step. Processes that share a store see each other's calls at
    most half a second late. Questions of policies and verifiers count, and are not refused.

    Parameters:
        calls: target or role -> most calls in flight; each target of a role has that limit.
        store: where the load is kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: a limit is not a positive whole number; or, when the router is built, a name is neither a target nor
            a role.

    >>> from switchwise import Pool, Router, Target, View
    >>> router = Router(Pool([Target("local"), Target("cloud")]), Cap({"local": 4}))
    >>> runs = [router.start(View()) for _ in range(5)]
    >>> [run.call.target.name for run in runs]
    ['local', 'local', 'local', 'local', 'cloud']
    """

    name = "Cap"
    requires = True
    gives_way = True

    def __init__(self, calls: Mapping[str, int], store: Store | None = None) -> None:
        if not isinstance(calls, Mapping) or not calls:
            raise ConfigurationError(f"Cap({calls!r}): give target -> most calls in flight, such as {{'local': 4}}")
        super().__init__(store=store)
        for word, cap in calls.items():
            whole("Cap", f"calls[{word!r}]", cap)
        self.calls = dict(calls)
        self._caps: tuple[Pool | None, dict[str, int]] = (None, {})

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        self._of(pool)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        caps = self._of(shortlist.pool)
        over: dict[str, float] = {}
        for target in shortlist.targets:
            cap = caps.get(target.name)
            if cap is not None and (count := in_flight(self.load(target.name), view.now)) >= cap:
                over[target.name] = count / cap
        if not over:
            return shortlist
        because = ", ".join(f"{name} has its {caps[name]} calls in flight" for name in over)
        return shortlist.avoid(lambda target: over.get(target.name, 0.0), because)

    def reserve(self, call: Call) -> bool:
        """Count `call` as in flight; False if its target is at its limit."""
        cap = None if call.ask is not None or call.shortlist.last_resort else self._caps[1].get(call.target.name)
        if cap is None:
            return super().reserve(call)
        taken, decided, now, begun = [False], list[bool](), call.view.now, begins(call)

        def change(entry: Any) -> Any:
            if not decided:
                taken[0] = in_flight(entry or {}, now) < cap  # the store may run it again: the last run counts
            return begun(entry) if taken[0] else entry

        self.table.update(("", call.target.name), change)
        decided.append(True)  # a shared store repeats a change that lost a race; the call is already under way
        return taken[0]

    def _of(self, pool: Pool) -> dict[str, int]:
        known, caps = self._caps
        if known is not pool:
            caps = {}
            for word, cap in self.calls.items():
                for name in pool.select(word):
                    caps[name] = min(cap, caps.get(name, cap))
            self._caps = (pool, caps)
        return caps

    @staticmethod
    def _examples() -> list[Cap]:
        return [Cap({"fast": 4}), Cap({"opus": 1, "strong": 2})]
