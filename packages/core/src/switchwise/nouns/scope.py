"""Where in the work a call is made: session > (sub-)agent > task > step, of one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.fast_init import fast_init

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
        """The level that `word` names.

        Raises:
            ConfigurationError: `word` is none of session, agent, task, step.

        >>> Level.parse("agent").name
        'AGENT'
        """
        if isinstance(word, Level):
            return word
        try:
            return cls[word.upper()]
        except (KeyError, AttributeError):
            known = ", ".join(level.name.lower() for level in cls)
            raise ConfigurationError(f"per={word!r} is no level; use one of: {known}") from None


@fast_init
@dataclass(frozen=True, slots=True)
class Scope:
    """The identity of one model call.

    Parameters:
        session: the conversation or graph thread; whatever must not be mixed with another.
        agent: the (sub-)agent that calls; `main` for the outermost one.
        task: what the agent is at: a delegation, a graph node, or the detected phase.
        step: number of the call within its thread, from 0.
        labels: anything else that rules and budgets may go by: user, team, tenant, region.
        deadline: when the caller stops waiting, in seconds on the router's clock (the time of day, as `time.time` gives it): the call that is
            under way is cut short, and no other target is tried. None: no limit.
        tenant: whose work it is, in a service for several customers. Two tenants share no memory, whatever else of their scopes is equal.
        limits: how long this call may take, in place of what its target's limits say. None: those count.
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
        """The parts that two calls must share to share a memory at `level`: the tenant, then the parts down to the level.

        >>> Scope("s1", "reviewer", tenant="acme").key(Level.AGENT)
        ('acme', 's1', 'reviewer')
        """
        return (self.tenant, self.session, self.agent, self.task, str(self.step))[: level + 1]

    def label(self, name: str) -> str:
        """The label `name`, empty if there is none; `tenant` is known without being a label."""
        return self.labels.get(name) or (self.tenant if name == "tenant" else "")
