"""Give a new policy a share of the sessions, and stop it when its outcomes are shown to be worse.

Use it to try a new chain, price or estimator on live traffic. Report outcomes by `router.feedback(decision, reward)`; without
them it never stops by itself. Not for spreading load: see `Weighted`.

Source: an anytime-valid test, as in `switchwise.quality.sequential`: its level holds although it is checked after every
outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from switchwise.engine.policy import (
    Checks,
    Learns,
    Opinion,
    Policy,
    Remembers,
    Rewarded,
    UsesStore,
    name_of,
    refuse_what_is_no_policy,
)
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import FINAL
from switchwise.nouns.scope import Key
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.sequential import NotWorse
from switchwise.state.in_process import InProcess
from switchwise.state.store import Namespace, Store, Table

WAITING = 10_000
_TEST: Key = ("", "test")


class Canary:
    """Ask `policy` in a share of the sessions, until its outcomes are shown to be worse than those of the others.

    A session is in the canary, or not, for its whole life. The test pairs the outcomes of both sides in order of arrival; when
    it stops the canary, no session uses the new policy until a new router is made.

    Parameters:
        policy: the new policy; it may prefer, not require.
        share: share of the sessions, from 0 to 1.
        margin: tolerated loss of mean outcome.
        level: chance of stopping a policy that is good enough.
        salt: two canaries draw independently if their salts differ.
        store: where the sides of decisions and the test are kept; None: in this process, or in the store of the router. In a shared store
            the outcomes of all processes are one test, and an outcome may be reported in another process than the decision.

    Raises:
        ConfigurationError: a parameter is out of range, or `policy` is not a policy or is one that requires.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> from switchwise.policies import Canary, Rules
    >>> new = Rules().prefer("fast", when=lambda view: True)
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Canary(new, share=0.2))
    >>> sum(router.decide(View(Scope(f"s{i}"))).names[0] == "haiku" for i in range(1_000))
    197
    """

    name = "Canary"

    def __init__(
        self,
        policy: Policy,
        share: float,
        *,
        margin: float = 0.02,
        level: float = 0.05,
        salt: str = "",
        store: Store | None = None,
    ) -> None:
        refuse_what_is_no_policy(policy)
        number("Canary", "share", share, most=1)
        if getattr(policy, "requires", False):
            raise ConfigurationError(
                f"Canary({name_of(policy)}): it rules targets out, which cannot be tried on a share; give a policy that prefers"
            )
        self.policy, self.share, self.salt = policy, share, salt
        self._rule = (margin, level)
        self._known: tuple[Any, NotWorse] = (None, NotWorse(margin, level))
        self._store = store
        self._keep_in(store or InProcess())

    def _keep_in(self, store: Store) -> None:
        part = f"{self.name}:{self.salt}" if self.salt else self.name
        self.table: Table = store.table(f"{part}:sides", WAITING)
        self._tests: Table = store.table(f"{part}:test", 1)

    def use_store(self, store: Store) -> None:
        """Keep the sides and the test in `store`, unless it was given one, and what the new policy remembers in a part of it."""
        if self._store is None:
            self._store = store
            self._keep_in(store)
        if isinstance(self.policy, UsesStore):
            self.policy.use_store(Namespace(store, f"canary:{self.salt}"))

    @property
    def test(self) -> NotWorse:
        """The test of both sides, as far as outcomes are known."""
        value, (known, test) = self._tests.get(_TEST), self._known
        if value is not known:
            test = NotWorse(*self._rule)
            if value is not None:
                test.load(value)
            self._known = (value, test)
        return test

    def chosen(self, view: View) -> bool:
        """Return whether the session of a request is in the canary, stopped or not."""
        key = f"{self.salt}\0{view.scope.tenant}\0{view.scope.session}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") < self.share * 2**64

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if not self.chosen(view):
            return shortlist
        if self.test.rejected:
            return shortlist.remark(f"the canary was stopped: {self.summary()}")
        return self.policy(view, shortlist)

    def summary(self) -> str:
        """One line: the outcomes of both sides, their difference with a 95 % interval, and the verdict."""
        test = self.test
        parts = [f"{name} {total / count:.0%} of {count}" for name, (count, total) in reversed(test.sums.items()) if count]
        found = test.difference()
        if found is None:
            return f"{', '.join(parts) or 'no outcomes yet'}; both sides need outcomes"
        apart, low, high = (100 * each for each in found)
        return f"{', '.join(parts)}: {apart:+.0f} points [{low:+.0f}, {high:+.0f}]; {test.verdict}"

    def check(self, pool: Pool) -> None:
        """Let the new policy check the pool."""
        if isinstance(self.policy, Checks):
            self.policy.check(pool)

    def learn(self, attempt: Attempt) -> None:
        """Remember the side of a decision; the new policy learns from both sides."""
        if isinstance(self.policy, Learns):
            self.policy.learn(attempt)
        view = attempt.call.view
        if attempt.call.ask is None and attempt.reply is not None and not (self.chosen(view) and self.test.rejected):
            side = {"side": "new" if self.chosen(view) else "old", "counted": False}
            self.table.update(("", view.decision), lambda known: known or side)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Count an outcome for its side, once per decision."""
        if isinstance(self.policy, Rewarded):
            self.policy.feedback(decision, reward, kind)
        found = self.table.get(("", decision))
        if found is None or kind not in FINAL:
            return
        side, rule, first = found["side"], self._rule, False

        def counted(known: Mapping[str, Any] | None) -> Mapping[str, Any]:
            nonlocal first
            first = not (known or found)["counted"]
            return {"side": side, "counted": True}

        self.table.update(("", decision), counted)
        if not first:
            return

        def observed(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
            test = NotWorse(*rule)
            if value is not None:
                test.load(value)
            test.observe(side, reward)
            return test.dump()

        self._tests.update(_TEST, observed)

    def dump(self) -> Mapping[str, Any]:
        """The state of the test, the decisions without an outcome, and the state of the new policy, as JSON data."""
        inner: Mapping[str, Any] = self.policy.dump() if isinstance(self.policy, Remembers) else {}
        known = [(key[1], each) for key, each in self.table.items()]
        return {
            "test": self.test.dump(),
            "sides": [[decision, each["side"]] for decision, each in known],
            "counted": [decision for decision, each in known if each["counted"]],
            "policy": inner,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        test = NotWorse(*self._rule)
        test.load(state["test"])
        counted = {str(decision) for decision in state["counted"]}
        sides = [(str(decision), str(side)) for decision, side in state["sides"]]
        if isinstance(self.policy, Remembers):
            self.policy.load(state["policy"])
        self._tests.put(_TEST, test.dump())
        for decision, side in sides:
            self.table.put(("", decision), {"side": side, "counted": decision in counted})

    @staticmethod
    def _examples() -> list[Canary]:
        def cheap(view: View, shortlist: Shortlist) -> Shortlist:  # noqa: ARG001
            return shortlist.prefer([shortlist.pool.targets[-1].name], "the new policy likes the last one")

        return [Canary(cheap, 0.5), Canary(cheap, 1.0, margin=0.1)]
