"""The cache numbers that ``usage`` reports, by the published rules."""

from __future__ import annotations

import threading
from typing import Any

import anthropic
import openai
import pytest

from switchwise_loopback import Answer, CacheRule, LoopbackProvider
from switchwise_loopback.anthropic.diagnostics import KEPT, Diagnostics
from switchwise_loopback.nouns.prompt import Prompt
from switchwise_loopback.nouns.tokens import PER_MESSAGE, PER_REQUEST

from .conftest import claude, gpt

SONNET = "claude-sonnet-4-6"  # smallest prefix: 1024
OPUS = "claude-opus-5-5"
GPT = "gpt-4o"
NEW_GPT = "gpt-5.6-sol"
MARK: Any = {"type": "ephemeral"}
HOUR: Any = {"type": "ephemeral", "ttl": "1h"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def words(tokens: int, letter: str = "a") -> str:
    """A text of so many tokens by the provider's estimate."""
    return letter * (4 * tokens)


def ask(provider: LoopbackProvider, *texts: str, model: str = SONNET, **options: Any) -> tuple[int, int, int]:
    """Tokens (read, written, uncached) of a conversation of texts, marked at its end."""
    messages: list[Any] = [
        {"role": ("user", "assistant")[at % 2], "content": [{"type": "text", "text": text}]} for at, text in enumerate(texts)
    ]
    mark = options.pop("mark", MARK)
    if mark:
        messages[-1]["content"][0]["cache_control"] = mark
    usage = claude(provider).messages.create(model=model, max_tokens=50, messages=messages, **options).usage
    return usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0, usage.input_tokens


def gpt_ask(provider: LoopbackProvider, *texts: str, model: str = GPT, **options: Any) -> tuple[int, int, int]:
    """Tokens (read, written, whole prompt)."""
    messages: Any = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    usage = gpt(provider).chat.completions.create(model=model, messages=messages, **options).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    details = usage.prompt_tokens_details
    return details.cached_tokens or 0, details.cache_write_tokens or 0, usage.prompt_tokens


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cached(serve, clock) -> LoopbackProvider:
    return serve(lambda request: Answer("ok"), clock=clock)


def test_a_growing_conversation_reads_what_it_wrote(cached):
    first = words(2000)
    size = 2000 + PER_MESSAGE
    assert ask(cached, first) == (0, size, PER_REQUEST)
    assert ask(cached, first) == (size, 0, PER_REQUEST)
    grown = [first, words(10, "b"), words(300, "c")]
    added = 10 + 300 + 2 * PER_MESSAGE
    assert ask(cached, *grown) == (size, added, PER_REQUEST)
    assert ask(cached, *grown, words(5, "d"), words(5, "e")) == (size + added, 10 + 2 * PER_MESSAGE, PER_REQUEST)


def test_the_sum_of_the_three_counts_is_the_prompt(cached):
    first, second = ask(cached, words(2000)), ask(cached, words(2000))
    counted = claude(cached).messages.count_tokens(model=SONNET, messages=[{"role": "user", "content": words(2000)}])
    assert sum(first) == sum(second) == counted.input_tokens


def test_below_the_smallest_prefix_a_marker_is_ignored(cached):
    short = words(1000)
    assert ask(cached, short)[:2] == (0, 0)
    assert ask(cached, short)[:2] == (0, 0)
    assert ask(cached, short, model=OPUS)[1] > 0  # 512 there
    assert ask(cached, words(3000), model="claude-haiku-4-5")[:2] == (0, 0)  # 4096 there


def test_nothing_is_cached_unmarked(cached):
    assert ask(cached, words(2000), mark=None)[:2] == (0, 0)
    assert ask(cached, words(2000), mark=None)[:2] == (0, 0)


def test_the_lifetime_is_renewed_by_a_hit_and_runs_from_the_start_of_the_request(cached, clock):
    ask(cached, words(2000))
    clock.now += 299
    assert ask(cached, words(2000))[0] > 0
    clock.now += 299
    assert ask(cached, words(2000))[0] > 0
    clock.now += 300
    assert ask(cached, words(2000))[0] == 0


def test_a_slow_answer_uses_up_the_lifetime(serve, clock):
    def slowly(request: Any) -> Answer:
        clock.now += 200
        return Answer("ok")

    provider = serve(slowly, clock=clock)
    ask(provider, words(2000))  # ends at 200
    clock.now += 101
    assert ask(provider, words(2000))[0] == 0


def test_an_hour_costs_a_field_of_its_own(cached, clock):
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": words(500, "b"), "cache_control": MARK}]}]
    system: Any = [{"type": "text", "text": words(2000), "cache_control": HOUR}]
    create = claude(cached).messages.create
    usage = create(model=SONNET, max_tokens=9, system=system, messages=messages).usage
    assert usage.cache_creation is not None
    long, short = usage.cache_creation.ephemeral_1h_input_tokens, usage.cache_creation.ephemeral_5m_input_tokens
    assert (long, short) == (2000 + PER_MESSAGE, 500 + PER_MESSAGE)
    clock.now += 1000
    usage = create(model=SONNET, max_tokens=9, system=system, messages=messages).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (long, short)


def test_an_edit_voids_what_follows_it(cached):
    system: Any = [{"type": "text", "text": words(2000), "cache_control": MARK}]
    ask(cached, words(100, "b"), words(100, "c"), words(100, "d"), system=system)
    read, written, _ = ask(cached, words(100, "B"), words(100, "c"), words(100, "d"), system=system)
    assert read == 2000 + PER_MESSAGE
    assert written == 3 * (100 + PER_MESSAGE)


TOOL: Any = {"name": "f", "description": words(3000), "input_schema": {"type": "object"}, "cache_control": MARK}
SYSTEM: Any = [{"type": "text", "text": words(2000), "cache_control": MARK}]
IMAGE: Any = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    ("change", "survives"),
    [
        ({}, ("tools", "system", "messages")),
        ({"tool_choice": {"type": "any"}}, ("tools", "system")),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ("tools", "system")),
        ({"system": [{"type": "text", "text": words(2000, "b"), "cache_control": MARK}]}, ("tools",)),
        ({"tools": [{**TOOL, "name": "g"}]}, ()),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, ("tools",)),
        ({"model": "claude-sonnet-4-5"}, ()),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_change_voids(cached, change, survives):
    body: dict[str, Any] = {
        "model": SONNET,
        "max_tokens": 2000,
        "tools": [TOOL],
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [{"type": "text", "text": words(100), "cache_control": MARK}]}],
    }
    create = claude(cached).messages.create
    create(**body)
    tools = create(**{**body, "tools": [TOOL], "system": "x", "messages": [{"role": "user", "content": "x"}]}).usage
    sizes = {"tools": tools.cache_read_input_tokens or 0, "system": 2000 + PER_MESSAGE, "messages": 100 + PER_MESSAGE}
    assert sizes["tools"] > 3000
    usage = create(**{**body, **change}).usage
    assert usage.cache_read_input_tokens == sum(sizes[section] for section in survives)


def test_an_image_voids_the_messages_before_it(cached):
    body: Any = {"model": SONNET, "max_tokens": 20, "system": SYSTEM}
    first: Any = {"role": "user", "content": [{"type": "text", "text": words(100), "cache_control": MARK}]}
    create = claude(cached).messages.create
    create(**body, messages=[first])
    usage = create(**body, messages=[first, {"role": "user", "content": [IMAGE]}]).usage
    assert usage.cache_read_input_tokens == 2000 + PER_MESSAGE


def test_more_than_twenty_blocks_since_the_last_breakpoint_are_a_silent_miss(cached):
    texts = [words(2000), *(words(1, "b") for _ in range(18))]
    ask(cached, texts[0])
    assert ask(cached, *texts[:19])[0] > 0
    cached.forget()
    ask(cached, texts[0])
    assert ask(cached, *texts, words(1), words(1))[0] == 0


def test_automatic_caching_marks_the_last_block(cached):
    create = claude(cached).messages.create
    body: Any = {"model": SONNET, "max_tokens": 20, "cache_control": MARK}
    first: Any = {"role": "user", "content": words(2000)}
    assert create(**body, messages=[first]).usage.cache_creation_input_tokens == 2000 + PER_MESSAGE
    later: Any = [first, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    usage = create(**body, messages=later).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (2004, 2 * (1 + PER_MESSAGE))
    own: Any = {"role": "user", "content": [{"type": "text", "text": words(2000, "b"), "cache_control": HOUR}]}
    made = create(**{**body, "cache_control": HOUR}, messages=[own]).usage.cache_creation
    assert made is not None
    assert made.ephemeral_1h_input_tokens == 2004, "a block with a mark of its own keeps it"


@pytest.mark.parametrize("call", [ask, gpt_ask])
def test_parallel_first_calls_are_all_cold(serve, call):
    both = threading.Barrier(2, timeout=5)

    def together(request: Any) -> Answer:
        both.wait()
        return Answer("ok")

    provider = serve(together)
    reads: list[int] = []
    for _ in range(2):
        threads = [threading.Thread(target=lambda: reads.append(call(provider, words(2000))[0])) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert reads[:2] == [0, 0]
    assert all(reads[2:])


def test_caches_belong_to_a_model_and_a_key(cached):
    ask(cached, words(2000))
    assert ask(cached, words(2000), model=OPUS)[0] == 0
    client = claude(cached, api_key="another")
    marked: Any = [{"role": "user", "content": [{"type": "text", "text": words(2000), "cache_control": MARK}]}]
    assert client.messages.create(model=SONNET, max_tokens=9, messages=marked).usage.cache_read_input_tokens == 0


def test_a_detour_to_another_model_evicts_nothing(cached):
    ask(cached, words(2000))
    ask(cached, words(2000), model=OPUS)
    assert ask(cached, words(2000))[0] == 2000 + PER_MESSAGE


def test_older_gpt_models_read_in_steps_of_128(cached):
    read, written, prompt = gpt_ask(cached, words(2000))
    assert (read, written) == (0, 0)
    assert prompt == 2000 + PER_MESSAGE + PER_REQUEST  # includes what is cached
    read, _, _ = gpt_ask(cached, words(2000), words(50, "b"), words(50, "c"))
    assert read == 2000 // 128 * 128
    assert gpt_ask(cached, words(1000))[0] == 0
    assert gpt_ask(cached, words(1000))[0] == 0


def test_older_gpt_models_share_the_beginning_of_a_text(cached):
    gpt_ask(cached, words(1500) + words(500, "b"))
    assert gpt_ask(cached, words(1500) + words(500, "c"))[0] == 1408


def test_older_gpt_models_forget_after_five_minutes_unless_asked_to_keep(cached, clock):
    gpt_ask(cached, words(2000))
    gpt_ask(cached, words(2000, "b"), prompt_cache_retention="24h")
    clock.now += 301
    assert gpt_ask(cached, words(2000))[0] == 0
    assert gpt_ask(cached, words(2000, "b"), prompt_cache_retention="24h")[0] > 0


def test_newer_gpt_models_are_exact_and_report_writes(cached, clock):
    assert gpt_ask(cached, words(2000), model=NEW_GPT) == (0, 2004, 2007)
    assert gpt_ask(cached, words(2000), words(3, "b"), words(6, "c"), model=NEW_GPT) == (2004, 17, 2024)
    clock.now += 1799
    assert gpt_ask(cached, words(2000), model=NEW_GPT)[0] == 2004
    clock.now += 1800
    assert gpt_ask(cached, words(2000), model=NEW_GPT)[0] == 0


def test_newer_gpt_models_cache_explicitly_on_request(cached):
    explicit: Any = {"mode": "explicit"}
    assert gpt_ask(cached, words(2000), model=NEW_GPT, prompt_cache_options=explicit)[:2] == (0, 0)
    part: Any = {"type": "text", "text": words(2000), "prompt_cache_breakpoint": {"type": "breakpoint"}}
    messages: Any = [{"role": "user", "content": [part, {"type": "text", "text": words(100)}]}]
    create = gpt(cached).chat.completions.create
    reads = []
    for _ in range(2):
        usage = create(model=NEW_GPT, messages=messages, prompt_cache_options=explicit).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        reads.append((usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens))
    assert reads == [(0, 2004), (2004, 0)]


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"tools": []}, {"response_format": {"type": "text"}}])
def test_openai_settings_stand_in_front(cached, change):
    gpt_ask(cached, words(2000))
    function = {"type": "function", "function": {"name": "f"}}
    warm = gpt_ask(cached, words(2000), **{**change, **({"tools": [function]} if "tools" in change else {})})[0]
    assert bool(warm) is ("temperature" in change)


def test_a_failed_request_writes_nothing(cached):
    from switchwise_loopback import Fault

    cached.inject(Fault.OVERLOADED)
    with pytest.raises(Exception, match="Overloaded"):
        ask(cached, words(2000))
    assert ask(cached, words(2000))[0] == 0


def test_the_rules_can_be_changed(serve):
    provider = serve(lambda request: Answer("ok"), cache_rules={"claude-tiny": CacheRule(minimum=10)})
    assert ask(provider, words(20), model="claude-tiny-1")[1] == 24


def test_streams_report_the_same(cached):
    ask(cached, words(2000))
    marked: Any = [{"role": "user", "content": [{"type": "text", "text": words(2000), "cache_control": MARK}]}]
    with claude(cached).messages.stream(model=SONNET, max_tokens=9, messages=marked) as stream:
        assert stream.get_final_message().usage.cache_read_input_tokens == 2004


def test_a_request_without_an_answer_warms_the_cache_up(cached):
    create = claude(cached).messages.create
    marked: Any = [{"role": "user", "content": [{"type": "text", "text": words(2000), "cache_control": MARK}]}]
    reply = create(model=SONNET, max_tokens=0, messages=marked)
    assert (reply.content, reply.stop_reason, reply.usage.output_tokens) == ([], "max_tokens", 0)
    assert ask(cached, words(2000))[0] == 2004
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        create(model=SONNET, max_tokens=0, messages=marked, stream=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            },
            None,
        ),
        ({"messages": [{"role": "user", "content": "edited"}]}, "messages_changed"),
        ({"tool_choice": {"type": "any"}}, "messages_changed"),
        ({"system": "be long"}, "system_changed"),
        ({"tools": []}, "tools_changed"),
        ({"model": OPUS}, "model_changed"),
        ({"diagnostics": {"previous_message_id": "msg_x"}}, "previous_message_not_found"),
    ],
)
def test_diagnostics_say_why_a_prefix_was_lost(cached, change, reason):
    tool: Any = {"name": "f", "input_schema": {"type": "object"}}
    body: dict[str, Any] = {
        "model": SONNET,
        "max_tokens": 20,
        "tools": [tool],
        "system": "be brief",
        "messages": [{"role": "user", "content": "a"}],
    }
    create = claude(cached).messages.create
    first = create(**body, diagnostics={"previous_message_id": None})
    assert first.diagnostics is None
    diagnosed = create(**{**body, "diagnostics": {"previous_message_id": first.id}, **change}).diagnostics
    found = diagnosed.cache_miss_reason if diagnosed else None
    assert (found.type if found else None) == reason


def test_diagnostics_remember_the_latest_thousand_messages():
    kept = Diagnostics()
    for at in range(KEPT):
        kept.compare(f"msg_{at}", SONNET, Prompt(()), None)
    assert kept.compare("new", SONNET, Prompt(()), {"previous_message_id": "msg_1"}) is None
    assert kept.compare("newer", SONNET, Prompt(()), {"previous_message_id": "msg_0"}) == {
        "cache_miss_reason": {"type": "previous_message_not_found"}
    }


def test_a_change_of_effort_in_place_keeps_what_is_cached_before_it(cached):
    """At the top level it voids the messages; as a turn of its own it does not. The words are those that core makes for both APIs."""
    from switchwise.dialects.effort import effort_in_place
    from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES

    first = {"role": "user", "content": [{"type": "text", "text": words(4000), "cache_control": MARK}]}
    answer, more = {"role": "assistant", "content": "ok"}, {"role": "user", "content": "And now?"}
    changed = effort_in_place(ANTHROPIC, OPUS, "low")

    def read(*messages: Any, **options: Any) -> int:
        usage = claude(cached).messages.create(model=OPUS, max_tokens=50, messages=list(messages), **options).usage
        return usage.cache_read_input_tokens or 0

    read(first)
    assert read(first, answer, more) > 4000
    assert read(first, answer, changed, more) > 4000
    assert read(first, answer, more, output_config={"effort": "low"}) == 0

    asked: Any = {"role": "user", "content": words(4000)}

    def found(*items: Any, **options: Any) -> int:
        usage = gpt(cached).responses.create(model="gpt-6-sol", input=list(items), **options).usage
        assert usage is not None
        return usage.input_tokens_details.cached_tokens

    found(asked)
    update = effort_in_place(OPENAI_RESPONSES, "gpt-6-sol", "low")
    assert found(asked, answer, update, more) > 3900
    assert found(asked, answer, more, reasoning={"effort": "low"}) == 0


@pytest.mark.parametrize(
    ("model", "message", "says"),
    [
        ("claude-opus-4-8", {"content": [], "output_config": {"effort": "low"}}, "Extra inputs are not permitted"),
        (OPUS, {"content": [], "output_config": {"effort": "least"}}, "output_config.effort: Input should be"),
        (OPUS, {"content": "Think less.", "output_config": {"effort": "low"}}, "must have empty content"),
    ],
)
def test_a_change_of_effort_in_place_is_refused_where_it_is_not_known(cached, model, message, says):
    messages: Any = [{"role": "user", "content": "hi"}, {"role": "system", **message}]
    with pytest.raises(anthropic.BadRequestError, match=says):
        claude(cached).messages.create(model=model, max_tokens=50, messages=messages)


def test_openai_refuses_an_update_before_gpt_6_and_levels_that_are_not_there(cached):
    for model, level, says in (
        ("gpt-5.5", "low", "not supported with the 'gpt-5.5'"),
        ("gpt-6-sol", "minimal", "'minimal' is not"),
    ):
        items: Any = [{"role": "user", "content": "hi"}, {"type": "configuration_update", "reasoning": {"effort": level}}]
        with pytest.raises(openai.BadRequestError, match=says):
            gpt(cached).responses.create(model=model, input=items)
