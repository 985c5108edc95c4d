"""The gate in LlamaIndex: check the work when an agent ends, and continue the run with the findings if it is rejected.

    agent = gated(FunctionAgent(tools=tools, llm=Switchwise(models=[...])), Gate(Command(["pytest", "-q"])), root=folder)
    team = AgentWorkflow(agents=[agent, ...])

Rules:
1. The loop is inside one step of the agent (`take_step`): one run, one end, all tool calls kept, the same memory.
2. Streamed text of an end is held back until the verdict: rejected text is never shown.
3. Used tries are in the run's own store, and are reset at its first step. The agent itself has no state per run.
4. A tool with `return_direct` ends a run without an answer of the model, and so without a check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, TypeVar, cast

from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.agent.workflow.workflow_events import AgentOutput
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from llama_index.llms.switchwise.calling.step_runner import StepRunner
from llama_index.llms.switchwise.models.messages import turn_of
from llama_index.llms.switchwise.reading.scope import DECIDED, route_scope
from switchwise import ConfigurationError
from switchwise.gate import MARK, Gate, Passage, Ruling
from switchwise.gate.finding import Work
from switchwise.policies.follow_decision import FOLLOW

A = TypeVar("A", bound=BaseWorkflowAgent)
KEY = "switchwise_gate"
"""Key of the gate state in a run's store."""


def gated(agent: A, gate: Gate | Any, *, root: str | Callable[[], str] = "") -> A:
    """Return a copy of an agent whose work is checked when it ends.

    Works for `FunctionAgent`, `ReActAgent` and `CodeActAgent`, alone and in an `AgentWorkflow`.

    Parameters:
        agent: an agent; it is not changed.
        gate: a `switchwise.gate.Gate`, or its check alone.
        root: folder of the work, if the gate has none: a path, or a function.

    Raises:
        ConfigurationError: `agent` is another kind of agent, or the check is not callable.
    """
    if not isinstance(agent, BaseWorkflowAgent):
        raise ConfigurationError(f"gated({agent!r:.80}): give a FunctionAgent, ReActAgent or CodeActAgent")
    judge = gate if isinstance(gate, Gate) else Gate(gate)
    if isinstance(runner := getattr(getattr(agent, "llm", None), "runner", None), StepRunner):
        runner.router.join(judge)
    fields = {name: getattr(agent, name) for name in type(agent).model_fields}
    workflow = {word: getattr(agent, f"_{word}") for word in ("timeout", "verbose") if hasattr(agent, f"_{word}")}
    copy: Any = _gated_class(type(agent))(**fields, **workflow)
    object.__setattr__(copy, "_switchwise_gate", (judge, root))
    return cast("A", copy)


@cache
def _gated_class(kind: type[BaseWorkflowAgent]) -> type[BaseWorkflowAgent]:
    class Gated(kind):  # type: ignore[misc, valid-type]
        """An agent behind a gate."""

        async def take_step(self, ctx: Any, llm_input: list[ChatMessage], tools: Sequence[Any], memory: Any) -> AgentOutput:
            """Take one step of the agent; at a claimed end, as many as the gate asks for."""
            gate, root = self._switchwise_gate
            return await _step(gate, root() if callable(root) else root, super().take_step, self, ctx, llm_input, tools, memory)

    Gated.__name__ = Gated.__qualname__ = f"Gated{kind.__name__}"
    return Gated


class _Held:
    """A run's context that holds events back until the verdict."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._events: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def write_event_to_stream(self, event: Any) -> None:
        self._events.append(event)

    def release(self) -> None:
        for event in self._events:
            self._ctx.write_event_to_stream(event)


async def _step(
    gate: Gate,
    root: str,
    take_step: Callable[..., Any],
    agent: Any,
    ctx: Any,
    llm_input: list[ChatMessage],
    tools: Sequence[Any],
    memory: Any,
) -> AgentOutput:
    first = await ctx.store.get("num_iterations", default=0) == 0
    stored: dict[str, Any] = {} if first else await ctx.store.get(KEY, default={})
    passage = gate.begin(root) if first else Passage.load(stored.get("passage"))
    target: str = gate.start() if first else stored.get("target", "")
    while True:
        held = _Held(ctx)
        with _following(target), _noting() as ids:
            output: AgentOutput = await take_step(held, llm_input, tools, memory)
        if output.tool_calls or output.retry_messages or gate.off:
            held.release()
            await ctx.store.set(KEY, {"passage": passage.dump(), "target": target})
            return output
        ruling = await gate.arule(_work(llm_input, output, root, ids), passage)
        passage, target = ruling.passage, ruling.target or target
        await ctx.store.set(KEY, {"passage": passage.dump(), "target": target})
        if not ruling.again:
            held.release()
            return _marked(output, ruling)
        await agent.finalize(ctx, output, memory)
        await memory.aput(ChatMessage(role=MessageRole.USER, content=ruling.message, additional_kwargs={"source": MARK}))
        system = llm_input[:1] if llm_input and llm_input[0].role is MessageRole.SYSTEM else []
        llm_input = [*system, *await memory.aget()]


def _following(target: str) -> AbstractContextManager[None]:
    return route_scope(**{FOLLOW: target}) if target else nullcontext()


@contextmanager
def _noting() -> Iterator[list[str]]:
    """The ids of the decisions that are made within."""
    ids: list[str] = []
    token = DECIDED.set(ids)
    try:
        yield ids
    finally:
        DECIDED.reset(token)


def _work(llm_input: Sequence[ChatMessage], output: AgentOutput, root: str, decided: Sequence[str]) -> Work:
    conversation = [turn_of(message) for message in [*llm_input, output.response]]
    return Work(output.response.content or "", conversation, root=root, decision=decided[-1] if decided else "")


def _marked(output: AgentOutput, ruling: Ruling) -> AgentOutput:
    if not ruling.mark:
        return output
    text = f"{output.response.content or ''}\n\n{ruling.mark}"
    response = ChatMessage(role=output.response.role, content=text, additional_kwargs=output.response.additional_kwargs)
    return output.model_copy(update={"response": response})
