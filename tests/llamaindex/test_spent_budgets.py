"""A budget that is used up ends a run: it reaches LlamaIndex's own loops and retry policies as what it is, and no provider is called."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise
from switchwise import BudgetExceeded, Pool, Router, Target
from switchwise.policies import Budget
from switchwise_loopback import LoopbackProvider


def spent(provider: LoopbackProvider) -> Switchwise:
    one = OpenAI(model="gpt-4o-mini", api_key="x", api_base=provider.openai_url, max_retries=3)
    return Switchwise({"one": one}, router=Router(Pool([Target("one")]), Budget(tokens=1, per="all")))


class UnlessSpent:
    """A retry policy of a step."""

    def __init__(self) -> None:
        self.seen: list[Exception] = []

    def next(self, elapsed_time: float, attempts: int, error: Exception, *_: Any, **__: Any) -> float | None:
        self.seen.append(error)
        return None if isinstance(error, BudgetExceeded) or attempts > 3 else 0.0


async def test_a_step_that_retries_can_recognise_it_and_no_provider_is_called() -> None:
    policy = UnlessSpent()
    with LoopbackProvider() as provider:
        llm = spent(provider)

        class Flow(Workflow):
            @step(retry_policy=policy)
            async def ask(self, ev: StartEvent) -> StopEvent:
                return StopEvent(result=str(await llm.acomplete("hello")))

        with pytest.raises(BudgetExceeded, match="all calls together have spent 0 of 1 tokens"):
            await Flow().run()
        assert not provider.requests
    assert [type(error) for error in policy.seen] == [BudgetExceeded]


async def test_an_agent_ends_with_it() -> None:
    with LoopbackProvider() as provider:
        agent = FunctionAgent(tools=[], llm=spent(provider))
        with pytest.raises(BudgetExceeded):
            await agent.run("hello")
        assert not provider.requests
