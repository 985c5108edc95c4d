"""Restrict the targets that a tenant, or another label of the scope, may use.

Use it in a service for several customers. It is a wall: what it rules out is called by no fallback, hedge, judge, decision model or cache, since each
of them goes through the requirements of the chain. Anywhere in the chain, best first. Not for what depends on the request: see `Rules`.

Source: allow-lists of virtual keys, as in Bifrost and LiteLLM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import words
from switchwise.nouns.view import View


class AllowList:
    """Require that a call goes to a target that its tenant may use.

    Parameters:
        allowed: value of the label -> targets and roles that such calls may use.
        others: what calls with another value, or with none, may use; None: nothing.
        by: the label; `tenant` is known without being a label.

    Raises:
        ConfigurationError: no one is allowed anything; or, when the router is built, a word names neither a target nor a role of the pool.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), AllowList({"acme": ["opus", "haiku"]}, others=["haiku"]))
    >>> router.decide(View(Scope(tenant="acme"))).names, router.decide(View(Scope(tenant="other"))).names
    (('opus', 'haiku'), ('haiku',))
    """

    name = "AllowList"
    requires = True

    def __init__(self, allowed: Mapping[str, Sequence[str]], others: Sequence[str] | None = None, by: str = "tenant") -> None:
        if not isinstance(allowed, Mapping) or not (allowed or others):
            raise ConfigurationError(f"AllowList({allowed!r}): give tenant -> targets, such as {{'acme': ['opus', 'haiku']}}")
        if not isinstance(by, str) or not by:
            raise ConfigurationError(f"AllowList(by={by!r}): give the name of a label, such as tenant")
        self.allowed = {value: words("AllowList", f"allowed[{value!r}]", given) for value, given in allowed.items()}
        self.others = words("AllowList", "others", others or ())
        self.by = by

    def check(self, pool: Pool) -> None:
        """Every word must be in the pool."""
        for word in self.others.union(*self.allowed.values()):
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        value = view.scope.label(self.by)
        named = self.allowed.get(value, self.others)
        names = frozenset().union(*map(shortlist.pool.select, named))
        return shortlist.require(lambda target: target.name in names, lambda: f"not for {self.by} {value!r}")

    @staticmethod
    def _examples() -> list[AllowList]:
        return [AllowList({"acme": ["opus"]}, others=["fast", "sol"]), AllowList({"u1": ["strong"]}, ["haiku"], by="user")]
