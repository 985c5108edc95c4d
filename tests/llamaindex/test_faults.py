"""Every failure of a provider, under every method: the right target is tried next, a bounded number of times, and nothing is
shown twice."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from llama_index.llms.switchwise import Switchwise
from switchwise import AllTargetsFailed, Interrupted, Pool, Router, Target, Verdict
from switchwise.engine.recovery import Recovery
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .methods import covering, named

HELLO = [ChatMessage(role="user", content="hello")]
BEFORE_ANYTHING = {
    Fault.RATE_LIMIT: "rate_limit",
    Fault.CONCURRENCY: "rate_limit",
    Fault.QUOTA: "quota_exhausted",
    Fault.TOO_LARGE: "request_too_large",
    Fault.OVERLOADED: "server_error",
    Fault.SERVER_ERROR: "server_error",
    Fault.UNAVAILABLE: "server_error",
    Fault.AUTHENTICATION: "authentication",
    Fault.NOT_FOUND: "model_not_found",
    Fault.CONTEXT_OVERFLOW: "context_overflow",
    Fault.RESET: "connection",
    Fault.STREAM_ERROR_FIRST: "server_error",
}
AFTER_A_WORD = {
    Fault.STREAM_ERROR_MID: "server_error",
    Fault.STREAM_CUT: "connection",
    Fault.RESET_MID_STREAM: "connection",
}


class TestBeforeAWordWasShown:
    @pytest.mark.parametrize(("method", "fault"), covering(BEFORE_ANYTHING), ids=named)
    async def test_another_target_answers_and_the_failure_is_called_by_its_name(self, method, two, journal, provider, fault):
        provider.inject(fault, model="gpt-4.1")
        _, last = await method.ask(two, "What is it?")
        assert last is not None
        assert [name for name, _ in journal.results] == ["one", "two"]
        kind = journal.results[0][1]
        if fault is Fault.OVERLOADED:
            assert kind in ("server_error", "overloaded")
        elif fault is not Fault.STREAM_ERROR_FIRST:
            assert kind == BEFORE_ANYTHING[fault]

    async def test_a_target_that_hangs_is_left_after_its_own_timeout(self, method, openai, journal, provider):
        router = Router(Pool([Target("one", "a"), Target("two", "b")]), observers=[journal])
        llm = Switchwise({"one": openai("gpt-4.1", timeout=0.3), "two": openai("gpt-4o")}, router=router)
        provider.inject(Fault.STALL, model="gpt-4.1", seconds=5)
        await method.ask(llm, "What is it?")
        assert journal.results == [("one", "timeout"), ("two", "ok")]

    async def test_an_error_of_the_caller_is_raised_and_no_other_target_is_called(self, method, two, journal, provider):
        provider.inject(Fault.BAD_REQUEST, times=None)
        with pytest.raises(Exception, match="temperature") as caught:
            await method.ask(two, "What is it?")
        assert type(caught.value).__name__ == "BadRequestError"
        assert journal.results == [("one", "bad_request")]

    async def test_when_all_fail_the_error_holds_each_providers_own_with_the_name_of_its_target(
        self, method, two, journal, provider
    ):
        provider.inject(Fault.SERVER_ERROR, times=None)
        with pytest.raises(AllTargetsFailed) as caught:
            await method.ask(two, "What is it?")
        assert [type(error).__name__ for error in caught.value.exceptions] == ["InternalServerError"] * 2
        notes = [note for error in caught.value.exceptions for note in error.__notes__]
        assert ["'one'" in notes[0], "'two'" in notes[1]] == [True, True]
        assert len(provider.requests) == 2, "attempts are bounded"

    async def test_a_bug_is_not_an_outage(self, method, two, journal, provider, monkeypatch):
        broken = two.models["one"]
        monkeypatch.setattr(type(broken), method.name, _broken, raising=True)
        with pytest.raises(TypeError, match="a bug"):
            await method.ask(two, "What is it?")
        assert journal.results == [("one", "abandoned")]
        assert provider.requests == ()


class TestAfterAWordWasShown:
    @pytest.mark.parametrize("fault", AFTER_A_WORD, ids=lambda fault: fault.value)
    async def test_the_stream_breaks_off_with_an_error_and_never_goes_on_with_another_target(
        self, streaming, two, journal, provider, fault
    ):
        provider.inject(fault, model="gpt-4.1", after=2)
        with pytest.raises(Interrupted, match="one broke off"):
            await streaming.ask(two, "What is it?")
        assert journal.results == [("one", AFTER_A_WORD[fault])]

    async def test_a_stream_that_is_cut_before_its_first_word_is_answered_by_another(self, two, journal, provider):
        """OpenAI begins with a chunk that says no more than `role: assistant`."""
        provider.inject(Fault.STREAM_CUT, model="gpt-4.1", after=0)
        chunks = list(two.stream_chat(HELLO))
        assert "".join(chunk.delta for chunk in chunks) == "You said: hello (1 turns, gpt-4o)."
        assert journal.results == [("one", "connection"), ("two", "ok")]


class TestStreams:
    async def test_the_first_word_is_there_when_the_call_returns(self, two, provider):
        two.stream_chat(HELLO)
        assert len(provider.requests) == 1
        await two.astream_chat(HELLO)
        assert len(provider.requests) == 2

    async def test_one_that_its_reader_leaves_is_settled_as_abandoned(self, two, journal):
        chunks = two.stream_chat(HELLO)
        next(chunks)
        chunks.close()
        more = await two.astream_chat(HELLO)
        await anext(more)
        await more.aclose()
        assert journal.results == [("one", "abandoned")] * 2

    async def test_one_that_is_cancelled_is_settled_as_abandoned_and_the_cancellation_passes(self, openai, journal, provider):
        llm = Switchwise({"only": openai()}, observers=[journal])
        provider.inject(Fault.STALL, seconds=5)
        task = asyncio.create_task(llm.achat(HELLO))
        while not (provider.requests or task.done()):
            await asyncio.sleep(0.01)
        assert not task.done(), task.exception()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert journal.results == [("only", "abandoned")]

    async def test_nothing_of_a_rejected_answer_is_shown(self, openai, journal, stamped_method):
        def not_from_the_first(view, reply):
            return Verdict("gpt-4.1" not in reply.text, "it names its model")

        router = Router(Pool([Target("one"), Target("two")]), verify=not_from_the_first, observers=[journal])
        llm = Switchwise({"one": openai("gpt-4.1"), "two": openai("gpt-4o")}, router=router)
        shown, last = await stamped_method.ask(llm, "What is it?")
        assert shown == "You said: What is it? (1 turns, gpt-4o)."
        assert last.additional_kwargs["switchwise"]["attempts"] == [
            {"target": "one", "result": "rejected"},
            {"target": "two", "result": "accepted"},
        ]

    async def test_the_best_rejected_answer_is_shown_with_its_own_decision(self, openai, journal, streaming):
        if streaming.structured:
            return
        router = Router(
            Pool([Target("one", "a"), Target("two", "b"), Target("three", "b")]),
            verify=lambda view, reply: Verdict(False, "no", 0.9 if "gpt-4.1" in reply.text else 0.1),
            observers=[journal],
            recovery=Recovery(patience=0),
        )
        models = {"one": openai("gpt-4.1"), "two": openai("gpt-4o"), "three": openai("gpt-4o-mini")}
        with LoopbackProvider() as failing:
            failing.inject(Fault.QUOTA, times=None)
            models["three"] = openai("gpt-4o-mini", api_base=failing.openai_url)
            shown, last = await streaming.ask(Switchwise(models, router=router), "What is it?")
        assert shown == "You said: What is it? (1 turns, gpt-4.1)."
        stamp = last.additional_kwargs["switchwise"]
        assert (stamp["target"], stamp["accepted"]) == ("one", False)

    async def test_one_without_a_single_chunk_is_a_failure_and_all_of_them_an_empty_stream(self, journal, two):
        silent = _Silent()
        llm = Switchwise({"one": silent, "two": two.models["two"]}, router=two.router)
        assert "".join(chunk.delta for chunk in llm.stream_chat(HELLO)) != ""
        llm = Switchwise({"one": silent, "two": silent}, router=two.router)
        assert list(llm.stream_chat(HELLO)) == []
        assert [chunk async for chunk in await llm.astream_chat(HELLO)] == []


class TestStructuredAnswers:
    @pytest.mark.parametrize("name", ["structured_predict", "astructured_predict"])
    async def test_one_that_does_not_fit_its_schema_is_asked_of_another_target(self, two, journal, name, openai):
        from .methods import METHODS

        method = next(m for m in METHODS if m.name == name)
        with LoopbackProvider(
            answer=lambda r: Answer("{}" if r.model == "gpt-4.1" else '{"name": "Bonn", "population": 3}')
        ) as p:
            models = {"one": openai("gpt-4.1", api_base=p.openai_url), "two": openai("gpt-4o", api_base=p.openai_url)}
            got, _ = await method.ask(Switchwise(models, router=two.router), "small")
        assert got == "Bonn"
        assert journal.results == [("one", "unsupported"), ("two", "ok")]

    def test_braces_in_a_message_are_text(self, openai, provider):
        class Said(BaseModel):
            text: str

        llm = Switchwise({"only": openai()}).as_structured_llm(Said)
        llm.chat([ChatMessage(role="user", content='What is {"a": {b}}?')])
        assert provider.requests[0].body["messages"][0]["content"] == 'What is {"a": {b}}?'

    def test_the_system_prompt_of_the_router_itself_survives(self, openai, provider):
        from .methods import CITY, City

        Switchwise({"only": openai()}, system_prompt="Be brief.").structured_predict(City, CITY, what="it")
        assert provider.requests[0].body["messages"][0] == {"role": "system", "content": "Be brief."}


class TestRawErrorsOfTheTransport:
    @pytest.mark.parametrize(
        ("method", "error"),
        covering([httpx.ReadError("reset"), httpx.ReadTimeout("slow"), ConnectionResetError(), TimeoutError("late")]),
        ids=named,
    )
    async def test_are_failures_of_the_target(self, method, two, journal, monkeypatch, error):
        def failing(*_, **__):
            raise error

        first = two.models["one"]
        object.__setattr__(first, "__class__", type("Mine", (type(first),), {method.name: failing}))
        await method.ask(two, "What is it?")
        assert [name for name, _ in journal.results] == ["one", "two"]


def _broken(*_, **__):
    raise TypeError("a bug")


class _Silent:
    """An LLM that never says a word."""

    metadata = Switchwise.metadata
    chat = achat = None

    def stream_chat(self, messages, **_):
        yield from ()

    async def astream_chat(self, messages, **_):
        async def nothing():
            for chunk in ():
                yield chunk

        return nothing()
