"""Your own conditions, as Python predicates over the view.

Use it for conditions of your application: customers with a contract, data that must stay in a region, a feature under test. Not
for conditions that have their own policy.

Source: routing rules as in claude-code-router and LiteLLM's tag routing, without a rule language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition and its consequence.

    Parameters:
        when: whether it applies.
        word: a target or role.
        verb: `prefer`, `require` or `exclude`.
        because: the reason in its notes.
    """

    when: Callable[[View], bool]
    word: str
    verb: str
    because: str

    @property
    def unconditional(self) -> bool:
        """Return whether the rule applies to every request."""
        return self.when is _always


class Rules:
    """Apply conditions in order: the first preference that applies, and every requirement that applies.

    An exception of a predicate is a bug in the rule and propagates: it is never treated as a failure of a target.

    Raises:
        ConfigurationError: a `when` is not a function; or, when the router is built, a rule names neither a target nor a role
            of the pool.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> rules = Rules().prefer("strong", when=lambda view: view.scope.labels.get("plan") == "gold", because="gold plan")
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), rules.prefer("fast"))
    >>> router.decide(View()).names, router.decide(View(Scope(labels={"plan": "gold"}))).names
    (('haiku', 'opus'), ('opus', 'haiku'))
    """

    name = "Rules"

    def __init__(self, *rules: Rule) -> None:
        if strange := [rule for rule in rules if not isinstance(rule, Rule)]:
            raise ConfigurationError(f"Rules({strange[0]!r}): write Rules().prefer(...), .require(...) or .exclude(...)")
        self._rules = rules

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    @property
    def requires(self) -> bool:
        """Return whether some rule may rule targets out."""
        return any(rule.verb != "prefer" for rule in self._rules)

    def prefer(self, word: str, *, when: Callable[[View], bool] | None = None, because: str = "") -> Rules:
        """Return these rules plus one: prefer the target or role `word` if `when` holds."""
        return self._and("prefer", word, when, because or f"a rule prefers {word}")

    def require(self, word: str, *, when: Callable[[View], bool] | None = None, because: str = "") -> Rules:
        """Return these rules plus one: only the target or role `word` may be called if `when` holds."""
        return self._and("require", word, when, because or f"a rule allows only {word}")

    def exclude(self, word: str, *, when: Callable[[View], bool] | None = None, because: str = "") -> Rules:
        """Return these rules plus one: the target or role `word` may not be called if `when` holds."""
        return self._and("exclude", word, when, because or f"a rule excludes {word}")

    def check(self, pool: Pool) -> None:
        """Check that each rule names a target or role of the pool."""
        for rule in self._rules:
            pool.select(rule.word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        preferred = False
        for rule in self._rules:
            if (rule.verb == "prefer" and preferred) or not rule.when(view):
                continue
            chosen = shortlist.pool.select(rule.word)
            if rule.verb == "prefer":
                shortlist, preferred = shortlist.prefer(chosen, rule.because), True
            else:
                allowed = chosen if rule.verb == "require" else frozenset(shortlist.names) - chosen
                shortlist = shortlist.require(_among(allowed), rule.because)
        return shortlist

    @staticmethod
    def _examples() -> list[Rules]:
        return [Rules().prefer("fast"), Rules().exclude("strong", when=_is_long).require("fast", when=_is_for_a_user)]

    def _and(self, verb: str, word: str, when: Callable[[View], bool] | None, because: str) -> Rules:
        if when is not None and not callable(when):
            raise ConfigurationError(f"Rules().{verb}({word!r}, when={when!r}): give a function of the view, or omit it")
        return Rules(*self._rules, Rule(when or _always, word, verb, because))


def _among(names: frozenset[str]) -> Callable[[Target], bool]:
    return lambda target: target.name in names


def _is_long(view: View) -> bool:
    return view.tokens > 50_000


def _is_for_a_user(view: View) -> bool:
    return "user" in view.scope.labels


def _always(view: View) -> bool:  # noqa: ARG001  (a predicate takes the view)
    return True
