"""The doors of the chaos run: every way to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from world import Step, World


def _note(note: str) -> str:
    """Record a note."""
    return f"recorded {note}"


@dataclass(frozen=True)
class Door:
    """One way to ask.

    Parameters:
        name: of the door.
        ask: asks for a step; gives the answers, or a coroutine that does.
        asynchronous: it is a coroutine.
    """

    name: str
    ask: Callable[[World, Step], Any]
    asynchronous: bool = False


def _said(message: Any) -> str:
    """The content of a LangChain message: its text, or the notes of its tool calls."""
    calls = "".join(str(call["args"].get("note", "")) for call in getattr(message, "tool_calls", []))
    return f"{message.text}{calls}"


def _chat(world: World, step: Step) -> Any:
    return world.bound if step.tool else world.chat


def _joined(chunks: list[Any]) -> str:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return _said(total)


def invoke(world: World, step: Step) -> list[str]:
    return [_said(_chat(world, step).invoke(step.question))]


async def ainvoke(world: World, step: Step) -> list[str]:
    return [_said(await _chat(world, step).ainvoke(step.question))]


def batch(world: World, step: Step) -> list[str]:
    return [_said(message) for message in _chat(world, step).batch([step.question, f"{step.question}, please"])]


def stream(world: World, step: Step) -> list[str]:
    chunks = []
    for chunk in _chat(world, step).stream(step.question):
        step.show(chunk.text)
        chunks.append(chunk)
    return [_joined(chunks)]


async def astream(world: World, step: Step) -> list[str]:
    chunks = []
    async for chunk in _chat(world, step).astream(step.question):
        step.show(chunk.text)
        chunks.append(chunk)
    return [_joined(chunks)]


def agent(world: World, step: Step) -> list[str]:
    state = world.agent.invoke({"messages": [("user", step.question)]})
    return [_said(state["messages"][-1])]


def agent_stream(world: World, step: Step) -> list[str]:
    shown = ""
    for chunk, data in world.agent.stream({"messages": [("user", step.question)]}, stream_mode="messages"):
        if data["langgraph_node"] == "model" and chunk.type in ("AIMessageChunk", "ai"):
            shown += step.show(chunk.text)
    return [shown]


def _llama(step: Step, response: Any) -> str:
    calls = response.message.blocks if step.tool else []
    notes = "".join(str(getattr(block, "tool_kwargs", "")) for block in calls)
    return f"{response.message.content or ''}{notes}"


_TOOL = FunctionTool.from_defaults(_note, name="record")


def _history(step: Step) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=step.question)]


def chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    return [_llama(step, llm.chat_with_tools([_TOOL], chat_history=_history(step)) if step.tool else llm.chat(_history(step)))]


async def achat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.achat_with_tools([_TOOL], chat_history=_history(step)) if step.tool else llm.achat(_history(step))
    return [_llama(step, await asked)]


def stream_chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.stream_chat_with_tools([_TOOL], chat_history=_history(step)) if step.tool else llm.stream_chat(_history(step))
    shown, last = "", None
    for last in asked:
        shown += step.show(last.delta or "")
    return [_llama(step, last) if step.tool else shown]


async def astream_chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.astream_chat_with_tools([_TOOL], chat_history=_history(step)) if step.tool else llm.astream_chat(_history(step))
    shown, last = "", None
    async for last in await asked:
        shown += step.show(last.delta or "")
    return [_llama(step, last) if step.tool else shown]


_SCHEMA = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
_FUNCTION = {"type": "function", "function": {"name": "record", "description": "Record a note.", "parameters": _SCHEMA}}


def _asked(step: Step) -> list[Any]:
    return [{"role": "user", "content": step.question}]


def _tools(step: Step) -> dict[str, Any]:
    return {"tools": [_FUNCTION]} if step.tool else {}


def _completion(completion: Any) -> str:
    notes = "".join(call["function"]["arguments"] for call in completion.tool_calls)
    return f"{completion.text}{notes}"


def complete(world: World, step: Step) -> list[str]:
    return [_completion(world.clients.complete(_asked(step), **_tools(step)))]


async def acomplete(world: World, step: Step) -> list[str]:
    return [_completion(await world.clients.acomplete(_asked(step), **_tools(step)))]


def client_stream(world: World, step: Step) -> list[str]:
    asked = world.clients.stream(_asked(step), **_tools(step))
    shown = "".join(step.show(text) for text in asked)
    return [_completion(asked.completion) if step.tool else shown]


async def client_astream(world: World, step: Step) -> list[str]:
    asked = world.clients.astream(_asked(step), **_tools(step))
    shown = "".join([step.show(text) async for text in asked])
    return [_completion(asked.completion) if step.tool else shown]


DOORS = [
    Door("ChatSwitchwise.invoke", invoke),
    Door("ChatSwitchwise.ainvoke", ainvoke, True),
    Door("ChatSwitchwise.batch", batch),
    Door("ChatSwitchwise.stream", stream),
    Door("ChatSwitchwise.astream", astream, True),
    Door("SwitchwiseMiddleware", agent),
    Door("SwitchwiseMiddleware, streamed", agent_stream),
    Door("Switchwise.chat", chat),
    Door("Switchwise.achat", achat, True),
    Door("Switchwise.stream_chat", stream_chat),
    Door("Switchwise.astream_chat", astream_chat, True),
    Door("Clients.complete", complete),
    Door("Clients.acomplete", acomplete, True),
    Door("Clients.stream", client_stream),
    Door("Clients.astream", client_astream, True),
]

__all__ = ["DOORS", "Door"]
