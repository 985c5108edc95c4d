"""Give a new policy a share of the sessions, and stop it when its outcomes are shown to be worse.

Use it to try a new chain, price or estimator on live traffic. Report outcomes by `router.feedback(decision, reward)`; without
them it never stops by itself. Not for spreading load: see `Weighted`.

Source: an anytime-valid test, as in `switchwise.quality.sequential`: its level holds although it is checked after every
outcome.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from hashlib import blake2b
from typing import Any

from switchwise.engine.policy import Checks, Learns, Opinion, Policy, Remembers, Rewarded, name_of, refuse_what_is_no_policy
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import FINAL
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.sequential import NotWorse
from switchwise.state.in_process import Memory

WAITING = 10_000


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

    def __init__(self, policy: Policy, share: float, *, margin: float = 0.02, level: float = 0.05, salt: str = "") -> None:
        refuse_what_is_no_policy(policy)
        number("Canary", "share", share, most=1)
        if getattr(policy, "requires", False):
            raise ConfigurationError(
                f"Canary({name_of(policy)}): it rules targets out, which cannot be tried on a share; give a policy that prefers"
            )
        self.policy, self.share, self.salt = policy, share, salt
        self.test = NotWorse(margin, level)
        self._sides: Memory[str, str] = Memory(WAITING)
        self._counted: Memory[str, bool] = Memory(WAITING)

    def chosen(self, view: View) -> bool:
        """Return whether the session of a request is in the canary, stopped or not."""
        key = f"{self.salt}\0{view.scope.tenant}\0{view.scope.session}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") < self.share * 2**64

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if not self.chosen(view):
            return shortlist
        if self.test.rejected:
            return shortlist.remark(f"the canary was stopped: {self.summary()}")
        opinion = self.policy(view, shortlist)
        return self._marked(opinion) if isinstance(opinion, Generator) else opinion

    def _marked(self, flow: Generator[Any, Any, Shortlist]) -> Generator[Any, Any, Shortlist]:
        return (yield from flow)

    def summary(self) -> str:
        """One line with the outcomes of both sides."""
        means = self.test.means()
        parts = [f"{name} {means[name]:.0%}" for name in ("new", "old") if means[name] is not None]
        return f"{', '.join(parts) or 'no outcomes yet'} after {self.test.pairs} pairs"

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
            self._sides.put(view.decision, "new" if self.chosen(view) else "old")

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Count an outcome for its side, once per decision."""
        if isinstance(self.policy, Rewarded):
            self.policy.feedback(decision, reward, kind)
        side = self._sides.get(decision)
        if side is not None and kind in FINAL and self._counted.get(decision) is None:
            self._counted.put(decision, True)
            self.test.observe(side, reward)

    def dump(self) -> Mapping[str, Any]:
        """The state of the test, the decisions without an outcome, and the state of the new policy, as JSON data."""
        inner: Mapping[str, Any] = self.policy.dump() if isinstance(self.policy, Remembers) else {}
        return {
            "test": self.test.dump(),
            "sides": [list(each) for each in self._sides.items()],
            "told": [list(each) for each in self._counted.items()],
            "policy": inner,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        self.test.load(state["test"])
        self._sides.restore((str(decision), str(side)) for decision, side in state["sides"])
        self._counted.restore((str(decision), bool(summary)) for decision, summary in state["told"])
        if isinstance(self.policy, Remembers):
            self.policy.load(state["policy"])

    @staticmethod
    def _examples() -> list[Canary]:
        def cheap(view: View, shortlist: Shortlist) -> Shortlist:  # noqa: ARG001
            return shortlist.prefer([shortlist.pool.targets[-1].name], "the new policy likes the last one")

        return [Canary(cheap, 0.5), Canary(cheap, 1.0, margin=0.1)]
