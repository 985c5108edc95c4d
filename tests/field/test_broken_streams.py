"""What follows when a stream breaks off after a reader saw part of it: the run ends, starts again with a signal, or continues. FIELD B5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise
from switchwise import (
    ConfigurationError,
    Continue,
    FailureKind,
    Interrupted,
    Pool,
    Price,
    Router,
    Scope,
    Shortlist,
    Target,
    Together,
    View,
    drive,
)
from switchwise.clients import Clients, OpenAIClient, Signal
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.observe.journal import InMemory
from switchwise.policies import Budget
from switchwise.testing import Clock, Fails, Script
from switchwise_loopback import Answer, Fault, LoopbackProvider

FIRST, SECOND = "gpt-4.1", "gpt-4.1-mini"
REST = Continue("Your answer was cut off. Continue it exactly where it stops.")
ASKED = [{"role": "user", "content": "hi"}]
CHOICES: list[OnBroken] = ["raise", "restart", REST]
SHOWN, WHOLE = "Never finished, ", "and here is all the rest."


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """The first model says a piece of its answer and is cut; the second one answers."""
    with LoopbackProvider(lambda request: Answer("Never finished, alas" if request.model == FIRST else WHOLE)) as running:
        running.inject(Fault.RESET_MID_STREAM, times=None, model=FIRST, after=1)
        yield running


def chat(provider: LoopbackProvider, on_broken: OnBroken) -> ChatSwitchwise:
    models = {
        name: ChatOpenAI(model=name, base_url=provider.openai_url, api_key="k", max_retries=0) for name in (FIRST, SECOND)
    }
    return ChatSwitchwise(models, on_broken=on_broken)


def llm_of(provider: LoopbackProvider, on_broken: OnBroken) -> Switchwise:
    models = {name: OpenAI(model=name, api_base=provider.openai_url, api_key="k", max_retries=0) for name in (FIRST, SECOND)}
    return Switchwise(models, on_broken=on_broken)


def clients_of(provider: LoopbackProvider, on_broken: OnBroken) -> Clients:
    models = {name: OpenAIClient(model=name, base_url=provider.openai_url, api_key="k") for name in (FIRST, SECOND)}
    return Clients(models, on_broken=on_broken)


def asked_to_go_on(provider: LoopbackProvider, shown: str) -> bool:
    last = provider.requests[-1].body["messages"][-2:]
    return [(each["role"], each["content"]) for each in last] == [("assistant", shown), ("user", REST.prompt)]


class TestClients:
    def test_b5_it_starts_again_with_a_signal(self, provider: LoopbackProvider) -> None:
        stream = clients_of(provider, "restart").stream(ASKED)
        pieces = [*stream]
        places = [i for i, piece in enumerate(pieces) if isinstance(piece, Signal)]
        assert places == [1]
        signal = pieces[1]
        assert isinstance(signal, Signal)
        assert (signal, signal.broken.target, signal.broken.kind) == ("", FIRST, FailureKind.CONNECTION)
        assert "".join(pieces[2:]) == WHOLE == stream.completion.text
        assert [attempt["result"] for attempt in stream.completion.record["attempts"]] == ["connection", "accepted"]

    async def test_b5_it_continues_the_text_that_was_shown(self, provider: LoopbackProvider) -> None:
        stream = clients_of(provider, REST).astream(ASKED)
        pieces = [piece async for piece in stream]
        assert "".join(pieces) == pieces[0] + WHOLE == stream.completion.text == stream.completion.message["content"]
        assert asked_to_go_on(provider, pieces[0])

    def test_b5_by_default_the_run_ends(self, provider: LoopbackProvider) -> None:
        shown: list[str] = []
        with pytest.raises(Interrupted):
            shown.extend(clients_of(provider, "raise").stream(ASKED))


def node(llm: ChatSwitchwise) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("say", lambda state: {"messages": [llm.invoke(state["messages"])]})
    builder.add_edge(START, "say")
    return builder.compile()


def agent(llm: ChatSwitchwise) -> Any:
    return create_agent(llm, [], middleware=[SwitchwiseMiddleware()])


class TestLangChain:
    def test_b5_a_chunk_marks_the_restart(self, provider: LoopbackProvider) -> None:
        chunks = [*chat(provider, "restart").stream("hi")]
        place = next(i for i, chunk in enumerate(chunks) if chunk.response_metadata.get("switchwise_restarted"))
        assert chunks[place].response_metadata["switchwise_restarted"] == [{"target": FIRST, "kind": "connection"}]
        assert "".join(str(chunk.content) for chunk in chunks[place:]) == WHOLE
        assert "".join(str(chunk.content) for chunk in chunks[:place]) == SHOWN
        assert chunks[-1].response_metadata["switchwise"]["target"] == SECOND

    async def test_b5_chunks_add_up_where_it_continues(self, provider: LoopbackProvider) -> None:
        chunks = [chunk async for chunk in chat(provider, REST).astream("hi")]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.content == SHOWN + WHOLE
        assert whole.response_metadata["switchwise_continued"] == [{"target": FIRST, "kind": "connection"}]
        assert asked_to_go_on(provider, SHOWN)

    @pytest.mark.parametrize("graph", [node, agent])
    @pytest.mark.parametrize("on_broken", CHOICES[1:], ids=["restart", "continue"])
    def test_b5_a_graph_shows_what_each_token_belongs_to(
        self, provider: LoopbackProvider, graph: Any, on_broken: OnBroken
    ) -> None:
        shown: dict[str, str] = {}
        said: set[str] = set()
        final = ""
        for mode, part in graph(chat(provider, on_broken)).stream({"messages": "hi"}, stream_mode=["messages", "values"]):
            if mode == "messages":
                chunk, metadata = part
                shown[chunk.id] = shown.get(chunk.id, "") + str(chunk.content)
                said |= {name for name in ("switchwise_restarted", "switchwise_continued") if name in metadata}
            else:
                final = part["messages"][-1].content
        assert [*shown.values()] == [SHOWN, WHOLE]  # two messages, by their ids
        restarts = on_broken == "restart"
        assert said == {"switchwise_restarted" if restarts else "switchwise_continued"}
        assert final == (WHOLE if restarts else SHOWN + WHOLE)

    def test_b5_events_of_version_3_cannot_be_taken_back(self, provider: LoopbackProvider) -> None:
        with pytest.raises(Interrupted):
            str(chat(provider, "restart").stream_events("hi", version="v3").text)


class TestLlamaIndex:
    def test_b5_a_chunk_marks_the_restart(self, provider: LoopbackProvider) -> None:
        chunks = [*llm_of(provider, "restart").stream_chat([ChatMessage(role="user", content="hi")])]
        place = next(i for i, chunk in enumerate(chunks) if isinstance(chunk.raw, dict))
        assert chunks[place].raw == {"switchwise_restarted": {"target": FIRST, "kind": "connection"}}
        assert "".join(chunk.delta or "" for chunk in chunks[place:]) == chunks[-1].message.content == WHOLE

    async def test_b5_an_agent_reads_the_signal_and_gives_the_whole_text(self, provider: LoopbackProvider) -> None:
        handler = FunctionAgent(llm=llm_of(provider, REST), tools=[]).run("hi")
        events = [event async for event in handler.stream_events() if isinstance(event, AgentStream)]
        assert [event.raw for event in events if isinstance(event.raw, dict) and "switchwise_continued" in event.raw]
        assert "".join(event.delta for event in events) == SHOWN + WHOLE
        assert str(await handler) == SHOWN + WHOLE
        assert asked_to_go_on(provider, SHOWN)

    async def test_b5_completions_start_again_or_go_on_as_chats_do(self, provider: LoopbackProvider) -> None:
        again = [*llm_of(provider, "restart").stream_complete("hi")]
        place = next(i for i, chunk in enumerate(again) if isinstance(chunk.raw, dict))
        assert again[place].raw == {"switchwise_restarted": {"target": FIRST, "kind": "connection"}}
        assert "".join(chunk.delta or "" for chunk in again[place:]) == again[-1].text == WHOLE
        on = [chunk async for chunk in await llm_of(provider, REST).astream_complete("hi")]
        assert "".join(chunk.delta or "" for chunk in on) == on[-1].text == SHOWN + WHOLE


# -- the engine


def pair(*policies: Any, **options: Any) -> Router:
    price = Price(1.0, 10.0)
    return Router(Pool([Target("first", price=price), Target("second", price=price)]), *policies, **options)


def shown_of(run: Any, script: Script) -> list[Any]:
    run.signals = lambda broken: [broken]
    return [*drive(run, script.perform, sleep=lambda _: None)]


def test_b5_several_may_break_off_and_the_text_grows() -> None:
    script = Script(
        first=Fails(FailureKind.CONNECTION, after=["a"]), second=[Fails(FailureKind.TIMEOUT, after=["b"])], third="c"
    )
    router = Router(Pool([Target("first"), Target("second"), Target("third")]), on_broken=REST)
    run = router.start(View())
    assert [item if isinstance(item, str) else item.text for item in shown_of(run, script)] == ["a", "a", "b", "ab", "c"]
    assert script.calls[-1].continued == "ab"
    assert script.calls[-1].view.tokens > script.calls[0].view.tokens


def test_b5_where_no_target_takes_over_the_stream_ends_with_the_error() -> None:
    script = Script(first=Fails(FailureKind.TIMEOUT, after=["a"]), second=Fails(FailureKind.AUTHENTICATION))
    with pytest.raises(Interrupted, match="first broke off after part of its reply was shown, and no target took over"):
        shown_of(pair(on_broken="restart").start(View()), script)


def test_b5_a_budget_bears_both_calls_and_ends_what_it_cannot_bear() -> None:
    journal, clock = InMemory(), Clock()
    budget = Budget(usd=0.05, output_allowance=1_000)
    router = pair(budget, on_broken="restart", observers=[journal], clock=clock)
    view = View(Scope("s"), tokens=1_000)
    bound = budget.bound(router.pool["first"], view)[0]
    run = router.start(view)
    shown_of(run, Script(first=Fails(FailureKind.TIMEOUT, after=["a"]), second="b"))
    assert budget.spent(view)[0] >= bound  # of the broken one at least its bound: nobody knows what it made
    assert run.outcome.attempts[0].cost == 0.001  # at least its prompt
    script = Script(first=Fails(FailureKind.TIMEOUT, after=["a"]), second="b")
    poor = pair(Budget(usd=bound * 1.5, output_allowance=1_000), on_broken="restart", clock=clock)
    with pytest.raises(Interrupted):
        shown_of(poor.start(view), script)
    assert script.called == ["first"]


def test_b5_the_first_to_speak_of_several_may_break_off() -> None:
    def hedged(view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.together(Together("hedged", 2, "it may be slow", lambda _: 30.0))

    script = Script(first=Fails(FailureKind.TIMEOUT, after=["a"]), second="b")
    run = pair(hedged, on_broken="restart").start(View())
    assert run.several is not None
    assert [item if isinstance(item, str) else item.signal for item in shown_of(run, script)] == [
        "a",
        "switchwise_restarted",
        "b",
    ]
    assert [attempt.target.name for attempt in run.outcome.attempts] == ["first", "second"]


@pytest.mark.parametrize("wrong", ["resume", "", None, 3, "restrat"])
def test_f8_another_choice_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="on_broken="):
        pair(on_broken=wrong)


def test_f8_a_prompt_is_needed_to_continue() -> None:
    with pytest.raises(ConfigurationError, match="write the request"):
        Continue(" ")


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"restart"', "restart"), ('{ continue = "Go on." }', Continue("Go on."))],
)
def test_b5_a_file_says_what_follows(tmp_path: Path, written: str, meant: OnBroken) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(f'version = 1\ntargets.a = "openai:gpt-4.1"\nrouters.main.on_broken = {written}\n')
    assert Router.from_file(path)._context.on_broken == meant


def test_f8_a_file_with_another_word_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('version = 1\ntargets.a = "openai:gpt-4.1"\nrouters.main.on_broken = "restrat"\n')
    with pytest.raises(ConfigurationError, match=r"on_broken.*restrat.*did you mean 'restart'"):
        Router.from_file(path)
