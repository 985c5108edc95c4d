"""Traces and token counts show each call once, whatever wraps it, and the router tells what it did without a word of text."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from llama_index.llms.switchwise import RouteDecisionEvent, RouteOutcomeEvent, Switchwise
from switchwise_loopback import Fault

HELLO = [ChatMessage(role="user", content="a secret question")]


class Heard(BaseEventHandler):
    events: list[Any]

    def handle(self, event, **_):
        self.events.append(event)

    def names(self):
        return [type(event).__name__ for event in self.events if "InProgress" not in type(event).__name__]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def heard():
    root, handler = get_dispatcher(), Heard(events=[])
    root.event_handlers.append(handler)
    yield handler
    root.event_handlers.remove(handler)


async def test_a_routed_call_sends_the_events_of_a_bare_one_and_two_of_its_own(method, openai, heard):
    bare = openai()
    await method.ask(bare, "What is it?")
    expected = heard.names()
    heard.events.clear()
    await method.ask(Switchwise({"only": bare}), "What is it?")
    own = {"RouteDecisionEvent", "RouteOutcomeEvent"}
    assert [name for name in heard.names() if name not in own] == expected
    assert [name for name in heard.names() if name in own] == ["RouteDecisionEvent", "RouteOutcomeEvent"]


async def test_tokens_are_counted_once(method, openai):
    asking = {
        "additional_kwargs": {"stream_options": {"include_usage": True}}
    }  # as switchwise does: else streams are estimated
    bare, counter = openai(**asking), TokenCountingHandler()
    bare.callback_manager = CallbackManager([counter])
    await method.ask(bare, "What is it?")
    expected = counter.total_llm_token_count
    for inner, outer in [(False, True), (True, False), (True, True)]:
        target = openai(**asking)
        llm = Switchwise({"only": target})
        counter = TokenCountingHandler()
        if inner:
            target.callback_manager = CallbackManager([counter])
        if outer:
            llm.callback_manager = CallbackManager([counter])
        await method.ask(llm, "What is it?")
        assert counter.total_llm_token_count == expected


def test_the_callbacks_of_settings_reach_the_targets_but_not_over_their_own(openai, monkeypatch):
    own, given = CallbackManager([TokenCountingHandler()]), CallbackManager([TokenCountingHandler()])
    first, second = openai(), openai("gpt-4o")
    first.callback_manager = own
    monkeypatch.setattr(Settings, "_llm", Switchwise({"first": first, "second": second}))
    monkeypatch.setattr(Settings, "_callback_manager", given)
    assert Settings.llm.callback_manager is given
    assert (first.callback_manager, second.callback_manager) == (own, given)
    other = CallbackManager([TokenCountingHandler()])
    Settings.llm.callback_manager = other
    monkeypatch.setattr(Settings, "_callback_manager", other)
    assert (first.callback_manager, second.callback_manager) == (own, other), (
        "what it gave before is replaced, as with a bare LLM"
    )
    monkeypatch.setattr(Settings, "_callback_manager", none := CallbackManager([]))
    assert Settings.llm.callback_manager is none
    assert (first.callback_manager, second.callback_manager) == (own, none)


def test_callbacks_that_the_targets_have_from_settings_are_not_their_own(openai, monkeypatch):
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([TokenCountingHandler()]))
    target, counter = openai(), TokenCountingHandler()
    assert target.callback_manager.handlers, "LlamaIndex gives each LLM those of Settings"
    llm = Switchwise({"only": target})
    llm.callback_manager = CallbackManager([counter])
    llm.complete("What is it?")
    assert counter.total_llm_token_count > 0


def test_a_fallback_is_two_decisions_and_two_outcomes_without_a_word_of_text(two, heard, provider):
    provider.inject(Fault.RATE_LIMIT, model="gpt-4.1")
    two.bind(agent="me").chat(HELLO, route={"session": "s"})
    decisions, outcomes = heard.of(RouteDecisionEvent), heard.of(RouteOutcomeEvent)
    assert [(event.attempt, event.target, event.ruled_out) for event in decisions] == [(1, "one", []), (2, "two", ["one"])]
    assert {(event.session, event.agent, event.method) for event in decisions} == {("s", "me", "chat")}
    assert [(event.ok, event.failure) for event in outcomes] == [(False, "rate_limit"), (True, "")]
    assert outcomes[1].input_tokens > 0
    assert len({event.decision for event in [*decisions, *outcomes]}) == 1
    for event in [*decisions, *outcomes]:
        assert "secret" not in event.model_dump_json()


def test_an_abandoned_stream_has_an_outcome_that_is_neither_good_nor_a_failure(two, heard):
    two.stream_chat(HELLO).close()
    next(chunks := two.stream_chat(HELLO))
    chunks.close()
    assert (heard.of(RouteOutcomeEvent)[-1].ok, heard.of(RouteOutcomeEvent)[-1].failure) == (False, "")


async def test_a_trace_shows_a_call_once(openai, method):
    spans = SimpleSpanHandler()
    get_dispatcher().add_span_handler(spans)
    try:
        await method.ask(Switchwise({"only": openai()}), "What is it?")
    finally:
        get_dispatcher().span_handlers.remove(spans)
    assert not [span.id_ for span in spans.completed_spans if span.id_.startswith("Switchwise")]
    assert [span for span in spans.completed_spans if span.id_.startswith("OpenAI")]
