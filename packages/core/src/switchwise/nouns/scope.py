"""Where in the work a call is made: session > (sub-)agent > task > step, within one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.fast_dataclass import dataclass

Key = tuple[str, ...]
_NO_LABELS: Mapping[str, str] = {}


class Level(IntEnum):
    """How long an answer is remembered; the value is the number of scope parts in its key, after the tenant."""

    SESSION = 1
    AGENT = 2
    TASK = 3
    STEP = 4

    @classmethod
    def parse(cls, word: Level | str) -> Level:
        """Return the level named `word`.

        Raises:
            ConfigurationError: `word` is not one of session, agent, task, step.

        >>> Level.parse("agent").name
        'AGENT'
        """
        if isinstance(word, Level):
            return word
        try:
            return cls[word.upper()]
        except (KeyError, AttributeError):
            known = ", ".join(level.name.lower() for level in cls)
            raise ConfigurationError(f"per={word!r} is not a level; use one of: {known}") from None


@dataclass(frozen=True, slots=True)
class Scope:
    """The identity of one model call.

    Parameters:
        session: the conversation or graph thread.
        agent: the (sub-)agent that calls; `main` for the outermost one.
        task: the agent's current task: a delegation, a graph node, or the detected phase.
        step: number of the call within its thread, from 0.
        labels: further values for rules and budgets: user, team, tenant, region.
        deadline: when the caller stops waiting, in seconds on the router's clock (`time.time`): a running call is
            cut off, and no other target is tried. None: no limit.
        tenant: the customer, in a service for several. Two tenants share no memory, even if the rest of their scopes is equal.
        limits: time limits of this call, replacing those of its target. None: the target's apply.
    """

    session: str = ""
    agent: str = "main"
    task: str = ""
    step: int = 0
    labels: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS)
    deadline: float | None = None
    tenant: str = ""
    limits: Limits | None = None

    def key(self, level: Level) -> Key:
        """Return the key of a memory at `level`: the tenant, then the parts down to the level.

        >>> Scope("s1", "reviewer", tenant="acme").key(Level.AGENT)
        ('acme', 's1', 'reviewer')
        """
        if level == 2:  # an agent's, which every call needs
            return self.tenant, self.session, self.agent
        return (self.tenant, self.session, self.agent, self.task, str(self.step))[: level + 1]

    def label(self, name: str) -> str:
        """Return the label `name` as a text, empty if missing; `tenant` is always available."""
        found: object = self.labels.get(name)
        if found is None or found == "":
            return self.tenant if name == "tenant" else ""
        return found if isinstance(found, str) else str(found)


def as_texts(labels: Mapping[str, object]) -> dict[str, str]:
    """Return labels as texts: ids of databases are numbers. None is no label.

    >>> as_texts({"user": 7, "team": None})
    {'user': '7'}
    """
    return {str(name): str(value) for name, value in labels.items() if value is not None}
