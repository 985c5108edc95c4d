"""Restrict which callers may pin a call to a target, and to which targets.

Use it where callers are not trusted to choose: a pin to the strongest target costs money. A call with a forbidden pin is
refused with the reason; the pin is not silently dropped. Not for the targets that a tenant may use at all: see `AllowList`.

Source: minimum-tier headers of LiteLLM, scoped rules of Bifrost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import words
from switchwise.nouns.view import View

ANY = "*"


class MayPin:
    """Refuse calls that pin a target which their caller may not pin.

    Parameters:
        allowed: value of the label -> targets and roles that such callers may pin; "*" for any.
        others: targets and roles for callers with another value or without the label; None: none.
        by: the label; `tenant` reads `Scope.tenant`.

    Raises:
        ConfigurationError: a parameter has a wrong type; or, when the router is built, a name is neither a target nor a role of
            the pool.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), MayPin({"ops": ["*"]}, others=["fast"]))
    >>> router.decide(View(Scope(tenant="ops"), pin="opus")).names, router.decide(View(pin="opus")).names
    (('opus',), ())
    """

    name = "MayPin"
    requires = True

    def __init__(self, allowed: Mapping[str, Sequence[str]], others: Sequence[str] | None = None, by: str = "tenant") -> None:
        if not isinstance(allowed, Mapping):
            raise ConfigurationError(f"MayPin({allowed!r}): give tenant -> what it may name, such as {{'ops': ['*']}}")
        if not isinstance(by, str) or not by:
            raise ConfigurationError(f"MayPin(by={by!r}): give the name of a label, such as tenant")
        self.allowed = {value: words("MayPin", f"allowed[{value!r}]", given) for value, given in allowed.items()}
        self.others = words("MayPin", "others", others or ())
        self.by = by

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        for word in self.others.union(*self.allowed.values()) - {ANY}:
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        pool = shortlist.pool
        if not view.pin or not pool.knows(view.pin):
            return shortlist
        value = view.scope.label(self.by)
        named = self.allowed.get(value, self.others)
        if ANY in named or pool.select(view.pin) <= frozenset().union(*map(pool.select, named)):
            return shortlist
        return shortlist.require(
            lambda _: False, f"{self.by} {value!r} may not name {view.pin!r}: leave the target to the router"
        )

    @staticmethod
    def _examples() -> list[MayPin]:
        return [MayPin({"acme": ["fast"]}), MayPin({"u1": [ANY]}, by="user")]
