"""Send each phase of the work to the target that suits it: planning to the strongest, summarising to the fastest.

Use it where an agent's work has phases that differ in difficulty. Hold it per task, so that a phase keeps its model.
Not for single steps inside a phase (a tool that failed): see `ByStep`.

Source: phase routing as in langchain-router (planning, execution, recovery) and coding agents' plan modes.
"""

from __future__ import annotations

from collections.abc import Mapping

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Phase
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View

USUAL: Mapping[str, str] = {"planning": "strong", "debugging": "strong", "documenting": "fast", "summarising": "fast"}
_PHASES: Mapping[str, Phase] = {phase.value: phase for phase in Phase}


class ByPhase:
    """Prefer the targets that a rule names for the phase of the work.

    A task named like a phase is in that phase; otherwise the phase is read from the conversation.

    Parameters:
        rules: phase -> target or role. Default: planning and debugging go to `strong`, documenting and summarising to `fast`.
        more: further rules as keywords.

    Raises:
        ConfigurationError: a rule is for an unknown phase; or, when the router is built, it names neither a target nor a role.

    >>> from switchwise import Phase, Pool, Router, Signals, Target, View
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), ByPhase(summarising="fast"))
    >>> router.decide(View(signals=Signals(phase=Phase.SUMMARISING))).names
    ('haiku', 'opus')
    """

    name = "ByPhase"

    def __init__(self, rules: Mapping[str, str] | None = None, /, **more: str) -> None:
        if rules is not None and not isinstance(rules, Mapping):
            raise ConfigurationError(f"ByPhase({rules!r}): give phase -> target, such as {{'planning': 'strong'}}")
        given = {**(rules or {}), **more} or USUAL
        if unknown := sorted(word for word in given if word not in _PHASES):
            known = ", ".join(_PHASES)
            raise ConfigurationError(f"ByPhase: {', '.join(map(repr, unknown))} is not a phase; the phases are: {known}")
        self.rules: dict[str, str] = {_PHASES[word].value: target for word, target in given.items()}

    def check(self, pool: Pool) -> None:
        """Check that each rule names a target or role of the pool."""
        for word in self.rules.values():
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        task = view.scope.task
        phase = task if task in _PHASES else view.signals.phase
        word = self.rules.get(phase) if phase is not None else None
        if word is None:
            return shortlist
        return shortlist.prefer(shortlist.pool.selections[word], f"{phase} is given {word}")
