"""The world of the chaos run: four targets over two servers, and routers over them in each framework."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

from everything import Everything
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise
from switchwise import Attempt, Pool, Price, Router, Target, Usage
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.policies import Budget, Fits, Healthy, Hedge
from switchwise.verifiers import usable
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request, ToolCall

LONGEST = 200
"""Tokens of an answer: what the budget sets aside for a call goes by it."""
APART = 100_000.0
"""Seconds between two steps, on the clock of the routers: every target has recovered meanwhile."""
PRICE = Price(1, 4)


class Models:
    """The models behind the targets."""

    OPUS, SOL, HAIKU, LUNA = "claude-opus-5-5", "gpt-4.1", "claude-haiku-5-5", "gpt-4.1-mini"
    ALL: ClassVar = [OPUS, SOL, HAIKU, LUNA]


@dataclass
class Step:
    """One step: what is asked, and what an answer must hold exactly once.

    Parameters:
        number: of its question.
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
    def question(self) -> str:
        """What is asked in it."""
        return f"Go on with step {self.number}."

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


class World:
    """Two local servers, and routers over four targets of theirs in each framework.

    Parameters:
        hedge: call a second target where the first says nothing for 10 ms.
        everything: what else is on; None: nothing.
    """

    def __init__(self, hedge: bool = False, everything: Everything | None = None) -> None:
        self._hedge, self.everything = hedge, everything
        self._servers = [LoopbackProvider(answer=self._answer, keep=1_000), LoopbackProvider(answer=self._answer, keep=1_000)]
        self._step = Step(0, False)
        self._ahead = 0.0
        self.billed, self.hits = 0.0, 0
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
        options: dict[str, Any] = {"max_retries": 0, "timeout": 2.0, "max_tokens": LONGEST}
        keys = {model: {"api_key": f"key-{number}"} for number, model in enumerate(Models.ALL)}  # an account for each target
        sdk: dict[str, Any] = {"timeout": 2.0, "refusals": "fail", "defaults": {"max_tokens": LONGEST}}
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
        """A router over the four targets."""
        providers = {Models.OPUS: "anthropic", Models.SOL: "openai", Models.HAIKU: "anthropic", Models.LUNA: "openai"}
        pool = Pool([Target(model, providers[model], model, PRICE) for model in Models.ALL])
        options: dict[str, Any] = {"recovery": Recovery(patience=0.2, pause=0.01), "verify": None if live else usable()}
        options |= {"clock": lambda: time.time() + self._ahead, "observers": [self._seen]}
        hedges = [Hedge(after=0.01, at_most=1.0, effects=True)] if self._hedge else []
        if self.everything is not None:
            policies, more = self.everything.chain()
            return Router(pool, Fits(), Healthy(), *policies, *hedges, **options, **more)
        self.budgets.append(budget := Budget(usd=1_000, per="process"))
        return Router(pool, Fits(), Healthy(), budget, *hedges, **options)

    def _seen(self, attempt: Attempt) -> None:
        self.hits += attempt.call.stored is not None
        self.decisions.add(attempt.call.view.decision)

    def solved(self, live: bool, reward: float) -> None:
        """Report the outcome of the step to the estimators."""
        router: Router = self._doors[live]["clients"].router
        for decision in self.decisions:
            router.feedback(decision, reward)

    def fail(self, model: str, fault: Fault) -> None:
        """Let a target fail in this step, in each framework."""
        server = self._servers[Models.ALL.index(model) // 2]
        for name in {model, self._llama[model][1]}:
            server.inject(fault, times=None, model=name, seconds=0.2, retry_after=None)

    def begin(self, step: Step) -> None:
        """A step is asked for from now on."""
        self._step, self._ahead = step, self._ahead + APART
        self.decisions = set[str]()
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


__all__ = ["Models", "Step", "World"]
