"""Keep a policy's preference for a session, a sub-agent or a task.

Use it around a preference that should not change in the middle of a task: an A/B split per session, a model per sub-agent, a
decision that costs a call. Not around requirements, which are checked at every step.

Source: the levels of this library: a level is how long a decision is remembered (docs/levels.md).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from switchwise.engine.policy import (
    Asks,
    Checks,
    ChecksState,
    Flow,
    Learns,
    Opinion,
    Policy,
    Remembers,
    Reports,
    Rewarded,
    UsesStore,
    name_of,
    refuse_what_is_no_policy,
)
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.observe.observer import Event
from switchwise.state.codec import dump_table, mapping, table_rows
from switchwise.state.in_process import InProcess
from switchwise.state.store import Namespace, Store, Table

Held = dict[str, Any]
"""The held preference of a scope: `names` of targets, and the reason `because`."""


class hold:  # noqa: N801  (read as a verb in a chain of policies)
    """Keep a policy's preference for a session, a sub-agent or a task.

    The policy is asked when there is no held preference yet, or when every held target is ruled out; its preferred targets are kept once
    one of them has given an accepted answer. Requirements are never remembered, so a policy that requires cannot be held. If the policy's
    own `when` excludes a request, nothing is held. Held targets that are no longer in the pool are ignored; a note records it.

    For a policy that balances over equivalent targets (`balances = True`: `LeastBusy`, `LowestLatency`), the held target is the one of
    them that answered last, because it has the prompt cache. It changes with a fallback, and does not change back.

    Parameters:
        policy: a policy that prefers.
        per: `session`, `agent` or `task`.
        size: most scopes remembered; the least recently used one is evicted first. A scope takes about 0.6 kB.
        store: where they are remembered; None: the router's store, else this process.

    Raises:
        ConfigurationError: an unknown level, per="step" (unheld means per step), or `policy` is not a policy or is one that
            requires.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> from switchwise.policies import ByAgent
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), hold(ByAgent(explorer="fast"), per="agent"))
    >>> router.decide(View(Scope("s1", "explorer"))).names
    ('haiku', 'opus')
    """

    def __init__(self, policy: Policy, *, per: Level | str, size: int = 10_000, store: Store | None = None) -> None:
        self.level = Level.parse(per)
        self.name = name_of(policy)
        refuse_what_is_no_policy(policy)
        if self.level is Level.STEP:
            raise ConfigurationError(
                f"hold({self.name}, per='step'): a policy without hold already decides per step; remove the hold"
            )
        if getattr(policy, "requires", False):
            raise ConfigurationError(
                f"hold({self.name}): requirements are checked at every step, never remembered; put it into the chain as it is"
            )
        self.policy = policy
        self.size = size
        self._when: Callable[[View], bool] | None = getattr(policy, "when", None)
        self._learn = policy.learn if isinstance(policy, Learns) else None
        self._balances: str | None = getattr(policy, "among", "") if getattr(policy, "balances", False) else None
        self._store = store
        self.table = self._table(store or InProcess())

    def use_store(self, store: Store) -> None:
        """Keep what is held in `store`, unless the constructor got a store; the held policy's own memory in a part of it."""
        if self._store is None:
            self._store, self.table = store, self._table(store)
        if isinstance(self.policy, UsesStore):
            self.policy.use_store(Namespace(store, f"hold:{self._scope}"))

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if self._when is not None and not self._when(view):
            return shortlist
        signed = shortlist.signed_by(self.name, self.level)
        held = self.table.get(view.scope.key(self.level))
        if held is not None:
            names = held["names"]
            for target in signed.targets:
                if target.name in names and (among := self._among(signed.pool)):
                    return signed.balance(among, lambda each: each.name not in names, held["because"])
                if target.name in names:
                    return signed.prefer(names, held["because"])
            if not any(name in signed.pool for name in names):
                signed = signed.remark(f"{', '.join(names)}, held for this {self._scope}, is not in the pool any more")
        opinion = self.policy(view, signed)
        if isinstance(opinion, Shortlist):
            return self._noted(signed, opinion)
        return self._asked(signed, opinion) if isinstance(opinion, Generator) else opinion  # the engine refuses it

    def _asked(self, before: Shortlist, flow: Flow[Shortlist]) -> Flow[Shortlist]:
        return self._noted(before, (yield from flow))

    def _noted(self, before: Shortlist, after: Shortlist) -> Shortlist:
        if len(after.targets) < len(before.targets):
            raise ConfigurationError(f"hold({self.name}): it ruled targets out, and requirements cannot be held")
        favourites = after.favourites(since=before)
        if not favourites or self._balances is not None:
            return after
        because = f"{after.notes[-1].because}; held for this {self._scope}"
        return after.remember(self, {"names": sorted(favourites), "because": because})

    @property
    def asks(self) -> tuple[Target, ...]:
        """The models outside the pool that the held policy asks."""
        return self.policy.asks if isinstance(self.policy, Asks) else ()

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Let the held policy send its events to `hear`."""
        if isinstance(self.policy, Reports):
            self.policy.report_to(hear)

    def check(self, pool: Pool) -> None:
        """Let the held policy check the pool."""
        if isinstance(self.policy, Checks):
            self.policy.check(pool)

    def learn(self, attempt: Attempt) -> None:
        """Keep the preference of an accepted decision, if one of its targets answered."""
        if self._learn is not None:
            self._learn(attempt)
        memo = attempt.call.shortlist.memo
        if self._balances is None and (not memo or self not in [owner for owner, _ in memo]):
            return  # the common case: what it holds was not asked
        if (entry := self.learned(attempt)) is not None:
            self.table.put(*entry)

    def learned(self, attempt: Attempt) -> tuple[Key, Held] | None:
        """The key and preference to hold after an attempt; None: no change. For state that travels with a thread."""
        call, name = attempt.call, attempt.target.name
        if not attempt.accepted or call.ask is not None:
            return None
        if name in self._among(call.shortlist.pool):
            held = {"names": [name], "because": f"{name} gave the last answer; held for this {self._scope}"}
            return call.view.scope.key(self.level), held
        for owner, held in call.shortlist.memo:
            if owner is self and name in held["names"]:
                return call.view.scope.key(self.level), held
        return None

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Pass the outcome to the held policy."""
        if isinstance(self.policy, Rewarded):
            self.policy.feedback(decision, reward, kind)

    def dump(self) -> Mapping[str, Any]:
        """Held preferences and the state of the held policy, as JSON data."""
        inner: Mapping[str, Any] = self.policy.dump() if isinstance(self.policy, Remembers) else {}
        return {"held": dump_table(self.table), "policy": inner}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        self._read(state)
        if isinstance(self.policy, ChecksState) and (inner := state.get("policy")):
            self.policy.check_state(inner)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`; it replaces the entries of the same scopes.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        held = self._read(state)
        if isinstance(self.policy, Remembers) and (inner := state.get("policy")):
            self.policy.load(inner)
        for key, value in held:
            self.table.put(key, value)

    def _read(self, state: Any) -> list[tuple[Key, Held]]:
        what = f"state of hold({self.name})"
        inner = mapping(mapping(state, what).get("policy", {}), what)
        if inner and not isinstance(self.policy, Remembers):
            raise ConfigurationError(f"{what}: 'policy' is the state of a policy that remembers, unlike {self.name}")
        return table_rows(
            state, "held", what, self.level + 1, _held, "a scope's key with the names and the reason that it holds"
        )

    def _among(self, pool: Pool) -> frozenset[str]:
        """Names of the targets that the held policy balances over; empty: it does not balance."""
        return frozenset() if self._balances is None else pool.select(self._balances) if self._balances else pool.names

    @property
    def _scope(self) -> str:
        return self.level.name.lower()

    def _table(self, store: Store) -> Table:
        return store.table(f"hold:{self.name}:{self._scope}", self.size)

    @staticmethod
    def _examples() -> list[hold]:
        return [hold(_fast_first, per="agent", size=1_000), hold(_fast_first, per="session", size=1_000)]


def _fast_first(_: View, shortlist: Shortlist) -> Shortlist:
    return shortlist.prefer(shortlist.pool.select("fast"), "an example")


def _held(value: Any) -> Held | None:
    match value:
        case {"names": [str(), *_] as names, "because": str(because)} if all(isinstance(name, str) for name in names):
            return {"names": [*names], "because": because}
    return None
