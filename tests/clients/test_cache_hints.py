"""What the clients do so that prompt caches are found again, over the real SDKs and a provider that keeps caches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from switchwise import Attempt, ConfigurationError, Pool, Price, Router, Target, View, drive
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.nouns.scope import Scope
from switchwise.prompt_cache import CacheHints, CacheRules
from switchwise.switching.advisor import Advisor
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from ..prompt_caches import HERE, LONG, marks

OPUS, GPT = Target("opus", "anthropic", "claude-opus-5-5"), Target("gpt", "openai", "gpt-6-sol")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"To {name} a file. " * 40,
            "parameters": {"type": "object", "properties": {}},
        },
    }
    for name in ("write", "read", "find")
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> Iterator[LoopbackProvider]:
    """Calls tools: as many as the last message names."""

    def answer(request: Request) -> Answer:
        wanted = int(next(iter(word for word in str(request.messages[-1]).split() if word.isdigit()), "1"))
        return Answer("So.", tuple(ToolCall("read", {"path": f"{i}.py"}) for i in range(wanted)))

    with LoopbackProvider(answer, clock=clock) as running:
        yield running


def clients(provider: LoopbackProvider, **options: Any) -> Clients:
    made = {
        "opus": AnthropicClient(model="claude-opus-5-5", base_url=provider.anthropic_url, api_key="x", **options),
        "gpt": OpenAIClient(model="gpt-6-sol", base_url=provider.openai_url, api_key="x", **options),
    }
    return Clients(made, Router(Pool([OPUS, GPT])))


class Thread:
    """A conversation that goes on: each answer calls tools, whose results are what is asked next."""

    def __init__(self, clients: Clients, clock: Clock, session: str = "s1", system: str = LONG) -> None:
        self.clients, self.clock, self.session = clients, clock, session
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": system}, {"role": "user", "content": "Begin 1"}]
        self.read: list[int] = []
        self.prompts: list[int] = []

    def step(self, target: str = "opus", calls: int = 1, **options: Any) -> None:
        self.clock.advance(5)
        done = self.clients.complete(self.messages, session=self.session, tools=TOOLS, target=target, **options)
        usage = done.outcome.reply.usage
        assert usage is not None
        self.read.append(usage.cache_read_tokens or 0)
        self.prompts.append(usage.input_tokens)
        self.messages.append(done.message)
        results = [f"found {calls} {'x' * 200}", *["found"] * len(done.tool_calls)][: len(done.tool_calls)]
        for call, said in zip(done.tool_calls, reversed(results), strict=True):
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})


def body(provider: LoopbackProvider, at: int = -1) -> dict[str, Any]:
    return dict(provider.requests[at].body)


# -- Anthropic's marks ---------------------------------------------------------------------------------------------


def test_without_marks_anthropic_keeps_nothing_and_with_them_all_but_the_newest(
    provider: LoopbackProvider, clock: Clock
) -> None:
    plain = Thread(clients(provider), clock)
    for _ in range(8):
        plain.step()
    marked = Thread(clients(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    for _ in range(8):
        marked.step()
    assert plain.prompts == marked.prompts
    assert sum(plain.read) == 0
    assert sum(marked.read) > 0.8 * sum(marked.prompts)


def test_marks_stand_at_the_end_of_tools_system_and_prompt(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.step()
    thread.step()
    assert marks(body(provider)) == ["tools.2", "system.0", "messages.2.0"]
    assert body(provider)["messages"][2]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_a_thread_of_the_same_agent_reads_what_both_begin_with(provider: LoopbackProvider, clock: Clock) -> None:
    both = clients(provider, cache_hints=CacheHints(breakpoints="5m"))
    Thread(both, clock).step()
    other = Thread(both, clock, session="s2")
    other.messages[1] = {"role": "user", "content": "Something else 1"}
    other.step()
    assert other.read[0] > 0.9 * other.prompts[0]
    stranger = Thread(both, clock, session="s3", system="Another agent. " * 20)
    stranger.step()
    assert 0 < stranger.read[0] < 0.9 * stranger.prompts[0], "the tools are shared all the same"


def test_what_was_asked_last_is_found_behind_a_turn_of_many_calls(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.step(calls=15)
    thread.step()
    thread.step()
    assert len(body(provider)["messages"][3]["content"]) > 10
    assert thread.read[2] >= thread.prompts[1] - 5, "the third prompt adds 31 blocks to the second: out of reach of its end"
    assert len(marks(body(provider))) == 4


def test_and_behind_a_long_stretch_that_went_elsewhere(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.step()
    thread.step()
    for _ in range(20):
        thread.step("gpt")
    thread.step()
    assert thread.read[-1] >= thread.prompts[1] - 5


def test_one_hour_is_asked_for_on_all_marks(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(breakpoints="1h")), clock)
    thread.step()
    clock.advance(1_800)
    thread.step()
    assert thread.read[1] > 0
    assert body(provider)["tools"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize("own", ["message", "top"])
def test_who_marks_himself_is_left_alone(provider: LoopbackProvider, clock: Clock, own: str) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(breakpoints="1h")), clock)
    mark = {"cache_control": {"type": "ephemeral"}}
    if own == "message":
        thread.messages[1] = {"role": "user", "content": [{"type": "text", "text": "Begin 1", **mark}]}
        thread.step()
        assert marks(body(provider)) == ["messages.0.0"]
    else:
        thread.step(extra={"anthropic": mark})
        assert marks(body(provider)) == ["top"]


def test_what_goes_to_openai_carries_no_marks(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(clients(provider, cache_hints=CacheHints(breakpoints="5m")), clock).step("gpt")
    assert "cache_control" not in json.dumps(body(provider))


@pytest.mark.parametrize("configured", [True, False])
def test_the_ledger_counts_on_the_far_breakpoint_only_if_configured(
    provider: LoopbackProvider, clock: Clock, configured: bool
) -> None:
    """By itself it assumes marks at the end and after the system prompt, and takes only that to be warm."""
    rules = CacheRules({"anthropic/claude-opus-5-5": {"lookback": 0}} if configured else {})
    advisor, expected = Advisor(rules), list[int]()
    priced = (
        Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5)),
        Target("gpt", "openai", "gpt-6-sol", Price(2, 10, 0.2, 2.5)),
    )

    def watch(attempt: Attempt) -> None:
        expected.append(advisor.expect(attempt.call.view, attempt.target).likely)
        advisor.learn(attempt, easy=False)

    made = clients(provider, cache_hints=CacheHints(breakpoints="5m"))
    thread = Thread(Clients(made.by_target, Router(Pool(priced), observers=[watch], clock=clock)), clock)
    for target in ["opus"] * 3 + ["gpt"] * 20 + ["opus"]:
        thread.step(target)
    assert thread.read[-1] > 0
    if configured:
        assert expected[-1] == pytest.approx(thread.read[-1], rel=0.02)
    else:
        assert 0 < expected[-1] < thread.read[-1]


# -- affinity ------------------------------------------------------------------------------------------------------


def test_an_unknown_endpoint_gets_no_cache_hints(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(clients(provider), clock).step("gpt")
    assert "prompt_cache_key" not in body(provider)


def test_calls_of_one_thread_share_a_key_and_others_do_not(provider: LoopbackProvider, clock: Clock) -> None:
    both = clients(provider, cache_hints=CacheHints(endpoints=HERE))
    for session in ("s1", "s2", "s1"):
        Thread(both, clock, session).step("gpt")
    Thread(both, clock).step("gpt", agent="helper")
    first, other, again, helper = [seen.body["prompt_cache_key"] for seen in provider.requests]
    assert first == again
    assert len({first, other, helper}) == 3
    assert len(first) <= 64


def test_nothing_can_be_read_from_a_key(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(clients(provider, cache_hints=CacheHints(endpoints=HERE)), clock, session="customer-4711").step("gpt")
    assert "4711" not in body(provider)["prompt_cache_key"]


def test_a_session_without_a_name_has_no_key(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(clients(provider, cache_hints=CacheHints(endpoints=HERE)), clock, session="").step("gpt")
    assert "prompt_cache_key" not in body(provider)


def test_a_key_of_ones_own_counts(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(endpoints=HERE)), clock)
    thread.step("gpt", extra={"openai": {"prompt_cache_key": "mine"}})
    assert body(provider)["prompt_cache_key"] == "mine"


def test_it_can_be_switched_off(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(clients(provider, cache_hints=CacheHints(affinity=False, endpoints=HERE)), clock).step("gpt")
    assert "prompt_cache_key" not in body(provider)


def test_where_a_header_is_wanted_a_header_is_sent(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(clients(provider, cache_hints=CacheHints(endpoints={"127.0.0.1": "xai"})), clock)
    thread.step("gpt")
    assert "prompt_cache_key" not in body(provider)
    sent = {name.lower(): value for name, value in provider.requests[-1].headers.items()}
    assert sent["x-grok-conv-id"].startswith("sw-")


def test_requests_in_the_apis_own_words_have_keys_too(provider: LoopbackProvider) -> None:
    client = OpenAIClient(model="gpt-6-sol", base_url=provider.openai_url, api_key="x", cache_hints=CacheHints(endpoints=HERE))
    router = Router(Pool([GPT]))
    request = client.request(messages=[{"role": "user", "content": "hi"}])
    for _ in drive(router.start(View(Scope("s1"))), request.perform):
        pass
    assert body(provider)["prompt_cache_key"].startswith("sw-")


def test_what_is_wrongly_configured_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="breakpoints"):
        CacheHints(breakpoints="30m")
    with pytest.raises(ConfigurationError, match="known are openai"):
        CacheHints(endpoints={"localhost": "nobody"})


# -- what does not change from step to step ------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["opus", "gpt"])
@pytest.mark.parametrize(
    "cache_hints", [CacheHints(), CacheHints(breakpoints="5m", endpoints=HERE)], ids=["plain", "kept warm"]
)
def test_each_request_begins_with_the_bytes_of_the_one_before(
    provider: LoopbackProvider, clock: Clock, target: str, cache_hints: CacheHints
) -> None:
    """Tools in their order, keys of JSON in theirs, settings as they were; but for marks, which are not compared."""
    thread = Thread(clients(provider, cache_hints=cache_hints), clock)
    for _ in range(4):
        thread.step(target, temperature=1.0, max_tokens=100, parallel_tool_calls=False)
    sent = [bare(dict(seen.body)) for seen in provider.requests]
    for before, after in pairwise(sent):
        said, more = before["messages"], after["messages"]
        assert json.dumps(said) == json.dumps(more[: len(said)])
        assert json.dumps({**before, "messages": []}) == json.dumps({**after, "messages": []})
        assert len(more) > len(said)


def bare(value: Any) -> Any:
    """Without marks, and with a text alone as the block that it is when it is marked."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items() if key != "cache_control"}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


# -- the shares that docs/guide/prompt-caching.md tells ------------------------------------------------------------------

STEPS = [("opus", 1)] * 20
PARALLEL = [("opus", 15)] * 8
DETOURS = ([("opus", 1)] * 3 + [("gpt", 1)] * 20) * 2 + [("opus", 1)] * 3


@pytest.mark.parametrize(
    ("work", "at_the_end_only", "kept_warm"),
    [(STEPS, 94, 94), (PARALLEL, 10, 84), (DETOURS, 66, 85)],
    ids=["a call at a time", "15 calls at once", "back after 20 calls elsewhere"],
)
def test_the_share_of_the_prompts_that_is_read(
    provider: LoopbackProvider, clock: Clock, work: list[tuple[str, int]], at_the_end_only: int, kept_warm: int
) -> None:
    """In per cent: with a mark at the end of the prompt (Anthropic's automatic caching), and with those that are set here."""

    def share(extra: dict[str, Any], **options: Any) -> int:
        thread = Thread(clients(provider, **options), clock, session=str(clock()))
        for target, calls in work:
            thread.step(target, calls=calls, extra=extra)
        asked = [i for i, (target, _) in enumerate(work) if target == "opus"]
        clock.advance(7_200)
        return round(100 * sum(thread.read[i] for i in asked) / sum(thread.prompts[i] for i in asked))

    assert share({}) == 0
    assert share({"anthropic": {"cache_control": {"type": "ephemeral"}}}) == at_the_end_only
    assert share({}, cache_hints=CacheHints(breakpoints="5m")) == kept_warm
