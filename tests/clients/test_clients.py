"""One neutral conversation, asked of OpenAI and Anthropic alike, behind one router."""

from __future__ import annotations

import gzip
import json
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from switchwise import AllTargetsFailed, Capabilities, ConfigurationError, FailureKind, Interrupted, Pool, Router, Target
from switchwise.clients import Clients, OpenAIClient
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request, ToolCall

from .conftest import Make

HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LEADS = ["claude", "gpt"]


def says(provider: LoopbackProvider, *answers: Answer) -> None:
    """Let the provider give these answers in order, whoever asks."""
    script = iter(answers)
    provider._responder = lambda request: next(script)


def plain(pool: Pool | None = None) -> Router:
    """No opinion: the first target of the pool leads, the rest are the fallback."""
    return Router(pool or Pool([Target("claude", "anthropic", "claude-opus-4-5"), Target("gpt", "openai", "gpt-4o-mini")]))


# -- one answer, four ways to ask for it ---------------------------------------------------------------------------


async def ask(clients: Clients, how: str, messages: Any = HELLO, **options: Any) -> tuple[Any, list[str]]:
    if how == "complete":
        return clients.complete(messages, **options), []
    if how == "acomplete":
        return await clients.acomplete(messages, **options), []
    if how == "stream":
        stream = clients.stream(messages, **options)
        shown = list(stream)
        return stream.completion, shown
    stream = clients.astream(messages, **options)
    shown = [text async for text in stream]
    return stream.completion, shown


HOW = ["complete", "acomplete", "stream", "astream"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("lead", LEADS)
async def test_the_same_answer_however_it_is_asked_for(make: Make, provider: LoopbackProvider, how: str, lead: str) -> None:
    says(provider, Answer("It is a lovely day today, is it not?"))
    answer, shown = await ask(make(lead=lead), how, session="s", target=lead)
    assert answer.text == "It is a lovely day today, is it not?"
    assert answer.message == {"role": "assistant", "content": answer.text}
    assert answer.outcome.target.name == lead
    usage = answer.outcome.reply.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert answer.outcome.cost > 0
    assert "".join(shown) == (answer.text if "stream" in how else "")
    assert (answer.outcome.reply.first_chunk is not None) == ("stream" in how)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("lead", LEADS)
async def test_a_failing_target_is_replaced_by_the_other_provider_s(
    make: Make, provider: LoopbackProvider, how: str, lead: str
) -> None:
    other = "openai" if lead == "claude" else "anthropic"
    provider.inject(Fault.OVERLOADED, provider="anthropic" if lead == "claude" else "openai")
    answer, shown = await ask(make(lead=lead), how)
    failed, answered = answer.outcome.attempts
    assert failed.error.kind in (FailureKind.OVERLOADED, FailureKind.SERVER_ERROR)
    assert answered.target.provider == other
    assert "".join(shown) == (answer.text if "stream" in how else "")


@pytest.mark.parametrize("how", ["stream", "astream"])
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("fault", [Fault.STREAM_ERROR_FIRST, Fault.STREAM_QUOTA, Fault.RESET])
async def test_a_stream_that_dies_before_anything_is_shown_is_replaced(
    make: Make, provider: LoopbackProvider, how: str, lead: str, fault: Fault
) -> None:
    provider.inject(fault, provider="anthropic" if lead == "claude" else "openai")
    answer, _ = await ask(make(lead=lead), how)
    assert answer.outcome.target.name != lead


@pytest.mark.parametrize("how", ["stream", "astream"])
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("fault", [Fault.STREAM_CUT, Fault.STREAM_ERROR_MID, Fault.RESET_MID_STREAM])
async def test_a_stream_that_breaks_off_is_never_continued_by_another(
    make: Make, provider: LoopbackProvider, how: str, lead: str, fault: Fault
) -> None:
    says(provider, Answer("This sentence is long enough to be cut off somewhere in its middle, surely."))
    provider.inject(fault, provider="anthropic" if lead == "claude" else "openai")
    with pytest.raises(Interrupted):
        await ask(make(plain() if lead == "claude" else None, lead=lead), how)
    assert len(provider.requests) == 1


def test_a_held_stream_that_is_cut_is_tried_elsewhere(make: Make, provider: LoopbackProvider) -> None:
    provider.inject(Fault.RESET, provider="anthropic")
    assert make(plain()).complete(HELLO).outcome.target.name == "gpt"


def test_when_all_fail_the_providers_own_errors_are_in_the_group(make: Make, provider: LoopbackProvider) -> None:
    provider.inject(Fault.AUTHENTICATION, times=None)
    with pytest.raises(AllTargetsFailed) as caught:
        make(plain()).complete(HELLO)
    assert {type(error).__module__.split(".")[0] for error in caught.value.exceptions} == {"openai", "anthropic"}


async def test_leaving_a_stream_early_closes_the_call(make: Make, provider: LoopbackProvider) -> None:
    says(provider, *[Answer("one two three four five six seven eight nine ten eleven twelve")] * 2)
    attempts: list[Any] = []
    clients = make(Router(plain().pool, observers=[attempts.append]))
    with closing(clients.stream(HELLO)) as stream:
        next(iter(stream))
    assert [attempt.abandoned for attempt in attempts] == [True]
    with pytest.raises(RuntimeError, match="no outcome"):
        _ = stream.completion
    async with aclosing(clients.astream(HELLO)) as astream:
        await anext(aiter(astream))
    assert [attempt.abandoned for attempt in attempts] == [True, True]


def test_a_stream_is_iterated_the_way_it_was_made(make: Make) -> None:
    with pytest.raises(TypeError, match="async for"):
        iter(make().astream(HELLO))
    with pytest.raises(TypeError, match="use `for`"):
        aiter(make().stream(HELLO))
    with pytest.raises(TypeError, match="use `aclose`"):
        make().astream(HELLO).close()


# -- conversations that change providers ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("claude", "gpt", "claude"), ("gpt", "claude", "gpt")])
def test_a_tool_loop_moves_between_providers(make: Make, provider: LoopbackProvider, order: tuple[str, ...]) -> None:
    both = Answer("Let me look.", (ToolCall("weather", {"city": "Paris"}), ToolCall("weather", {"city": "Oslo"})))
    says(provider, both, Answer(tool_calls=(ToolCall("weather", {"city": "Rome"}),)), Answer("Warm."))
    clients = make()
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is it warm?"},
    ]
    for target in order:
        answer = clients.complete(messages, tools=[WEATHER], target=target, session="s")
        messages.append(answer.message)
        for call in answer.tool_calls:
            city = json.loads(call["function"]["arguments"])["city"]
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": f"20 degrees in {city}"})
    assert answer.text == "Warm."
    assert [seen.provider for seen in provider.requests] == [{"claude": "anthropic", "gpt": "openai"}[t] for t in order]
    assert all(seen.status == 200 for seen in provider.requests)


def test_thinking_goes_back_to_its_own_model_and_to_no_other(make: Make, provider: LoopbackProvider) -> None:
    says(
        provider,
        Answer("Hm.", (ToolCall("weather", {"city": "Paris"}),), reasoning="Paris, I think."),
        Answer("A"),
        Answer("B"),
    )
    clients = make()
    extra = {"anthropic": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}}
    first = clients.complete(HELLO, tools=[WEATHER], target="claude", extra=extra)
    result = {"role": "tool", "tool_call_id": first.tool_calls[0]["id"], "content": "20"}
    history = [*HELLO, first.message, result]
    clients.complete(history, tools=[WEATHER], target="claude", extra=extra)
    clients.complete(history, tools=[WEATHER], target="gpt")
    _, again, other = provider.requests
    assert again.body["messages"][1]["content"][0]["type"] == "thinking"
    assert "native" not in json.dumps(other.body)
    assert "thinking" not in json.dumps(other.body)


def airline(shared_data: Path) -> list[list[dict[str, Any]]]:
    """Real conversations with tools; a short one where the shared data is missing."""
    file = shared_data / "airline_conversations" / "trajectories.jsonl.gz"
    if file.exists():
        return [json.loads(line)["traj"] for line in gzip.open(file, "rt")][:20]
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    user_turn = {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": "20"}
    return [[*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}, user_turn]]


@pytest.mark.parametrize("lead", LEADS)
def test_real_conversations_are_accepted_by_a_strict_provider(
    make: Make, provider: LoopbackProvider, shared_data: Path, lead: str
) -> None:
    clients = make()
    for number, conversation in enumerate(airline(shared_data)):
        names = {call["function"]["name"] for turn in conversation for call in turn.get("tool_calls") or ()}
        tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in sorted(names)]
        length = max(place for place, turn in enumerate(conversation) if turn["role"] in ("user", "tool")) + 1
        clients.complete(conversation[:length], tools=tools, target=lead, session=str(number))
    assert {seen.status for seen in provider.requests} == {200}


# -- what is asked of whom -----------------------------------------------------------------------------------------


def sent(provider: LoopbackProvider) -> dict[str, Any]:
    return dict(provider.requests[-1].body)


@pytest.mark.parametrize(
    ("choice", "gpt", "claude"),
    [
        ("auto", "auto", {"type": "auto"}),
        ("required", "required", {"type": "any"}),
        ("none", "none", {"type": "none"}),
        ("weather", {"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choice_in_the_words_of_each(make: Make, provider: LoopbackProvider, choice: str, gpt: Any, claude: Any) -> None:
    for target, expected in (("gpt", gpt), ("claude", claude)):
        make().complete(HELLO, tools=[WEATHER], tool_choice=choice, target=target)
        assert sent(provider)["tool_choice"] == expected


def test_settings_in_the_words_of_each(make: Make, provider: LoopbackProvider) -> None:
    options: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "max_tokens": 77}
    make().complete(HELLO, target="gpt", **options)
    body = sent(provider)
    assert (body["temperature"], body["top_p"], body["stop"], body["max_completion_tokens"]) == (0.5, 0.9, ["END"], 77)
    make().complete(HELLO, target="claude", **{**options, "top_p": None})
    body = sent(provider)
    assert (body["temperature"], body["stop_sequences"], body["max_tokens"]) == (0.5, ["END"], 77)


def test_at_most_one_tool_call_in_the_words_of_each(make: Make, provider: LoopbackProvider) -> None:
    make().complete(HELLO, tools=[WEATHER], parallel_tool_calls=False, target="gpt")
    assert sent(provider)["parallel_tool_calls"] is False
    make().complete(HELLO, tools=[WEATHER], parallel_tool_calls=False, target="claude")
    assert sent(provider)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("lead", LEADS)
def test_a_schema_is_asked_of_both(make: Make, provider: LoopbackProvider, lead: str) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer('{"city": "Paris"}')

    provider._responder = answer
    completion = make().complete(HELLO, schema=schema, target=lead)
    assert json.loads(completion.text) == {"city": "Paris"}
    assert seen[0].response_schema == schema


def test_anthropic_always_gets_the_longest_answer(make: Make, provider: LoopbackProvider) -> None:
    make().complete(HELLO, target="claude")
    assert sent(provider)["max_tokens"] == 8_192


def test_a_long_answer_that_is_not_streamed_is_asked_for_all_the_same(make: Make, provider: LoopbackProvider) -> None:
    """The SDK alone raises a ValueError here, before anything is sent."""
    make().complete(HELLO, target="claude", max_tokens=60_000)
    assert sent(provider)["max_tokens"] == 60_000


def test_a_stream_is_asked_to_say_what_it_cost(make: Make, provider: LoopbackProvider) -> None:
    list(make().stream(HELLO, target="gpt"))
    assert sent(provider)["stream_options"] == {"include_usage": True}


def test_images_go_to_both_and_sound_only_to_those_who_hear(make: Make, provider: LoopbackProvider) -> None:
    png = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    )
    seen = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": png}}]}
    ]
    for target in LEADS:
        assert make().complete(seen, target=target).text
    sound = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]
    clients = make(plain())
    with pytest.raises(AllTargetsFailed, match="claude"):
        clients.complete(sound, target="claude")
    assert provider.requests[-1].provider == "openai", "Anthropic was not even asked about the sound"


def test_documents_and_server_tools_go_to_anthropic_as_it_takes_them(make: Make, provider: LoopbackProvider) -> None:
    inline = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
    kept = {"type": "file", "file": {"file_id": "file_011CNha8"}}
    search = {"type": "web_search_20250305", "name": "web_search"}
    make(plain()).complete([{"role": "user", "content": [inline, kept]}], tools=[search, WEATHER], target="claude")
    body = sent(provider)
    assert [block["source"] for block in body["messages"][0]["content"]] == [
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        {"type": "file", "file_id": "file_011CNha8"},
    ]
    assert body["tools"][0] == search
    assert body["tools"][1]["name"] == "weather"
    elsewhere = {"type": "file", "file": {"file_id": "file-abc"}}
    assert make(plain()).complete([{"role": "user", "content": [elsewhere]}]).outcome.target.name == "gpt", (
        "its provider stores the file"
    )


def test_a_gateway_of_one_system_message_is_sent_one(provider: LoopbackProvider) -> None:
    client = OpenAIClient(model="claude-opus-4-5", dialect="anthropic", base_url=provider.openai_url, api_key="x")
    system = [{"role": "system", "content": "Be brief."}, {"role": "system", "content": [{"type": "text", "text": "Be kind."}]}]
    Clients({"claude": client}, Router(Pool([Target("claude", model="claude-opus-4-5")]))).complete([*system, *HELLO])
    assert sent(provider)["messages"] == [{"role": "system", "content": "Be brief.\n\nBe kind."}, *HELLO]


def test_a_schema_with_alternatives_is_asked_in_strict_words(make: Make, provider: LoopbackProvider) -> None:
    cat, dog = ({"type": "object", "properties": {"kind": {"const": kind}}} for kind in ("cat", "dog"))
    either = {"oneOf": [cat, dog], "discriminator": {"propertyName": "kind"}}
    elsewhere = {"$ref": "https://example.com/pet.json", "description": "of the neighbours"}
    schema = {"type": "object", "properties": {"pet": either, "other": elsewhere}}
    make().complete(HELLO, schema=schema, target="gpt")
    asked = sent(provider)["response_format"]["json_schema"]["schema"]["properties"]
    assert [pet["required"] for pet in asked["pet"].pop("anyOf")] == [["kind"], ["kind"]]
    assert asked == {"pet": {}, "other": {"$ref": "https://example.com/pet.json"}}


# -- building ------------------------------------------------------------------------------------------------------


def test_router_and_clients_must_name_the_same_targets(openai_client: OpenAIClient) -> None:
    with pytest.raises(ConfigurationError, match="other"):
        Clients({"gpt": openai_client}, Router(Pool([Target("gpt"), Target("other")])))


def test_without_a_router_every_client_names_its_model() -> None:
    with pytest.raises(ConfigurationError, match="missing for nameless"):
        Clients({"nameless": OpenAIClient()})


def test_the_default_router_has_prices_and_capabilities(make: Make) -> None:
    pool = make().router.pool
    assert pool["claude"].price.output == 25  # type: ignore[union-attr]
    assert pool["gpt"].can.window == 128_000


# -- histories as others leave them --------------------------------------------------------------------------------


def called(made: str = "call_1", name: str = "weather", **more: Any) -> dict[str, Any]:
    call = {"id": made, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **more}


def found(made: str = "call_1", content: Any = "20") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": made, "content": content}


def user_turn(content: Any = "And now?", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
CUSTOM = {"id": "c", "type": "custom", "custom": {"name": "weather", "input": "Paris"}}
HISTORIES: dict[str, list[dict[str, Any]]] = {
    "an empty question": [user_turn(""), {"role": "assistant", "content": "Yes?"}, user_turn()],
    "an empty question at the end": [*HELLO, {"role": "assistant", "content": "Yes?"}, user_turn("")],
    "an answer of nothing": [*HELLO, {"role": "assistant", "content": None}, user_turn()],
    "a blank answer": [*HELLO, {"role": "assistant", "content": "\n"}, user_turn()],
    "a blank text beside a call": [*HELLO, called(content="\n"), found()],
    "an assistant who speaks first": [{"role": "assistant", "content": "Hello."}, user_turn()],
    "nothing but a system message": [{"role": "system", "content": "Be brief."}],
    "an id of 50 characters": [*HELLO, called("x" * 50), found("x" * 50)],
    "an id of other characters": [*HELLO, called("a.b:c|d"), found("a.b:c|d")],
    "an empty id": [*HELLO, called(""), found("")],
    "ids that are used again": [*HELLO, called(), found(), called(), found(), user_turn()],
    "the name of a tool that was": [*HELLO, called(name="mcp.server/tool" * 12), found()],
    "names with spaces": [user_turn("hi", name="Ann Smith"), {"role": "assistant", "content": "x", "name": "a b"}, user_turn()],
    "a result with a picture": [*HELLO, called(), found(content=[{"type": "text", "text": "see"}, PNG])],
    "a picture by address alone": [user_turn([{"type": "image_url", "image_url": "https://example.com/a.png"}])],
    "strings among parts": [user_turn(["a", "b"])],
    "marks": [{"role": "system", "content": [MARKED]}, user_turn([MARKED]), called(), found(content=[MARKED])],
    "a result of nothing": [*HELLO, called(), found(content=None)],
    "lists without parts": [user_turn([]), called(content=[]), found(content=[]), user_turn()],
    "a custom tool": [*HELLO, {"role": "assistant", "content": None, "tool_calls": [CUSTOM]}, found("c")],
}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("target", LEADS)
def test_a_strict_provider_accepts_histories_as_others_leave_them(
    make: Make, provider: LoopbackProvider, history: str, target: str
) -> None:
    before = json.dumps(HISTORIES[history])
    make().complete(HISTORIES[history], tools=[WEATHER], target=target)
    assert provider.requests[-1].status == 200
    assert json.dumps(HISTORIES[history]) == before


def test_what_a_tool_shows_reaches_both(make: Make, provider: LoopbackProvider) -> None:
    for target in LEADS:
        make().complete(HISTORIES["a result with a picture"], tools=[WEATHER], target=target)
        assert "iVBORw0KGgo=" in json.dumps(sent(provider))


# -- settings that a model does not take ---------------------------------------------------------------------------


def asking(make: Make, claude: str, gpt: str, can: Capabilities | None = None) -> Clients:
    """Clients that ask for these models."""
    can = can or Capabilities()
    return make(Router(Pool([Target("claude", "anthropic", claude, can=can), Target("gpt", "openai", gpt, can=can)])))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("lead", LEADS)
async def test_a_model_that_takes_no_temperature_is_not_sent_one(
    provider: LoopbackProvider, make: Make, how: str, lead: str
) -> None:
    clients = asking(make, "claude-opus-5-5", "gpt-5")
    done, _ = await ask(clients, how, temperature=0.2, top_p=0.5, target=lead)
    assert done.outcome.target.name == lead
    assert not {"temperature", "top_p"} & provider.requests[-1].body.keys()


@pytest.mark.parametrize("lead", LEADS)
def test_a_model_that_takes_a_temperature_is_sent_it(provider: LoopbackProvider, make: Make, lead: str) -> None:
    asking(make, "claude-opus-4-5", "gpt-4o-mini").complete(HELLO, temperature=0.2, top_p=0.5, target=lead)
    body = provider.requests[-1].body
    assert (body["temperature"], body["top_p"]) == (0.2, 0.5)


@pytest.mark.parametrize("lead", LEADS)
def test_what_a_target_says_of_itself_counts_before_the_catalogue(provider: LoopbackProvider, make: Make, lead: str) -> None:
    clients = asking(make, "claude-opus-4-5", "gpt-4o-mini", Capabilities(sampling=False))
    clients.complete(HELLO, temperature=0.2, target=lead)
    assert "temperature" not in provider.requests[-1].body


def test_a_temperature_beyond_a_providers_scale_is_its_highest(provider: LoopbackProvider, make: Make) -> None:
    asking(make, "claude-opus-4-5", "gpt-4o-mini").complete(HELLO, temperature=1.4, target="claude")
    assert provider.requests[-1].body["temperature"] == 1


# -- what callers get wrong, and what they may write otherwise -----------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "options", "user_turn"),
    [
        ("Hello", {}, "'role': 'user'"),
        ([], {}, "give a list"),
        (HELLO[0], {}, "give a list"),
        ([{"content": "Hello"}], {}, "not a message.*'role'"),
        ([{"role": "usr", "content": "Hello"}], {}, "'usr'.*assistant"),
        (HELLO, {"tools": ["weather"]}, "'function'"),
        (HELLO, {"tools": [{"name": "weather", "input_schema": {}}]}, "'function'"),
        (HELLO, {"tools": [WEATHER], "tool_choice": 7}, "tool_choice=7"),
        (HELLO, {"schema": dict}, "JSON schema"),
        (HELLO, {"max_tokens": "50"}, "max_tokens='50'"),
        (HELLO, {"max_tokens": 0}, "max_tokens=0"),
        (HELLO, {"temperature": float("nan")}, "temperature=nan"),
        (HELLO, {"labels": ["ada"]}, "labels="),
    ],
    ids=str,
)
def test_an_invalid_request_is_refused_before_any_call(
    provider: LoopbackProvider, make: Make, messages: Any, options: dict[str, Any], user_turn: str
) -> None:
    with pytest.raises(ConfigurationError, match=user_turn):
        make().complete(messages, **options)
    assert not provider.requests


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(
    "choice",
    [
        "weather",
        {"type": "function", "function": {"name": "weather"}},
        {"type": "tool", "name": "weather"},
        "any",
        {"type": "any"},
    ],
    ids=str,
)
def test_the_choice_of_a_tool_may_be_said_as_either_provider_says_it(make: Make, lead: str, choice: Any) -> None:
    done = make().complete(HELLO, tools=[WEATHER], tool_choice=choice, target=lead)
    assert [call["function"]["name"] for call in done.tool_calls] == ["weather"]


@pytest.mark.parametrize(("lead", "word"), [("claude", "stop_sequences"), ("gpt", "stop")])
def test_one_stop_sequence_is_one(provider: LoopbackProvider, make: Make, lead: str, word: str) -> None:
    make().complete(HELLO, stop="END", target=lead)
    assert provider.requests[-1].body[word] == ["END"]


@pytest.mark.parametrize("how", ["complete", "acomplete"])
async def test_a_client_that_always_streams_gives_whole_answers_too(provider: LoopbackProvider, how: str) -> None:
    client = OpenAIClient(model="gpt-4o-mini", base_url=provider.openai_url, api_key="x", defaults={"stream": True})
    completion, _ = await ask(Clients({"gpt": client}), how)
    assert completion.text
    assert sent(provider)["stream"] is True


def test_what_belongs_to_the_router_is_given_to_it(openai_client: OpenAIClient) -> None:
    with pytest.raises(ConfigurationError, match="on_broken='continue' belongs to the router that you give"):
        Clients({"gpt": openai_client}, Router(Pool([Target("gpt", "openai", "gpt-4o-mini")])), on_broken="continue")


def test_a_session_may_be_a_number(make: Make) -> None:
    asked = make().complete(HELLO, session=0).outcome.attempt.call.view.scope
    assert asked.session == "0"


def test_a_stream_that_was_not_read_has_no_completion(make: Make) -> None:
    with pytest.raises(RuntimeError, match="it has not been read"):
        _ = make().stream(HELLO).completion


@pytest.mark.parametrize("clients", [{"a": object()}, {"a": None}, [object()]])
def test_what_is_no_client_is_refused(clients: Any) -> None:
    with pytest.raises(ConfigurationError, match="give target name -> client"):
        Clients(clients)


@pytest.mark.parametrize(("api", "refused"), [("", ""), ("responses", "use 'chat'")])
def test_the_longest_answer_of_a_file_is_said_in_the_words_of_openai(
    provider: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, refused: str
) -> None:
    monkeypatch.setenv("KEY_OF_A", "x")
    lines = ["[targets.a]", 'provider = "openai"', 'model = "gpt-5-mini"', f'base_url = "{provider.openai_url}"']
    lines += ['key = "env:KEY_OF_A"', *([f'api = "{api}"'] if api else []), "[targets.a.settings]", "max_tokens = 64"]
    (tmp_path / "switchwise.toml").write_text("\n".join(lines))
    if refused:
        with pytest.raises(ConfigurationError, match=refused):
            Clients.from_file(tmp_path / "switchwise.toml")
        return
    Clients.from_file(tmp_path / "switchwise.toml").complete(HELLO)
    assert sent(provider)["max_completion_tokens"] == 64
    assert "max_tokens" not in sent(provider)
