"""Groups of calls that share one limit: per session, agent, user, target, ... or all calls."""

from __future__ import annotations

from typing import Final

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.target import Target
from switchwise.nouns.view import View

_TARGETS: Final = ("target", "provider", "account")
WORDS: Final = ("request", "session", "agent", "task", *_TARGETS, "all")
"""The predefined values of `per`; any other word is a label of the scope."""


class Payers:
    """Groups of calls that share one limit each.

    Parameters:
        who: name of the policy, for error messages.
        per: `request` (one request, with its fallbacks and judges), `session`, `agent`, `task`; `target`, `provider`, `account` (provider and
            account, over all tenants); `all` (every call); any other word is a label of the scope, of one tenant.

    Raises:
        ConfigurationError: `per` is none of these.

    >>> from switchwise import Scope, Target, View
    >>> opus, view = Target("opus", "anthropic"), View(Scope("s1", labels={"user": "ada"}, tenant="acme"))
    >>> [Payers("Budget", per).key(view, opus) for per in ("session", "user", "provider", "all")]
    [('acme', 's1'), ('acme', 'ada'), ('', 'anthropic'), ('',)]
    """

    __slots__ = ("by_target", "is_label", "level", "parts", "per")

    def __init__(self, who: str, per: Level | str) -> None:
        word = per.name.lower() if isinstance(per, Level) else per
        if not isinstance(word, str) or not word:
            raise ConfigurationError(f"{who}(per={per!r}): give {', '.join(WORDS)} or a label")
        if word == "step":
            raise ConfigurationError(f"{who}(per='step'): a step is one request; use request, session, agent, task or all")
        self.per = word
        self.level = Level[word.upper()] if word.upper() in Level.__members__ else None
        self.by_target = word in _TARGETS
        self.is_label = word not in WORDS
        self.parts = self.level + 1 if self.level is not None else 1 if word == "all" else 2
        """Number of strings in a key."""

    @property
    def few(self) -> bool:
        """Whether the groups are few and permanent: all calls, targets, labels."""
        return self.level is None and self.per != "request"

    def key(self, view: View, target: Target) -> Key:
        """The group of a call to `target`."""
        if self.level is not None:
            return view.scope.key(self.level)
        if self.by_target:
            return ("", self._named(target))
        if self.per == "all":
            return ("",)
        return (view.scope.tenant, view.decision if self.per == "request" else view.scope.label(self.per))

    def _named(self, target: Target) -> str:
        if self.per == "provider":
            return target.provider or target.name
        return target.name if self.per == "target" else target.payer or target.name

    def label(self, key: Key | str) -> str:
        """Name of a group in messages. A string is its digest."""
        if isinstance(key, str):
            return f"{self.per} {key}"
        tenant, *parts = key[: self.parts]
        who = {"all": "all calls together", "request": "this request"}.get(self.per, self.per)
        if parts and self.per != "request":
            who = f"{who} {' / '.join(map(repr, parts))}"
        return f"{who} of tenant {tenant!r}" if tenant else who
