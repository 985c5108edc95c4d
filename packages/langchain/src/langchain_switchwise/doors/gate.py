"""The gate in LangChain: an agent that says it is done is checked first, and goes on with what was found where it is not.

`SwitchwiseGate` is a middleware of `create_agent`, for a deep agent's main agent or for any of its sub-agents; `gate_node` is
the same as a node of a graph of your own.

Rules:
1. It acts once per claimed end (`after_agent`), after all tools have run: findings never stand between a call and its result.
2. It judges what a model said. The message of a call limit, and a reply with calls that nobody ran, pass unjudged.
3. What one run has used up is private state of that run: it survives interrupts, crashes and a new agent on the same thread,
   and is reset by the next input. Nothing of a run is kept on the object.
4. The text of a rejected end is streamed before the verdict: an event of kind `custom`, with the message's id, informs the reader
   to take it back. A sub-agent's text is seen by nobody but its parent, which gets the last one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain.agents.middleware.types import ExtendedModelResponse, OmitFromOutput, PrivateStateAttr
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime
from langgraph.types import Command

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from langchain_switchwise.doors.middleware import Within
from langchain_switchwise.doors.node import STATE_KEY, Decision, follows
from langchain_switchwise.models.messages import turn_of
from langchain_switchwise.reading.inputs import surrounding
from switchwise import ConfigurationError
from switchwise.gate import MARK, Gate, Passage, Ruling
from switchwise.gate.finding import Finding, Standing, Work
from switchwise.policies.follow_decision import FOLLOW

GATE_KEY = "switchwise_gate"
"""Where a run's passage stands in the state."""
LEAST_STEPS = 4
"""With fewer steps left before LangGraph's recursion limit, a rejected run ends, marked, rather than by an error."""

Root = str | Callable[[Any], str]
Answer = ModelResponse[Any] | ExtendedModelResponse[Any]


class GateState(AgentState[Any]):
    """The agent's state, what its run has had of the gate, and the decision that it leaves to the calls that follow."""

    switchwise_gate: NotRequired[Annotated[dict[str, Any] | None, PrivateStateAttr]]
    switchwise_decision: NotRequired[Annotated[Decision | None, OmitFromOutput]]


class SwitchwiseGate(AgentMiddleware[GateState, Any, Any]):
    """Checks the work of an agent when it says that it is done; rejected, the same run goes on with a stronger target.

    Put it after `SwitchwiseMiddleware` (in the list: behind it). Where several middlewares act at the end of a run, the one that is
    listed last acts first. Two gates of one agent need two names.

    Parameters:
        gate: a `switchwise.gate.Gate`, or its check alone.
        root: the folder in which the agent works, where the gate was given none: a path, or a function of LangGraph's runtime.
        name: of the middleware, and so of its nodes in the graph.

    Raises:
        ConfigurationError: the check cannot be called.
    """

    state_schema = GateState

    def __init__(self, gate: Gate | Any, *, root: Root = "", name: str = "SwitchwiseGate") -> None:
        super().__init__()
        self.gate = gate if isinstance(gate, Gate) else Gate(gate)
        self._root, self._name = root, name

    @property
    def name(self) -> str:
        """Of the middleware."""
        return self._name

    def before_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any]:  # noqa: ARG002  (the hook's arguments)
        """A new input: the run has had nothing of the gate yet, and nobody is decided on."""
        start = self.gate.start()
        return {
            GATE_KEY: self.gate.begin(self._where(runtime)).dump(),
            STATE_KEY: _decision(start, "first answers are hardly ever accepted") if start else None,
        }

    async def abefore_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any]:
        """As `before_agent`."""
        return self.before_agent(state, runtime)

    @hook_config(can_jump_to=["model"])
    def after_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Check it."""
        work = handed_in(state["messages"], _session(), self._where(runtime))
        if work is None:
            return None
        return self._update(state, self.gate.rule(work, Passage.load(state.get(GATE_KEY))), runtime)

    @hook_config(can_jump_to=["model"])
    async def aafter_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Check it, without holding up the event loop."""
        work = handed_in(state["messages"], _session(), self._where(runtime))
        if work is None:
            return None
        return self._update(state, await self.gate.arule(work, Passage.load(state.get(GATE_KEY))), runtime)

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Answer]) -> Answer:
        """Let the call follow the gate's decision."""
        with self._following(request):
            return handler(request)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Answer]]
    ) -> Answer:
        """As `wrap_model_call`."""
        with self._following(request):
            return await handler(request)

    def _following(self, request: ModelRequest[Any]) -> AbstractContextManager[object]:
        if isinstance(request.model, ChatSwitchwise):
            self.gate.report_to(request.model.dispatch.router.report)
        return _following(request)

    def _where(self, runtime: Any) -> str:
        return self._root(runtime) if callable(self._root) else self._root

    def _update(self, state: Mapping[str, Any], ruling: Ruling, runtime: Runtime[Any]) -> dict[str, Any]:
        ruling = _in_time(ruling)
        last = _last(state["messages"])
        if not ruling.finding.accepted:
            runtime.stream_writer(event(ruling, last))
        update: dict[str, Any] = {GATE_KEY: ruling.passage.dump()}
        if ruling.again:
            decided = {STATE_KEY: _decision(ruling.target, ruling.finding.because)} if ruling.target else {}
            return {**update, **decided, "messages": [findings(ruling)], "jump_to": "model"}
        if ruling.mark and last is not None:
            update["messages"] = [marked(last, ruling.mark)]
        return update


def gate_node(
    gate: Gate | Any,
    *,
    back: str = "agent",
    onward: str = "__end__",
    root: Root = "",
    messages: str = "messages",
) -> Callable[..., Command[Any]]:
    """A node that checks what the node before it handed in: on to `onward`, or `back` with the findings.

    The state needs `switchwise_gate: dict` in addition to its messages, and `switchwise_decision` (`SwitchwiseState`) for later calls to follow
    the gate's choice of a target. Add it with `graph.add_node("gate", gate_node(...), destinations=("agent", "__end__"))`.

    Parameters:
        gate: a `switchwise.gate.Gate`, or its check alone.
        back: the node that goes on with rejected work.
        onward: the node that follows accepted work, or the end.
        root: the folder in which the work is done: a path, or a function of the state.
        messages: the key of the state that holds the conversation.

    Raises:
        ConfigurationError: the check cannot be called.
    """
    judge = gate if isinstance(gate, Gate) else Gate(gate)

    def checks(state: Any) -> Command[Any]:
        work = handed_in(state[messages], _session(), root(state) if callable(root) else root)
        if work is None:
            return Command(goto=onward)
        passage = Passage.load(state.get(GATE_KEY))
        if passage.begun is None and passage.rejections == 0:
            passage = judge.begin(work.root)
        ruling = _in_time(judge.rule(work, passage))
        update: dict[str, Any] = {GATE_KEY: ruling.passage.dump() if ruling.again else None}
        if ruling.again:
            update |= {messages: [findings(ruling)]}
            if ruling.target:
                update[STATE_KEY] = _decision(ruling.target, ruling.finding.because)
        elif ruling.mark:
            update[messages] = [marked(cast("AIMessage", _last(state[messages])), ruling.mark)]
        return Command(goto=back if ruling.again else onward, update=update)

    return checks


def handed_in(messages: Sequence[BaseMessage], session: str, root: str) -> Work | None:
    """The work that the end of this conversation hands in; None: nothing was, or not by a model."""
    last = _last(messages)
    if last is None:
        return None
    answered = {getattr(message, "tool_call_id", None) for message in messages}
    pending = any(call["id"] not in answered for call in last.tool_calls)
    if pending or not (last.usage_metadata or last.response_metadata):
        return None
    return Work(str(last.text), [turn_of(message) for message in messages], session, root)


def findings(ruling: Ruling) -> HumanMessage:
    """What was found, as a message of the user's that is marked as not being the user's task."""
    return HumanMessage(ruling.message, additional_kwargs={"lc_source": MARK})


def marked(last: AIMessage, mark: str) -> AIMessage:
    """The last answer with a mark, under its own id."""
    content: Any = (
        f"{last.content}\n\n{mark}" if isinstance(last.content, str) else [*last.content, {"type": "text", "text": mark}]
    )
    return last.model_copy(update={"content": content})


def event(ruling: Ruling, last: AIMessage | None) -> dict[str, Any]:
    """What a reader of the stream is told."""
    return {
        "switchwise_gate": ruling.finding.standing.value,
        "because": ruling.finding.because,
        "message": last.id if last is not None else None,
        "again": ruling.again,
        "target": ruling.target,
    }


def _last(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The last message of a model since the last one of a user."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            return message
        if isinstance(message, HumanMessage):
            return None
    return None


def _session() -> str:
    found = get_config().get("configurable", {}).get("thread_id")
    return "" if found is None else str(found)


def _in_time(ruling: Ruling) -> Ruling:
    """The ruling, or an end with a mark where LangGraph would break off before another round."""
    config = get_config()
    step, limit = config.get("metadata", {}).get("langgraph_step"), config.get("recursion_limit")
    if not ruling.again or not isinstance(step, int) or not isinstance(limit, int) or limit - step >= LEAST_STEPS:
        return ruling
    finding = Finding(Standing.REJECTED, f"{ruling.finding.because}; no steps are left to mend it", ruling.finding.details)
    return Ruling(finding, mark=f"[not verified: {finding.because}]", passage=ruling.passage)


def _decision(target: str, because: str) -> Decision:
    return Decision(target=target, then=[], level="session", policy="Gate", because=because, scope=[])


def _following(request: ModelRequest[Any]) -> AbstractContextManager[object]:
    """What lets the call follow the gate's decision, where there is one and its model can."""
    standing = cast("Mapping[str, Any]", request.state).get(STATE_KEY)
    if not isinstance(request.model, ChatSwitchwise) or not standing:
        return nullcontext()
    if not follows(request.model):
        raise ConfigurationError(
            "SwitchwiseGate: put Follows() first among the router's policies, or nothing follows the gate's decision"
        )
    config = surrounding()
    labels = {**(config["metadata"].get("switchwise_labels") or {}), FOLLOW: standing["target"]}
    return Within({**config, "metadata": {**config["metadata"], "switchwise_labels": labels}})


__all__ = ["GateState", "SwitchwiseGate", "gate_node"]
