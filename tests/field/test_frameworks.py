"""What agents of a framework decide by our chat model's own account: FIELD D1, D4, D5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from llama_index.core.llms import MockLLM
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise_loopback import Answer, LoopbackProvider, Request, Usage

SUMMARY = "In short: nothing much."


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    def answer(request: Request) -> Answer:
        asked = request.messages[-1].text
        return Answer(SUMMARY if "summar" in asked.lower() else "Fine.", usage=Usage(8_990, 10))

    with LoopbackProvider(answer) as running:
        yield running


def chat(provider: LoopbackProvider, model: str) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=provider.openai_url, api_key="k", stream_usage=True)


@pytest.mark.parametrize("routed", [False, True], ids=["native", "routed"])
def test_d1_a_history_is_summarised_by_the_tokens_that_answers_report(routed: bool, provider: LoopbackProvider) -> None:
    llm: Any = chat(provider, "gpt-4.1")
    if routed:
        llm = ChatSwitchwise({"strong": llm, "fast": chat(provider, "gpt-4.1-mini")})
    agent = create_agent(llm, [], middleware=[SummarizationMiddleware(llm, trigger=("tokens", 5_000), keep=("messages", 2))])
    messages: list[Any] = [HumanMessage("hi"), agent.invoke({"messages": [HumanMessage("hi")]})["messages"][-1]]
    messages += [HumanMessage("and then?"), AIMessage("Well."), HumanMessage("and now?")]
    messages[-2] = messages[1].model_copy(update={"id": "2"})
    state = agent.invoke({"messages": messages})
    assert any(SUMMARY in str(message.text) for message in state["messages"]), (
        "9,000 tokens were reported, 5,000 are the trigger"
    )


def test_d4_the_window_that_counts_is_the_largest_that_can_serve(provider: LoopbackProvider) -> None:
    large, small = chat(provider, "gpt-4.1"), chat(provider, "gpt-4o")
    windows = [model.profile["max_input_tokens"] for model in (large, small)]
    assert windows[0] > windows[1]
    assert ChatSwitchwise({"large": large, "small": small}).profile["max_input_tokens"] == windows[0]
    llms = {name: OpenAI(model=name, api_key="k") for name in ("gpt-4.1", "gpt-4o")}
    assert Switchwise(llms).metadata.context_window == llms["gpt-4.1"].metadata.context_window


def test_d5_a_pool_calls_tools_if_one_of_its_targets_does(provider: LoopbackProvider) -> None:
    llm = Switchwise({"plain": MockLLM(), "tools": OpenAI(model="gpt-4.1", api_base=provider.openai_url, api_key="k")})
    assert llm.metadata.is_function_calling_model
    tool = FunctionTool.from_defaults(lambda note: note, name="record", description="Record a note.")
    answer = llm.chat_with_tools([tool], user_msg="hi")
    assert answer.additional_kwargs["switchwise"]["target"] == "tools"
    assert llm.chat([]).additional_kwargs["switchwise"]["target"] == "plain", "without tools the first one answers"


def test_d6_a_leg_of_the_gate_has_the_newest_versions() -> None:
    root = Path(__file__).parents[2]
    workflow = (root / ".github" / "workflows" / "check.yml").read_text()
    assert "make test-${{ matrix.dependencies }}" in workflow
    assert "dependencies: [oldest, newest]" in workflow
    assert "bash .ci/run" in workflow, "and one has the locked ones"
    recipe = (root / "Makefile").read_text().partition("test-newest:")[2].partition("\n\n")[0]
    assert "--upgrade" in recipe
    assert all(f"tests/{suite}" in recipe for suite in ("core", "clients", "langchain"))
