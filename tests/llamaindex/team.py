"""A team of three agents with hand-off, over one shared LLM; the provider answers by the history alone, whoever asks."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.objects import ObjectRetriever
from llama_index.core.tools import FunctionTool

from switchwise_loopback import Answer, Request, ToolCall

STEPS = ["planner", "researcher", "researcher", "writer"]
"""Who calls the LLM in one run, in order."""


def answer(request: Request) -> Answer:
    """The next move of whichever agent the system prompt says is asking."""
    system = next(turn.text for turn in request.messages if turn.role == "system")
    question = next(turn.text for turn in request.messages if turn.role == "user")
    if "planner" in system:
        return _hand_over("researcher")
    if "writer" in system:
        return Answer(f"done {question}")
    called = [call.name for turn in request.messages for call in turn.tool_calls]
    return _hand_over("writer") if "add" in called else Answer(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),))


def _hand_over(agent: str) -> Answer:
    return Answer(tool_calls=(ToolCall("handoff", {"to_agent": agent, "reason": "your turn"}),))


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Interleaving(ObjectRetriever):
    """Hands out an agent's tools, but first lets other runs go on: between the beginning of a step and its LLM call.

    Without it a step never waits there, the runs go in lock-step, and even a shared attribute would look right.

    Parameters:
        agent: whose tools.
        last: what a shared attribute would remember: the agent that began a step last.
    """

    def __init__(self, agent: str, tools: list[FunctionTool], rng: random.Random, last: dict[str, Any]) -> None:
        self._agent, self._tools, self._rng, self._last = agent, tools, rng, last

    async def aretrieve(self, _: Any) -> list[FunctionTool]:
        self._last["agent"] = self._agent
        for _ in range(self._rng.randrange(40)):
            await asyncio.sleep(0)
        self._last["wrong"] = self._last.get("wrong", 0) + (self._last["agent"] != self._agent)
        return self._tools


def team(llm: Any, rng: random.Random, last: dict[str, Any], streaming: bool = True) -> AgentWorkflow:
    """The workflow: planner -> researcher, who adds -> writer."""

    def agent(name: str, tools: list[FunctionTool], to: list[str]) -> FunctionAgent:
        return FunctionAgent(
            name=name,
            description=f"the {name}",
            system_prompt=f"You are the {name}.",
            llm=llm,
            tool_retriever=Interleaving(name, tools, rng, last),
            can_handoff_to=to,
            streaming=streaming,
        )

    return AgentWorkflow(
        agents=[
            agent("planner", [], ["researcher"]),
            agent("researcher", [FunctionTool.from_defaults(async_fn=add)], ["writer"]),
            agent("writer", [], []),
        ],
        root_agent="planner",
    )
