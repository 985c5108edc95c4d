"""Send the calls of each agent and sub-agent to the target that suits its role.

Use it when you know your agents: a fast model is enough for an explorer that only reads, not for a reviewer. Hold it per agent,
so that a sub-agent keeps its model. Not for choosing within one agent's work: see `ByPhase` and `ByStep`.

Source: the per-sub-agent model setting of agent frameworks (deepagents' `SubAgent["model"]`, Claude Code's agent files).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View

_log = logging.getLogger("switchwise.policies")
_MOST = 1_000
"""Most agent names compared with those of the rules."""


class ByAgent:
    """Prefer the targets that a rule names for the calling agent.

    Parameters:
        rules: agent name -> target or role; `"*"` matches every agent without its own rule.
        more: further rules as keywords, for names that are identifiers.

    Raises:
        ConfigurationError: `rules` is not a mapping; or, when the router is built, a rule names neither a target nor a role of
            the pool.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> pool = Pool([Target("opus"), Target("haiku")])
    >>> router = Router(pool, ByAgent({"general-purpose": "fast"}, reviewer="strong"))
    >>> router.decide(View(Scope(agent="general-purpose"))).names
    ('haiku', 'opus')
    """

    name = "ByAgent"

    def __init__(self, rules: Mapping[str, str] | None = None, /, **more: str) -> None:
        if rules is not None and not isinstance(rules, Mapping):
            raise ConfigurationError(f"ByAgent({rules!r}): give agent name -> target; {{'*': 'fast'}} stands for every agent")
        self.rules = {**(rules or {}), **more}
        self._met: set[str] = set()  # agents without their own rule; bounded

    def check(self, pool: Pool) -> None:
        """Check that each rule names a target or role of the pool."""
        for word in self.rules.values():
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        agent = view.scope.agent
        word = self.rules.get(agent)
        if word is None:
            self._look_for_a_slip(agent)
            word = self.rules.get("*")
        if word is None:
            return shortlist
        return shortlist.prefer(shortlist.pool.select(word), f"agent {agent!r} is given {word}")

    def _look_for_a_slip(self, agent: str) -> None:
        """Warn once if an agent without a rule is spelled almost like a rule."""
        if agent in self._met or len(self._met) >= _MOST:
            return
        self._met.add(agent)
        if near := get_close_matches(agent, self.rules, 1, 0.8):
            _log.warning("ByAgent: no rule is for agent %r; is the rule for %r meant for it?", agent, near[0])

    @staticmethod
    def _examples() -> list[ByAgent]:
        return [ByAgent(explorer="fast", reviewer="strong"), ByAgent({"*": "fast"})]
