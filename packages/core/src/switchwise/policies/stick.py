"""Keep using the target of the last accepted answer.

Use it to keep one style, one prompt cache and one provider's reasoning for a session or a sub-agent. Unlike `hold`, it follows
the target that answered: after a fallback it stays with the fallback. Not before a preference that should move single steps to
other targets: `Stick` would outrank it.

Source: session affinity, as in plano's `X-Model-Affinity` and the "sticky provider" of OpenRouter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View
from switchwise.state.codec import dump_table, table_rows
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table


class Stick:
    """Prefer the target (or provider) of the last accepted answer in this scope.

    Parameters:
        per: `session`, `agent` or `task`. Calls without a session share one memory.
        to: `target`, or `provider` to allow any target of the same provider.
        size: most scopes remembered; the least recently used one is evicted first. A scope takes about 0.4 kB.
        store: where scopes are remembered; None: the router's store, else this process.

    Raises:
        ConfigurationError: an unknown level, per="step", or an unknown `to`.

    >>> from switchwise import Pool, Router, Scope, Target, View, drive
    >>> from switchwise.testing import Script
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Stick())
    >>> _ = list(drive(router.start(View(Scope("s1"), pin="haiku")), Script(haiku="hello").perform))
    >>> router.decide(View(Scope("s1"))).names, router.decide(View(Scope("s2"))).names
    (('haiku', 'opus'), ('opus', 'haiku'))
    """

    name = "Stick"

    def __init__(
        self,
        per: Level | str = "agent",
        to: Literal["target", "provider"] = "target",
        size: int = 10_000,
        store: Store | None = None,
    ) -> None:
        self.level = Level.parse(per)
        if self.level is Level.STEP:
            raise ConfigurationError("Stick(per='step') has nothing to stick to; use session, agent or task")
        if to not in ("target", "provider"):
            raise ConfigurationError(f"Stick(to={to!r}): use 'target' or 'provider'")
        self.to = to
        self.size = size
        self._store = store
        self.table = self._table(store or InProcess())

    def use_store(self, store: Store) -> None:
        """Remember in `store`, unless it was given one."""
        if self._store is None:
            self._store, self.table = store, self._table(store)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        last = self.table.get(view.scope.key(self.level))
        if last is None:
            return shortlist
        signed = shortlist.signed_by(self.name, self.level)
        if self.to == "target":
            if last not in shortlist.pool:
                return signed.remark(f"{last} gave the last answer and is not in the pool any more")
            return signed.prefer((last,), f"{last} gave the last answer")
        if not any(target.provider == last for target in shortlist.pool.targets):
            return signed.remark(f"{last} gave the last answer and has no target in the pool any more")
        return signed.prefer(lambda target: target.provider == last, f"{last} gave the last answer")

    def learn(self, attempt: Attempt) -> None:
        """Remember the target of an accepted answer to the caller's own request."""
        if attempt.accepted and attempt.call.ask is None:
            who = attempt.target.name if self.to == "target" else attempt.target.provider
            # A target without a provider leaves none to stay with.
            self.table.update(attempt.call.view.scope.key(self.level), lambda _: who or None)

    def dump(self) -> Mapping[str, Any]:
        """The last target of each scope, as JSON data."""
        return {"last": dump_table(self.table)}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        self._read(state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`; it replaces the entries of the same scopes.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        for key, who in self._read(state):
            self.table.put(key, who)

    def _read(self, state: Any) -> list[tuple[Key, str]]:
        meaning = "a scope's key and who answered last in it"
        return table_rows(
            state, "last", "state of Stick", self.level + 1, lambda who: who if isinstance(who, str) and who else None, meaning
        )

    def _table(self, store: Store) -> Table:
        return store.table(f"Stick:{self.level.name.lower()}:{self.to}", self.size)

    @staticmethod
    def _examples() -> list[Stick]:
        return [Stick(), Stick(per="session", to="provider")]
