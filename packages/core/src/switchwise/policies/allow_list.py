"""Restrict the targets that a tenant, or another label of the scope, may use.

Use it in a service for several customers. It is a hard restriction: fallbacks, hedges, judges, decision models and caches obey
it too, because each of them applies the requirements of the chain. Put it first. Not for conditions on the request: see
`Rules`.

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
    """Require a target that the tenant of the call may use.

    Parameters:
        allowed: value of the label -> targets and roles that such calls may use.
        others: targets and roles for calls with another value or without the label; None: such calls are refused.
        by: the label; `tenant` reads `Scope.tenant`.

    Raises:
        ConfigurationError: `allowed` is empty; or, when the router is built, a name is neither a target nor a role of the pool.

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
        """Check that each name is a target or role of the pool."""
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
