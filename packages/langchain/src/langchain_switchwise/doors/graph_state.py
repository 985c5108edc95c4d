"""Fields that the middleware adds to the state of an agent's graph.

| | comes from | is there for |
|---|---|---|
| `switchwise_held` | the middleware | a thread that is resumed elsewhere: what the policies hold for it; private |
| `switchwise_decision` | a `SwitchwiseNode` in the graph around the agent | the calls that follow it |

An agent is given a decision and does not give it back: the graph around it has it, and of two agents that run side by side
only one could.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import OmitFromOutput, PrivateStateAttr

from langchain_switchwise.doors.node import Decision

Held = dict[str, list[Any]]
"""By policy: the scopes that it holds something for, with the names of the targets, as `Router.dump` writes them."""
MOST = 64
"""Scopes of one policy that a thread's state keeps."""


class SwitchwiseState(AgentState[Any]):
    """The agent's state, what the policies hold for its thread, and the decision of a `SwitchwiseNode` around it."""

    switchwise_held: NotRequired[Annotated[Held, PrivateStateAttr]]
    switchwise_decision: NotRequired[Annotated[Decision, OmitFromOutput]]


def both(before: Held, after: Held) -> Held:
    """What was held and what is held now, the latest last; a scope that is held again replaces what it held."""
    joined = dict(before)
    for name, entries in after.items():
        scopes = [entry[0] for entry in entries]
        joined[name] = [*[entry for entry in joined.get(name, []) if entry[0] not in scopes], *entries][-MOST:]
    return joined
