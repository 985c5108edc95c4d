"""A decision model answers in LlamaIndex: over HTTP, and as a question to an LLM of the pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Router, Target
from switchwise.clients import OpenAIDecisions, SystemOne
from switchwise.observe.journal import InMemory
from switchwise.policies import ByDecision, Rules
from switchwise.verifiers import Judge
from switchwise_loopback import Answer, LoopbackProvider, Request

TARGETS = {"easy": "fast", "hard": "strong"}


def says(request: Request) -> Answer:
    hard = "proof" in request.last_user_text
    if request.api in ("decisions", "systemone"):
        return Answer("hard" if hard else "easy")
    text = request.last_user_text
    if "ANSWERS " in text:
        code = text.split("ANSWERS ")[1][:8]
        return Answer(f'ANSWERS {code}: {{"switchwise": "{"hard" if hard else "easy"}"}}')
    return Answer(f"{request.model} says")


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(says) as running:
        yield running


def routed(provider: LoopbackProvider, *policies: object, asked: tuple[Target, ...] = (), **options: object) -> Switchwise:
    names = ["strong", "fast", *(target.name for target in asked)]
    models = {name: OpenAI(model="gpt-5.4-mini", api_base=provider.openai_url, api_key="test", max_retries=0) for name in names}
    pool = Pool([Target("strong"), Target("fast")], asked=asked)
    return Switchwise(models, router=Router(pool, *policies, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [OpenAIDecisions, SystemOne])
async def test_a_decision_model_chooses_whole_streamed_and_asynchronously(provider, kind):
    model = kind("gpt-6-luna", api_key="test", base_url=provider.openai_url)
    journal = InMemory()
    llm = routed(provider, ByDecision(model, "How hard is it?", TARGETS), observers=[journal])
    llm.chat([ChatMessage(role="user", content="Say hello.")], route={"session": "a"})
    list(llm.stream_chat([ChatMessage(role="user", content="Find a proof.")], route={"session": "b"}))
    await llm.acomplete("Find another proof.", route={"session": "c"})
    answers = [record.target for record in journal if record.purpose == "answer"]
    assert answers == ["fast", "strong", "strong"]
    assert [record.purpose for record in journal] == ["ask", "answer"] * 3
    judged = [seen.body.get("input", seen.body.get("state")) for seen in provider.requests if "questions" in seen.body]
    assert judged == ["Say hello.", "Find a proof.", "Find another proof."]


async def test_an_llm_of_the_pool_can_be_asked_in_its_place(provider):
    journal = InMemory()
    llm = routed(
        provider, ByDecision("classifier", "How hard is it?", TARGETS), asked=(Target("classifier"),), observers=[journal]
    )
    llm.chat([ChatMessage(role="user", content="Say hello.")], route={"session": "a"})
    await llm.achat([ChatMessage(role="user", content="Find a proof.")], route={"session": "b"})
    assert [(record.purpose, record.target) for record in journal] == [
        ("ask", "classifier"),
        ("answer", "fast"),
        ("ask", "classifier"),
        ("answer", "strong"),
    ]


def test_a_judge_that_is_ruled_out_never_sees_the_reply(provider):
    llm = routed(
        provider,
        Rules().exclude("judge", because="not in the EU"),
        asked=(Target("judge"),),
        verify=Judge("judge"),
        observers=[journal := InMemory()],
    )
    llm.chat([ChatMessage(role="user", content="Say hello.")])
    assert [record.target for record in journal] == ["strong"]
    assert len(provider.requests) == 1
