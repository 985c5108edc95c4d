"""What the clients do with an SDK, and what they keep to themselves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from switchwise import (
    AllTargetsFailed,
    Ask,
    Call,
    ConfigurationError,
    FailureKind,
    Pool,
    Reply,
    Router,
    Shortlist,
    Target,
    TargetError,
    Usage,
    View,
    adrive,
    drive,
)
from switchwise.clients import AnthropicClient, Client, Clients, HiddenRetries, OpenAIClient
from switchwise.clients.anthropic import MessageAssembly
from switchwise.clients.arguments import sdk_module
from switchwise.clients.openai import ChatAssembly
from switchwise.engine.recovery import Recovery
from switchwise_loopback import Answer, Fault, LoopbackProvider, ToolCall

HELLO = [{"role": "user", "content": "Hello"}]
KEY = "sk-secret-1234567890"
BOTH = pytest.mark.parametrize("which", ["openai", "anthropic"])


def call_to(model: str, ask: str | None = None) -> Call:
    target = Target("it", model=model)
    return Call(target, View(), Shortlist(Pool([target])), ask=Ask.text(ask, to="it") if ask else None)


@pytest.fixture
def either(openai_client: OpenAIClient, anthropic_client: AnthropicClient) -> dict[str, Client]:
    return {"openai": openai_client, "anthropic": anthropic_client}


def built(which: str, at: LoopbackProvider, **more: Any) -> Client:
    if which == "openai":
        return OpenAIClient(base_url=at.openai_url, api_key=KEY, **more)
    return AnthropicClient(base_url=at.anthropic_url, api_key=KEY, **more)


# -- calls ---------------------------------------------------------------------------------------------------------


@BOTH
async def test_drive_and_adrive_perform_a_request_in_the_api_s_own_words(either: dict[str, Client], which: str) -> None:
    request = either[which].request(messages=HELLO, max_tokens=50, stream=True)
    router = Router(Pool([Target("it", model="a-model")]))
    run, arun = router.start(View()), router.start(View())
    chunks = list(drive(run, request.perform))
    achunks = [chunk async for chunk in adrive(arun, request.aperform)]
    assert len(chunks) == len(achunks) > 1
    assert run.outcome.reply.text == arun.outcome.reply.text != ""


def test_the_model_is_the_router_s_choice(openai_client: OpenAIClient, provider: LoopbackProvider) -> None:
    with pytest.raises(ConfigurationError, match="chosen by the router"):
        openai_client.request(model="gpt-4o", messages=HELLO)
    for target in (Target("it", model="named"), Target("it"), Target("bare")):
        list(openai_client.perform(Call(target, View(), Shortlist(Pool([target]))), {"messages": HELLO}))
    list(OpenAIClient(openai_client.sync).perform(call_to(""), {"messages": HELLO}))
    assert [seen.model for seen in provider.requests] == ["named", "gpt-4o-mini", "gpt-4o-mini", "it"]


@BOTH
def test_a_question_of_a_policy_is_sent_as_plain_text(
    either: dict[str, Client], which: str, provider: LoopbackProvider
) -> None:
    *chunks, reply = either[which].perform(
        call_to("judge", ask="Is it good?"), {"messages": HELLO, "tools": [{}], "stream": True}
    )
    assert chunks == []
    assert isinstance(reply, Reply)
    body = provider.requests[0].body
    assert body["messages"] == [{"role": "user", "content": "Is it good?"}]
    assert "tools" not in body


@BOTH
def test_defaults_go_with_every_request(which: str, provider: LoopbackProvider) -> None:
    list(built(which, provider, defaults={"temperature": 0.25}).perform(call_to("m"), {"messages": HELLO, "max_tokens": 9}))
    assert provider.requests[0].body["temperature"] == 0.25, "also where the SDK has no such parameter any more"


@BOTH
def test_a_provider_s_failure_is_a_target_error_from_its_own_exception(
    either: dict[str, Client], which: str, provider: LoopbackProvider
) -> None:
    provider.inject(Fault.RATE_LIMIT, retry_after=7)
    with pytest.raises(TargetError) as caught:
        list(either[which].perform(call_to("m"), {"messages": HELLO, "max_tokens": 9}))
    assert caught.value.kind is FailureKind.RATE_LIMIT
    assert caught.value.retry_after == 7
    assert type(caught.value.own).__name__ == "RateLimitError"


@BOTH
def test_a_bug_in_the_request_is_no_failure_of_the_target(either: dict[str, Client], which: str) -> None:
    with pytest.raises(TypeError):
        list(either[which].perform(call_to("m"), {"messages": HELLO, "max_tokens": 9, "metadata": {object(): 1}}))


@BOTH
@pytest.mark.parametrize("fault", [Fault.REFUSAL, Fault.CONTENT_FILTER])
def test_a_refusal_is_an_answer_unless_it_is_wanted_as_a_failure(which: str, fault: Fault, provider: LoopbackProvider) -> None:
    provider.inject(fault, times=2)
    params = {"messages": HELLO, "max_tokens": 99}
    *_, reply = built(which, provider).perform(call_to("m"), params)
    assert isinstance(reply, Reply)
    with pytest.raises(TargetError) as caught:
        list(built(which, provider, refusals="fail").perform(call_to("m"), params))
    assert caught.value.kind is FailureKind.REFUSED


# -- retries -------------------------------------------------------------------------------------------------------


@BOTH
def test_clients_that_are_built_here_do_not_retry(which: str, provider: LoopbackProvider) -> None:
    provider.inject(Fault.SERVER_ERROR, times=None)
    with pytest.raises(TargetError):
        list(built(which, provider).perform(call_to("m"), {"messages": HELLO, "max_tokens": 9}))
    assert len(provider.requests) == 1


@pytest.mark.parametrize("sdk", [openai.OpenAI, anthropic.Anthropic])
def test_a_client_that_retries_by_itself_is_left_alone_with_a_warning(sdk: Any) -> None:
    client = OpenAIClient if sdk is openai.OpenAI else AnthropicClient
    given = sdk(api_key="x", max_retries=4)
    with pytest.warns(HiddenRetries, match="max_retries=4") as seen:
        client(given)
    assert seen[0].filename == __file__, "it points at whoever built the client"
    assert given.max_retries == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # ours; not what another test left to the garbage collector
        client(sdk(api_key="x", max_retries=0))
        client(sdk(api_key="x"))  # nobody asked for its retries: they are switched off


class Flaky(httpx.BaseTransport):
    """Connections that are dead when they are used, as pooled ones are after a while."""

    def __init__(self, dead: int, said: Exception) -> None:
        self.dead, self.said, self.tried = dead, said, 0
        self.real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.tried += 1
        if self.tried <= self.dead:
            raise self.said
        return self.real.handle_request(request)


STALE = [httpx.RemoteProtocolError("Server disconnected without sending a response."), RuntimeError("Event loop is closed")]


def over(flaky: Flaky, provider: LoopbackProvider) -> OpenAIClient:
    transport = httpx.Client(transport=flaky)
    return OpenAIClient(openai.OpenAI(base_url=provider.openai_url, api_key="x", max_retries=0, http_client=transport))


@pytest.mark.parametrize("said", STALE, ids=repr)
def test_a_stale_connection_is_tried_once_more(provider: LoopbackProvider, said: Exception) -> None:
    flaky = Flaky(1, said)
    run = Router(Pool([Target("m")])).start(View())
    list(drive(run, over(flaky, provider).request(messages=HELLO).perform))
    assert (len(run.outcome.attempts), flaky.tried) == (1, 2)


@pytest.mark.parametrize(("said", "tried"), [(STALE[0], 2), (httpx.ConnectError("refused"), 1)])
def test_a_dead_target_is_not_tried_for_long(provider: LoopbackProvider, said: Exception, tried: int) -> None:
    flaky = Flaky(9, said)
    run = Router(Pool([Target("m")]), recovery=Recovery(patience=0)).start(View())
    with pytest.raises(AllTargetsFailed):
        list(drive(run, over(flaky, provider).request(messages=HELLO).perform))
    assert flaky.tried == tried


# -- building ------------------------------------------------------------------------------------------------------


@BOTH
def test_keys_are_in_no_representation_and_in_no_error(which: str, provider: LoopbackProvider) -> None:
    client = built(which, provider, model="m")
    provider.inject(Fault.AUTHENTICATION)
    with pytest.raises(TargetError) as caught:
        list(client.perform(call_to("m"), {"messages": HELLO, "max_tokens": 9}))
    assert KEY not in f"{client!r} {client.request(messages=HELLO)!r} {caught.value!r} {caught.value.own!r}"


@BOTH
async def test_a_client_of_the_other_colour_is_missed_with_a_remedy(which: str) -> None:
    sync, asynchronous = {
        "openai": (openai.OpenAI(api_key="x", max_retries=0), openai.AsyncOpenAI(api_key="x", max_retries=0)),
        "anthropic": (anthropic.Anthropic(api_key="x", max_retries=0), anthropic.AsyncAnthropic(api_key="x", max_retries=0)),
    }[which]
    made = OpenAIClient if which == "openai" else AnthropicClient
    with pytest.raises(ConfigurationError, match="async_client="):
        [item async for item in made(sync).aperform(call_to("m"), {"messages": HELLO})]
    with pytest.raises(ConfigurationError, match="client="):
        list(made(None, asynchronous).perform(call_to("m"), {"messages": HELLO}))


def test_settings_that_would_be_ignored_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        OpenAIClient(openai.OpenAI(api_key="x", max_retries=0), api_key="y")
    with pytest.raises(ConfigurationError, match="refusals"):
        OpenAIClient(refusals="maybe")


def test_what_is_no_answer_of_the_api_is_a_server_error(provider: LoopbackProvider) -> None:
    page = httpx.MockTransport(
        lambda request: httpx.Response(200, text="<html>login</html>", headers={"content-type": "text/html"})
    )
    sdk = openai.OpenAI(base_url=provider.openai_url, api_key="x", max_retries=0, http_client=httpx.Client(transport=page))
    with pytest.raises(TargetError) as caught:
        list(OpenAIClient(sdk).perform(call_to("m"), {"messages": HELLO}))
    assert caught.value.kind is FailureKind.SERVER_ERROR


def test_a_client_of_the_callers_own_answers_with_objects_of_the_sdk(provider: LoopbackProvider) -> None:
    sdk = openai.OpenAI(base_url=provider.openai_url, api_key="x", max_retries=0)
    answer = sdk.chat.completions.create(model="m", messages=HELLO)
    given: list[Any] = [answer, "<html>login</html>"]
    sdk.chat.completions.create = lambda **_: given.pop(0)  # as a test double has it
    client = OpenAIClient(sdk)
    (reply,) = client.perform(call_to("m"), {"messages": HELLO})
    assert (reply.text, reply.headers) == (answer.choices[0].message.content, None)
    with pytest.raises(TargetError, match=r"no answer of the API: .*login"):
        list(client.perform(call_to("m"), {"messages": HELLO}))


def test_an_sdk_that_lacks_a_package_of_its_own_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "an_sdk.py").write_text("import a_package_of_its_own\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_of_its_own"):
        sdk_module("an_sdk")
    with pytest.raises(ConfigurationError, match=r"'no_sdk' is not installed: pip install 'switchwise\[no_sdk\]'"):
        sdk_module("no_sdk")


def test_a_call_of_a_custom_tool_is_read_with_its_input(openai_client: OpenAIClient) -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    reply = openai_client.reply_of({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    assert reply.tool_calls == (("shell", {"input": "ls -l"}),)


@pytest.mark.parametrize("repeats", [False, True])
def test_tool_calls_are_put_together_from_pieces_of_any_server(openai_client: OpenAIClient, repeats: bool) -> None:
    """OpenAI names a call once; other servers repeat id and name with every piece, or send no index."""
    chat = ChatAssembly()
    named = {"id": "call_1", "type": "function"}
    first = {"index": 0, **named, "function": {"name": "weather", "arguments": '{"ci'}}
    again = {
        "index": 0,
        **(named if repeats else {}),
        "function": {"name": "weather" if repeats else None, "arguments": 'ty": 1}'},
    }
    for delta, end in (({"role": "assistant", "tool_calls": [first]}, None), ({"tool_calls": [again]}, "tool_calls")):
        assert not chat.complete
        chat.take({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
    assert chat.complete
    assert openai_client.reply_of(chat.finished()).tool_calls == (("weather", {"city": 1}),)


def test_broken_arguments_are_kept_to_be_looked_at(provider: LoopbackProvider, openai_client: OpenAIClient) -> None:
    provider._responder = lambda request: Answer(tool_calls=(ToolCall("weather", '{"city": '),))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    *_, reply = openai_client.perform(call_to("m"), {"messages": HELLO, "tools": [tool]})
    assert reply.tool_calls == (("weather", {"_raw": '{"city": '}),)


def test_no_sdk_is_imported_before_a_call_is_made() -> None:
    heavy = {"openai", "anthropic", "genai_prices"}
    code = f"import sys, switchwise.clients as c; c.OpenAIClient(), c.AnthropicClient(); print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_blocks_and_deltas_that_are_newer_than_the_client_are_kept(anthropic_client: AnthropicClient) -> None:
    message = MessageAssembly()
    for event in (
        {"type": "message_start", "message": {"model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "What was "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "said."}},
        {"type": "something_new"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ):
        message.take(event)
    assert message.complete
    assert message.raw["content"] == [{"type": "compaction", "content": "What was said."}]
    assert anthropic_client.reply_of(message.finished()).usage == Usage(3, 9)


# -- keys ----------------------------------------------------------------------------------------------------------


async def test_without_a_key_the_first_call_names_the_variable_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: LoopbackProvider
) -> None:
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # where the SDK looks for a profile
    clients = Clients([AnthropicClient(model="claude-haiku-4-5", base_url=provider.anthropic_url)])
    said = r"AnthropicClient\(model='claude-haiku-4-5'\) has no key: set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN, or give api_key="
    with pytest.raises(ConfigurationError, match=said):
        clients.complete(HELLO)
    with pytest.raises(ConfigurationError, match=said):
        await clients.acomplete(HELLO)
    assert not provider.requests


@pytest.mark.parametrize(
    ("variable", "options"),
    [
        ("ANTHROPIC_AUTH_TOKEN", {}),
        ("", {"auth_token": KEY}),
        ("", {"default_headers": {"Authorization": f"Bearer {KEY}"}}),
    ],
)
def test_a_token_or_a_header_is_a_key(
    monkeypatch: pytest.MonkeyPatch, provider: LoopbackProvider, variable: str, options: dict[str, Any]
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    if variable:
        monkeypatch.setenv(variable, KEY)
    *_, reply = AnthropicClient(base_url=provider.anthropic_url, **options).perform(call_to("m"), {"messages": HELLO})
    assert reply.text


# -- event loops ---------------------------------------------------------------------------------------------------


class Own(openai.AsyncOpenAI):
    """An SDK's client with a class of one's own."""


@pytest.mark.parametrize("kind", [OpenAIClient, AnthropicClient, Own])
def test_event_loops_do_not_share_connections(provider: LoopbackProvider, kind: Any) -> None:
    options: dict[str, Any] = {"base_url": provider.anthropic_url if kind is AnthropicClient else provider.openai_url}
    options["api_key"] = "x"
    client = OpenAIClient(None, Own(**options), model="m") if kind is Own else kind(model="claude-opus-4-5", **options)
    clients = Clients({"one": client}, Router(Pool([Target("one")])))

    async def ask() -> str:
        return (await asyncio.wait_for(clients.acomplete(HELLO), timeout=20)).text

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:  # while one runs, nobody reads from the other's sockets
        for loop in (first, second, first, second):
            assert loop.run_until_complete(ask())
    finally:
        first.close()
        second.close()


def test_the_client_of_a_loop_that_is_gone_is_given_up(provider: LoopbackProvider) -> None:
    client = OpenAIClient(model="gpt-4o-mini", base_url=provider.openai_url, api_key="x")
    clients = Clients({"one": client})
    for _ in range(3):
        asyncio.run(clients.acomplete(HELLO))
    assert len(client._loops._by_loop) == 1
