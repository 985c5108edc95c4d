"""Make the decision a visible step of a graph: a node writes it to the state, and later model calls follow it.

Use it where a graph should show, branch on, or keep its routing decision: with a checkpointer the decision survives
interruption and resume. Otherwise it is not needed: `ChatSwitchwise` decides at every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import TypedDict

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from switchwise import ConfigurationError, Level, Shortlist, View
from switchwise.adapting.models import named
from switchwise.policies.follow_decision import FOLLOW, Follows
from switchwise.suggestion import Suggestion

STATE_KEY = "switchwise_decision"


class Decision(TypedDict):
    """A decision in the state.

    Fields: `target`, the others in `then` (the fallback order), `level`, `policy` and `because` of the deciding preference, and
    the `scope` (a key) that it is for.
    """

    target: str
    then: list[str]
    level: str
    policy: str
    because: str
    scope: list[str]


class SwitchwiseState(TypedDict, total=False):
    """State fields that a `SwitchwiseNode` needs: let your graph's state inherit from it."""

    switchwise_decision: Decision


class SwitchwiseNode:
    """A node that decides which target answers next, without calling one.

    Parameters:
        llm: the `ChatSwitchwise` that later nodes call.
        per: how long a decision lasts: `session`, `agent`, `task`, or `step` (decide at every visit).
        messages: state key of the conversation.
        ask: interrupt the graph and ask the user before the target changes (at first: from the first of the pool). The
            interrupt's value is `Suggestion.as_dict()`: reason, cost, losses. Resume with `True` (accept), `False` (stay), or
            the name of a target. A function of the `Suggestion` returns whether to ask.

    Raises:
        ConfigurationError: `llm` is not a `ChatSwitchwise`, or its router has no `Follows` policy, so that no call would follow
            the decision.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> import warnings; warnings.simplefilter("ignore")  # a fake has no price
    >>> llm = ChatSwitchwise({"strong": FakeListChatModel(responses=["Yes."]), "fast": FakeListChatModel(responses=["Yes."])})
    >>> SwitchwiseNode(llm)({"messages": [("user", "Plan it.")]})["switchwise_decision"]["target"]
    'strong'
    """

    def __init__(
        self,
        llm: ChatSwitchwise,
        *,
        per: Level | str = Level.STEP,
        messages: str = "messages",
        ask: bool | Callable[[Suggestion], bool] = False,
    ) -> None:
        if not isinstance(llm, ChatSwitchwise):
            raise ConfigurationError(f"SwitchwiseNode: llm= is {named(llm)}: give the ChatSwitchwise that later nodes call")
        if not follows(llm):
            raise ConfigurationError(
                "SwitchwiseNode: put Follows() first among the router's policies, or nothing follows the decision"
            )
        self.llm = llm
        self.level = Level.parse(per)
        self.messages = messages
        self.ask = ask

    def __call__(self, state: Any) -> dict[str, Decision]:  # a mapping; LangGraph's types require the graph's own
        """Return the decision for the conversation in `state`; no update if this scope has one."""
        dispatch = self.llm.dispatch
        view = dispatch.view(dispatch.request(list(state[self.messages]), None, {}))
        scope = list(view.scope.key(self.level))
        standing: Decision | None = state.get(STATE_KEY)
        if standing is not None and self.level is not Level.STEP and standing["scope"] == scope and not failed(view):
            return {}
        if not self.ask:
            return {STATE_KEY: decision(self.llm.router.decide(view), scope)}
        found = self.llm.router.suggest(view, standing["target"] if standing is not None else None)
        if not found.changes or (self.ask is not True and not self.ask(found)):
            return {STATE_KEY: suggested(found, scope)}
        from langgraph.types import interrupt  # only a node that asks needs it

        return {STATE_KEY: answered(found, interrupt(found.as_dict()), scope)}


def suggested(found: Suggestion, scope: list[str]) -> Decision:
    """Convert a suggestion to a decision."""
    return Decision(
        target=found.target, then=[*found.then], level=found.level, policy=found.policy, because=found.because, scope=scope
    )


def answered(found: Suggestion, answer: object, scope: list[str]) -> Decision:
    """Return the decision after the user's answer: True, False, or the name of a target that may be called.

    Raises:
        ConfigurationError: the answer is none of these.
    """
    if answer is True:
        return suggested(found, scope)
    names = [found.target, *found.then]
    wanted = found.instead_of if answer is False else answer
    if wanted not in names:
        known = ", ".join(names)
        raise ConfigurationError(f"SwitchwiseNode: it was resumed with {answer!r}: give True, False, or one of {known}")
    then = [name for name in names if name != wanted]
    because = "the user prefers it" if answer is not False else f"the user declined {found.target}"
    return Decision(target=str(wanted), then=then, level=found.level, policy="user", because=because, scope=scope)


def follows(llm: ChatSwitchwise) -> bool:
    """Return whether the model's router has a policy that follows decisions in the state."""
    return any(isinstance(policy, Follows) for policy in llm.router.policies)


def follow(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for a model call that follows the decision in `state`: `llm.invoke(messages, **follow(state))`.

    If the decided target fails, another one still answers.
    """
    standing: Decision | None = state.get(STATE_KEY)
    return {FOLLOW: standing["target"]} if standing else {}


def decision(shortlist: Shortlist, scope: list[str]) -> Decision:
    """Convert a finished shortlist to a decision."""
    note = shortlist.decider
    target, *then = shortlist.names
    return Decision(
        target=target, then=then, level=note.level.name.lower(), policy=note.policy, because=note.because, scope=scope
    )


def failed(view: View) -> bool:
    """Return whether the graph retries this node after an error; then an earlier decision does not count."""
    return "rerun" in view.scope.labels
