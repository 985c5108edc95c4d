"""The doors of the chaos run: four targets over two servers, and each way in which a step may be asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Price, Router, Target, Usage
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.policies import Budget, Fits, Healthy, Hedge
from switchwise.verifiers import usable
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request, ToolCall

PRICE = Price(1, 4)


class Models:
    """The models behind the targets."""

    OPUS, SOL, HAIKU, LUNA = "claude-opus-5-5", "gpt-4.1", "claude-haiku-5-5", "gpt-4.1-mini"
    ALL: ClassVar = [OPUS, SOL, HAIKU, LUNA]


@dataclass
class Step:
    """One step: what is asked, and what an answer must hold exactly once.

    Parameters:
        number: of the step.
        tool: the answer is a tool call.
        live: its answer is shown as it comes, and not judged before.
        shown: something of an answer was shown.
    """

    number: int
    tool: bool
    live: bool = False
    shown: bool = False
    parts: list[str] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """What only this step's answer says."""
        return f"<{self.number}>"

    def judge(self, answers: list[str]) -> str:
        """ok, empty or doubled."""
        found = [answer.count(self.mark) for answer in answers]
        return "ok" if set(found) == {1} else "doubled" if max(found, default=0) > 1 else "empty"

    def show(self, text: str) -> str:
        """Text that a user has seen now."""
        self.shown = self.shown or bool(text)
        return text


@tool
def record(note: str) -> str:
    """Record a note."""
    return f"recorded {note}"


def _note(note: str) -> str:
    """Record a note."""
    return f"recorded {note}"


class World:
    """Two local servers, and routers over four targets of theirs in each framework.

    Parameters:
        hedge: call a second target where the first says nothing for 10 ms.
    """

    def __init__(self, hedge: bool = False) -> None:
        self._hedge = hedge
        self._servers = [LoopbackProvider(answer=self._answer, keep=1_000), LoopbackProvider(answer=self._answer, keep=1_000)]
        self._step = Step(0, False)
        self._seconds = itertools.count(0, 100_000)
        self.billed = 0.0
        self.budgets: list[Budget] = []

    def __enter__(self) -> World:
        for server in self._servers:
            server.start()
        first, second = self._servers
        self._llama = {Models.OPUS: (first, "gpt-4o"), Models.SOL: (first, "gpt-4.1-nano")}
        self._llama |= {Models.HAIKU: (second, "gpt-4o-mini"), Models.LUNA: (second, "gpt-4-turbo")}
        self._doors = {live: self._opened(live) for live in (False, True)}
        self.use(False)
        return self

    def use(self, live: bool) -> None:
        """Use the doors that show answers as they come, or those that judge them first."""
        vars(self).update(self._doors[live])

    def _opened(self, live: bool) -> dict[str, Any]:
        """A chat model, the same with a tool, an agent, an LLM and clients."""
        first, second = self._servers
        options: dict[str, Any] = {"max_retries": 0, "timeout": 2.0}
        keys = {model: {"api_key": f"key-{number}"} for number, model in enumerate(Models.ALL)}  # an account for each target
        sdk: dict[str, Any] = {"timeout": 2.0, "refusals": "fail"}
        chat = ChatSwitchwise(
            router=self._router(live),
            models={
                Models.OPUS: ChatAnthropic(model=Models.OPUS, **keys[Models.OPUS], base_url=first.anthropic_url, **options),
                Models.SOL: ChatOpenAI(
                    model=Models.SOL, **keys[Models.SOL], base_url=first.openai_url, stream_usage=True, **options
                ),
                Models.HAIKU: ChatAnthropic(model=Models.HAIKU, **keys[Models.HAIKU], base_url=second.anthropic_url, **options),
                Models.LUNA: ChatOpenAI(
                    model=Models.LUNA, **keys[Models.LUNA], base_url=second.openai_url, stream_usage=True, **options
                ),
            },
        )
        llm = Switchwise(
            router=self._router(live),
            models={
                name: OpenAI(model=model, api_base=server.openai_url, **keys[name], **options)
                for name, (server, model) in self._llama.items()
            },
        )
        clients = Clients(
            {
                Models.OPUS: AnthropicClient(model=Models.OPUS, **keys[Models.OPUS], base_url=first.anthropic_url, **sdk),
                Models.SOL: OpenAIClient(model=Models.SOL, **keys[Models.SOL], base_url=first.openai_url, **sdk),
                Models.HAIKU: AnthropicClient(model=Models.HAIKU, **keys[Models.HAIKU], base_url=second.anthropic_url, **sdk),
                Models.LUNA: OpenAIClient(model=Models.LUNA, **keys[Models.LUNA], base_url=second.openai_url, **sdk),
            },
            self._router(live),
        )
        agent = create_agent(chat, [record], middleware=[SwitchwiseMiddleware()])
        return {"chat": chat, "bound": chat.bind_tools([record]), "agent": agent, "llm": llm, "clients": clients}

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.stop()

    def _router(self, live: bool) -> Router:
        """One whose clock runs so fast that every target has recovered at the next step."""
        providers = {Models.OPUS: "anthropic", Models.SOL: "openai", Models.HAIKU: "anthropic", Models.LUNA: "openai"}
        pool = Pool([Target(model, providers[model], model, PRICE) for model in Models.ALL])
        self.budgets.append(budget := Budget(usd=1_000, per="process"))
        hedges = [Hedge(after=0.01, at_most=1.0, effects=True)] if self._hedge else []
        return Router(
            pool,
            Fits(),
            Healthy(),
            budget,
            *hedges,
            recovery=Recovery(patience=0.2, pause=0.01),
            verify=None if live else usable(),
            clock=lambda: float(next(self._seconds)),
        )

    def fail(self, model: str, fault: Fault) -> None:
        """Let a target fail in this step, in each framework."""
        server = self._servers[Models.ALL.index(model) // 2]
        for name in {model, self._llama[model][1]}:
            server.inject(fault, times=None, model=name, seconds=0.2, retry_after=None)

    def begin(self, step: Step) -> None:
        """A step is asked for from now on."""
        self._step = step
        self.use(step.live)
        for server in self._servers:
            server.forget()

    def end(self) -> int:
        """It is over: how many requests it took at the most, in one ask."""
        seen = [request for server in self._servers for request in server.requests]
        requests = len(seen)
        usages = [Usage(request.usage.input_tokens, request.usage.output_tokens) for request in seen if request.usage]
        self.billed += sum(PRICE.cost(usage) for usage in usages)
        for server in self._servers:
            server.clear()
        return requests

    def _answer(self, request: Request) -> Answer:
        step = self._step
        if step.tool and request.tools and not any(turn.results for turn in request.messages):
            return Answer("", tool_calls=(ToolCall(request.tools[0].name, {"note": step.mark}),))
        return Answer(f"The answer to this step is {step.mark}, as was asked.")


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
    """What a LangChain message says: its text, or the notes of its tool calls."""
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
    return [_said(_chat(world, step).invoke("Go on."))]


async def ainvoke(world: World, step: Step) -> list[str]:
    return [_said(await _chat(world, step).ainvoke("Go on."))]


def batch(world: World, step: Step) -> list[str]:
    return [_said(message) for message in _chat(world, step).batch(["Go on.", "Go on, please."])]


def stream(world: World, step: Step) -> list[str]:
    chunks = []
    for chunk in _chat(world, step).stream("Go on."):
        step.show(chunk.text)
        chunks.append(chunk)
    return [_joined(chunks)]


async def astream(world: World, step: Step) -> list[str]:
    chunks = []
    async for chunk in _chat(world, step).astream("Go on."):
        step.show(chunk.text)
        chunks.append(chunk)
    return [_joined(chunks)]


def agent(world: World, _: Step) -> list[str]:
    state = world.agent.invoke({"messages": [("user", "Go on.")]})
    return [_said(state["messages"][-1])]


def agent_stream(world: World, step: Step) -> list[str]:
    shown = ""
    for chunk, data in world.agent.stream({"messages": [("user", "Go on.")]}, stream_mode="messages"):
        if data["langgraph_node"] == "model" and chunk.type in ("AIMessageChunk", "ai"):
            shown += step.show(chunk.text)
    return [shown]


def _llama(step: Step, response: Any) -> str:
    calls = response.message.blocks if step.tool else []
    notes = "".join(str(getattr(block, "tool_kwargs", "")) for block in calls)
    return f"{response.message.content or ''}{notes}"


_TOOL = FunctionTool.from_defaults(_note, name="record")


def _history() -> list[ChatMessage]:
    return [ChatMessage(role="user", content="Go on.")]


def chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    return [_llama(step, llm.chat_with_tools([_TOOL], chat_history=_history()) if step.tool else llm.chat(_history()))]


async def achat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.achat_with_tools([_TOOL], chat_history=_history()) if step.tool else llm.achat(_history())
    return [_llama(step, await asked)]


def stream_chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.stream_chat_with_tools([_TOOL], chat_history=_history()) if step.tool else llm.stream_chat(_history())
    shown, last = "", None
    for last in asked:
        shown += step.show(last.delta or "")
    return [_llama(step, last) if step.tool else shown]


async def astream_chat(world: World, step: Step) -> list[str]:
    llm = world.llm
    asked = llm.astream_chat_with_tools([_TOOL], chat_history=_history()) if step.tool else llm.astream_chat(_history())
    shown, last = "", None
    async for last in await asked:
        shown += step.show(last.delta or "")
    return [_llama(step, last) if step.tool else shown]


_SCHEMA = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
_FUNCTION = {"type": "function", "function": {"name": "record", "description": "Record a note.", "parameters": _SCHEMA}}
_ASKED = [{"role": "user", "content": "Go on."}]


def _tools(step: Step) -> dict[str, Any]:
    return {"tools": [_FUNCTION]} if step.tool else {}


def _completion(completion: Any) -> str:
    notes = "".join(call["function"]["arguments"] for call in completion.tool_calls)
    return f"{completion.text}{notes}"


def complete(world: World, step: Step) -> list[str]:
    return [_completion(world.clients.complete(list(_ASKED), **_tools(step)))]


async def acomplete(world: World, step: Step) -> list[str]:
    return [_completion(await world.clients.acomplete(list(_ASKED), **_tools(step)))]


def client_stream(world: World, step: Step) -> list[str]:
    asked = world.clients.stream(list(_ASKED), **_tools(step))
    shown = "".join(step.show(text) for text in asked)
    return [_completion(asked.completion) if step.tool else shown]


async def client_astream(world: World, step: Step) -> list[str]:
    asked = world.clients.astream(list(_ASKED), **_tools(step))
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

__all__ = ["DOORS", "Door", "Models", "Step", "World"]
