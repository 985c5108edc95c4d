"""The rate-limit headers of answers reach the policies through every adapter, and steer before the first 429."""

import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Router, Target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.dialects.rate_limits import allowances
from switchwise.nouns.exchange.allowance import Allowance
from switchwise.policies import Headroom
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider
from switchwise_loopback.nouns.errors import Reject

DRAINED = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
SENT = ["23:45:24", "23:45:41", "23:45:58"]
DRAINING = [(112_000, "23:45:50"), (35_000, "23:46:31"), (0, "23:47:12")]
"""As recorded (crmne/ruby_llm, `chat_with_failover`): input tokens left, and when they are all there again; the fourth call was a 429."""


def recorded(number):
    left, full = DRAINING[number]
    return {
        "date": f"Mon, 11 Aug 2025 {SENT[number]} GMT",
        "retry-after": "7",
        "anthropic-ratelimit-input-tokens-limit": "200000",
        "anthropic-ratelimit-input-tokens-remaining": str(left),
        "anthropic-ratelimit-input-tokens-reset": f"2025-08-11T{full}Z",
        "anthropic-ratelimit-output-tokens-limit": "80000",
        "anthropic-ratelimit-output-tokens-remaining": "80000",
        "anthropic-ratelimit-output-tokens-reset": f"2025-08-11T{SENT[number]}Z",
    }


def test_headers_are_read_as_both_providers_send_them():
    assert allowances(recorded(1)) == (
        Allowance("input_tokens", 200_000, 35_000, 50.0),
        Allowance("output_tokens", 80_000, 80_000, 0.0),
    )
    both = {
        **DRAINED,
        "x-ratelimit-limit-tokens": "800000",
        "x-ratelimit-remaining-tokens": "1",
        "x-ratelimit-reset-tokens": "21m36.001s",
    }
    assert allowances(both) == (Allowance("requests", 500, 0, 30.0), Allowance("tokens", 800_000, 1, 1296.001))
    azure = {"x-ratelimit-limit-tokens": "-1", "x-ratelimit-remaining-tokens": "-1", "anthropic-ratelimit-tokens-limit": "soon"}
    assert allowances(azure) == ()
    epoch = {**recorded(0), "anthropic-ratelimit-input-tokens-reset": "1970-01-01T00:00:00Z"}
    assert allowances(epoch)[0].resets is None


@pytest.mark.parametrize("streamed", [False, True])
def test_draining_as_recorded_traffic_moves_before_the_first_429(streamed):
    served = []

    def responder(request):
        served.append(request.model)
        claude = served.count("claude-opus-4-5")
        if request.model.startswith("claude") and claude > 3:
            raise Reject(429, "your organization's rate limit of 200,000 input tokens per minute", "rate_limit_error")
        return Answer("yes", headers=recorded(claude - 1) if request.model.startswith("claude") else {})

    pool = Pool([Target("claude", "anthropic", "claude-opus-4-5"), Target("gpt", "openai", "gpt-4o-mini")])
    clock = Clock()
    with LoopbackProvider(responder) as provider:
        clients = Clients(
            {
                "claude": AnthropicClient(base_url=provider.anthropic_url, api_key="x"),
                "gpt": OpenAIClient(base_url=provider.openai_url, api_key="x"),
            },
            Router(pool, Headroom(), clock=clock),
        )
        answers = []
        for _ in range(6):
            if streamed:
                stream = clients.stream([{"role": "user", "content": "Hello"}])
                list(stream)
                answers.append(stream.completion)
            else:
                answers.append(clients.complete([{"role": "user", "content": "Hello"}]))
            clock.advance(1)
        assert [answer.outcome.target.name for answer in answers] == ["claude"] * 3 + ["gpt"] * 3
        assert all(len(answer.outcome.attempts) == 1 for answer in answers), "nobody met a 429"
        assert served.count("claude-opus-4-5") == 3
        clock.advance(70)  # 74 seconds until all of it is back
        assert clients.router.decide(_view()).names[0] == "claude"


def _view():
    from switchwise import View

    return View(tokens=100)


def drained(request):
    return Answer("yes", headers=DRAINED if request.model == "gpt-4o" else {})


POOL = Pool([Target("first", "openai", "gpt-4o"), Target("second", "openai", "gpt-4o-mini")])


@pytest.fixture
def openai_url():
    with LoopbackProvider(drained) as provider:
        yield provider.openai_url


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
async def test_langchain_hears_the_headers(openai_url, how):
    models = {
        name: ChatOpenAI(model=model, base_url=openai_url, api_key="x", stream_usage=True)
        for name, model in (("first", "gpt-4o"), ("second", "gpt-4o-mini"))
    }
    llm = ChatSwitchwise(models, router=Router(POOL, Headroom()))
    if how == "invoke":
        llm.invoke("Hello")
    elif how == "ainvoke":
        await llm.ainvoke("Hello")
    elif how == "stream":
        list(llm.stream("Hello"))
    else:
        _ = [chunk async for chunk in llm.astream("Hello")]
    assert llm.explain("Hello").shortlist.names == ("second",)


@pytest.mark.parametrize("how", ["chat", "achat", "stream_chat", "astream_chat"])
async def test_llama_index_hears_the_headers(openai_url, how):
    models = {
        name: OpenAI(model=model, api_base=openai_url, api_key="x")
        for name, model in (("first", "gpt-4o"), ("second", "gpt-4o-mini"))
    }
    llm = Switchwise(models, router=Router(POOL, Headroom()))
    messages = [ChatMessage("Hello")]
    if how == "chat":
        llm.chat(messages)
    elif how == "achat":
        await llm.achat(messages)
    elif how == "stream_chat":
        list(llm.stream_chat(messages))
    else:
        _ = [chunk async for chunk in await llm.astream_chat(messages)]
    assert llm.router.decide(_view()).names == ("second",)
