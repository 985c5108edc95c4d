"""Fields that the middleware adds to the state of an agent's graph.

| field | written by | purpose |
|---|---|---|
| `switchwise_held` | the middleware | held preferences, for a thread resumed in another process; private |
| `switchwise_decision` | a `SwitchwiseNode` in the graph around the agent | later calls that follow the decision |

An agent receives a decision and does not return it: the graph around it has it, and of two parallel agents only one could
return it.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import OmitFromOutput, PrivateStateAttr

from langchain_switchwise.doors.node import Decision

Held = dict[str, list[Any]]
"""Policy -> held scopes with names of targets, in the form of `Router.dump`."""
MOST = 64
"""Most scopes of one policy in a thread's state."""


class MiddlewareState(AgentState[Any]):
    """The agent's state with held preferences of its thread and the decision of a `SwitchwiseNode` around it."""

    switchwise_held: NotRequired[Annotated[Held, PrivateStateAttr]]
    switchwise_decision: NotRequired[Annotated[Decision, OmitFromOutput]]


def both(before: Held, after: Held) -> Held:
    """Merge held preferences, the latest last; a newer entry of a scope replaces the older."""
    joined = dict(before)
    for name, entries in after.items():
        scopes = [entry[0] for entry in entries]
        joined[name] = [*[entry for entry in joined.get(name, []) if entry[0] not in scopes], *entries][-MOST:]
    return joined
