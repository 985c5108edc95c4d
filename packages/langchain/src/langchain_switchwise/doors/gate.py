"""The gate in LangChain: check the work when an agent ends, and continue the run with the findings if it is rejected.

`SwitchwiseGate` is a middleware of `create_agent`, for a deep agent's main agent or any of its sub-agents; `gate_node` is the
same as a node of your own graph.

Rules:
1. It acts once per claimed end (`after_agent`), after all tools have run: findings never come between a tool call and its
   result.
2. It judges answers of a model. The message of a call limit, and a reply with tool calls that did not run, pass unjudged.
3. Used tries are private state of the run: they survive interrupts, crashes and a new agent on the same thread, and are reset
   by the next input. The object itself has no state per run.
4. The text of a rejected end is streamed before the verdict: a `custom` event with the message's id signals the reader to
   retract it. A sub-agent's text is seen only by its parent, which gets the last one.
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
from langchain_switchwise.doors.middleware import ROUTING, Within
from langchain_switchwise.doors.node import STATE_KEY, Decision, follows
from langchain_switchwise.models.messages import turn_of
from langchain_switchwise.reading.inputs import surrounding
from switchwise import ConfigurationError
from switchwise.gate import MARK, Gate, Passage, Ruling
from switchwise.gate.finding import Finding, Standing, Work
from switchwise.observe.decision_record import decision_of
from switchwise.policies.follow_decision import FOLLOW

GATE_KEY = "switchwise_gate"
"""Key of a run's gate state."""
LEAST_STEPS = 4
"""With fewer steps left before LangGraph's recursion limit, a rejected run ends with a mark instead of an error."""

Root = str | Callable[[Any], str]
Answer = ModelResponse[Any] | ExtendedModelResponse[Any]


class GateState(AgentState[Any]):
    """The agent's state with the gate state of its run and the decision for the following calls."""

    switchwise_gate: NotRequired[Annotated[dict[str, Any] | None, PrivateStateAttr]]
    switchwise_decision: NotRequired[Annotated[Decision | None, OmitFromOutput]]


class SwitchwiseGate(AgentMiddleware[GateState, Any, Any]):
    """Check the work of an agent when it ends; after a rejection the same run continues with a stronger target.

    Put it after `SwitchwiseMiddleware` in the list. If several middlewares act at the end of a run, the last in the list acts
    first. Two gates of one agent need different names.

    Parameters:
        gate: a `switchwise.gate.Gate`, or its check alone.
        root: folder of the work, if the gate has none: a path, or a function of LangGraph's runtime.
        name: name of the middleware and of its nodes in the graph.

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
        """Name of the middleware."""
        return self._name

    def before_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any]:  # noqa: ARG002  (the hook's arguments)
        """Reset the gate state and the decision for a new input."""
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
        """Check the work."""
        work = handed_in(state["messages"], _session(), self._where(runtime))
        if work is None:
            return None
        return self._update(state, self.gate.rule(work, Passage.load(state.get(GATE_KEY))), runtime)

    @hook_config(can_jump_to=["model"])
    async def aafter_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Check the work without blocking the event loop."""
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
        router = request.model.router if isinstance(request.model, ChatSwitchwise) else ROUTING.get()
        if router is not None:
            router.join(self.gate)
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
    llm: ChatSwitchwise | None = None,
) -> Callable[..., Command[Any]]:
    """Return a node that checks finished work and goes on to `onward`, or `back` with the findings.

    The state needs `switchwise_gate: dict` in addition to its messages, and `switchwise_decision` (`SwitchwiseState`) for later calls to follow
    the gate's choice of a target. Add it with `graph.add_node("gate", gate_node(...), destinations=("agent", "__end__"))`.

    Parameters:
        gate: a `switchwise.gate.Gate`, or its check alone.
        back: node that continues rejected work.
        onward: node after accepted work, or the end.
        root: folder of the work: a path, or a function of the state.
        messages: state key of the conversation.
        llm: the model of the graph; its router learns from the verdicts. None: nobody does.

    Raises:
        ConfigurationError: the check cannot be called, or `llm` is not a `ChatSwitchwise`.
    """
    judge = gate if isinstance(gate, Gate) else Gate(gate)
    if isinstance(llm, ChatSwitchwise):
        llm.router.join(judge)
    elif llm is not None:
        raise ConfigurationError(f"gate_node(llm={llm!r:.80}): give the ChatSwitchwise of the graph, or leave it out")

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
    """The work at the end of this conversation; None if it does not end with a model's answer."""
    last = _last(messages)
    if last is None:
        return None
    answered = {getattr(message, "tool_call_id", None) for message in messages}
    pending = any(call["id"] not in answered for call in last.tool_calls)
    if pending or not (last.usage_metadata or last.response_metadata):
        return None
    return Work(str(last.text), [turn_of(message) for message in messages], session, root, decision=decision_of(last))


def findings(ruling: Ruling) -> HumanMessage:
    """The findings as a user message, marked as not being the user's task."""
    return HumanMessage(ruling.message, additional_kwargs={"lc_source": MARK})


def marked(last: AIMessage, mark: str) -> AIMessage:
    """The last answer with a mark, under its id."""
    content: Any = (
        f"{last.content}\n\n{mark}" if isinstance(last.content, str) else [*last.content, {"type": "text", "text": mark}]
    )
    return last.model_copy(update={"content": content})


def event(ruling: Ruling, last: AIMessage | None) -> dict[str, Any]:
    """The event for readers of the stream."""
    return {
        "switchwise_gate": ruling.finding.standing.value,
        "because": ruling.finding.because,
        "message": last.id if last is not None else None,
        "again": ruling.again,
        "target": ruling.target,
    }


def _last(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The last model message after the last user message."""
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
    """The ruling, or a marked end if LangGraph's recursion limit leaves no room for another round."""
    config = get_config()
    step, limit = config.get("metadata", {}).get("langgraph_step"), config.get("recursion_limit")
    if not ruling.again or not isinstance(step, int) or not isinstance(limit, int) or limit - step >= LEAST_STEPS:
        return ruling
    finding = Finding(Standing.REJECTED, f"{ruling.finding.because}; no steps are left to fix it", ruling.finding.details)
    return Ruling(finding, mark=f"[not verified: {finding.because}]", passage=ruling.passage)


def _decision(target: str, because: str) -> Decision:
    return Decision(target=target, then=[], level="session", policy="Gate", because=because, scope=[])


def _following(request: ModelRequest[Any]) -> AbstractContextManager[object]:
    """Settings that let the call follow the gate's decision, if there is one and the model can."""
    standing = cast("Mapping[str, Any]", request.state).get(STATE_KEY)
    if not isinstance(request.model, ChatSwitchwise) or not standing:
        return nullcontext()
    if not follows(request.model):
        raise ConfigurationError(
            "SwitchwiseGate: put Follows() first among the router's policies, or nothing follows the gate's decision"
        )
    config = surrounding()
    labels = {**(config["metadata"].get("switchwise_labels") or {}), FOLLOW: standing["target"]}
    return Within({**config, "metadata": {**config["metadata"], "switchwise_labels": labels}}, request.model.router)


__all__ = ["GateState", "SwitchwiseGate", "gate_node"]
