"""Structured output, by the strategy and with the parser of the target that was chosen."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel, Field

from langchain_switchwise import ChatSwitchwise
from switchwise import Verdict
from switchwise.observe.journal import InMemory
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import CLAUDE, claude, gpt, pinned


class Place(BaseModel):
    """A place that is asked for."""

    city: str = Field(description="its name")


@pytest.mark.parametrize("target", ["strong", "fast"])
async def test_every_target_gives_the_same_kind_of_answer(real: ChatSwitchwise, target: str) -> None:
    structured = real.with_structured_output(Place)
    assert isinstance(structured.invoke("Where is Paris?", pinned(target)), Place)
    assert isinstance(await structured.ainvoke("Where is Paris?", pinned(target)), Place)
    assert isinstance(list(structured.stream("Where is Paris?", pinned(target)))[-1], Place)
    assert isinstance([part async for part in structured.astream("Where is Paris?", pinned(target))][-1], Place)


@pytest.mark.parametrize("target", ["strong", "fast"])
@pytest.mark.parametrize("include_raw", [False, True])
async def test_streaming_can_be_switched_off(provider: LoopbackProvider, target: str, include_raw: bool) -> None:
    llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)}, disable_streaming=True)
    structured = llm.with_structured_output(Place, include_raw=include_raw)
    parts = list(structured.stream("Where is Paris?", pinned(target)))
    parts += [part async for part in structured.astream("Where is Paris?", pinned(target))]
    answer: Any = parts[-1]
    assert isinstance(answer["parsed"] if include_raw else answer, Place)
    assert len(provider.requests) == 2
    assert not any(request.body.get("stream") for request in provider.requests)


def test_each_target_is_asked_in_its_own_way(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    structured = real.with_structured_output(Place)
    structured.invoke("Where is Paris?", pinned("fast"))
    structured.invoke("Where is Paris?", pinned("strong"))
    first, second = provider.requests
    assert first.body["response_format"]["type"] == "json_schema"
    assert second.body["tool_choice"]["name"] == "Place"


def test_another_target_takes_over_with_its_own_parser(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    provider.inject(Fault.OVERLOADED, provider="anthropic")
    structured = real.with_structured_output(Place, include_raw=True)
    answer: Any = structured.invoke("Where is Paris?")
    assert isinstance(answer["parsed"], Place)
    assert [attempt["target"] for attempt in answer["raw"].response_metadata["switchwise"]["attempts"]] == ["strong", "fast"]


def test_tokens_are_counted_once_and_reach_the_journal(provider: LoopbackProvider) -> None:
    journal, usage = InMemory(), UsageMetadataCallbackHandler()
    llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)}, observers=[journal])
    llm.with_structured_output(Place).invoke("Where is Paris?", {"callbacks": [usage]})
    (record,) = journal
    assert record.input_tokens + record.output_tokens == usage.usage_metadata[CLAUDE]["total_tokens"]


def test_a_schema_that_no_target_takes_is_refused_at_once(real: ChatSwitchwise) -> None:
    with pytest.raises(ValueError, match=r"(?i)method"):
        real.with_structured_output(Place, method="nonsense")


def test_an_answer_that_cannot_be_parsed_is_the_callers_to_see() -> None:
    with LoopbackProvider(answer=[Answer("no json at all")]) as provider:
        llm = ChatSwitchwise({"fast": gpt(provider)})
        with pytest.raises((OutputParserException, ValueError)):
            llm.with_structured_output(Place, method="json_mode").invoke("Where is Paris? Answer in JSON.")


def test_a_verifier_sees_the_answer_before_it_is_parsed(provider: LoopbackProvider) -> None:
    seen: list[Any] = []

    def verify(view: Any, reply: Any) -> Verdict:
        seen.append((view.needs.structured_output, reply.tool_calls))
        return Verdict(len(seen) > 1)

    llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)}, verify=verify)
    assert isinstance(llm.with_structured_output(Place).invoke("Where is Paris?"), Place)
    assert seen[0][0] is True
    assert seen[0][1][0][0] == "Place"
