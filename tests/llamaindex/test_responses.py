"""OpenAI's Responses, the third protocol: under every method as the bare LLM, with its failures heard, also those that are silent."""

from __future__ import annotations

import pytest
from llama_index.llms.openai import OpenAIResponses

from llama_index.llms.switchwise import Switchwise
from switchwise import Interrupted, Pool, Router, Target
from switchwise.engine.recovery import Recovery
from switchwise_loopback import Fault

from .. import traffic
from . import replay
from .methods import content_of, covering, named

CALLS = [one for one in traffic.recordings(traffic.traffic()) if one.api == "responses"]
BEFORE_ANYTHING = {
    Fault.RATE_LIMIT: "rate_limit",
    Fault.QUOTA: "quota_exhausted",
    Fault.UNAVAILABLE: "server_error",
    Fault.AUTHENTICATION: "authentication",
    Fault.NOT_FOUND: "model_not_found",
    Fault.CONTEXT_OVERFLOW: "context_overflow",
    Fault.RESET: "connection",
    Fault.STREAM_QUOTA: "quota_exhausted",
}
AFTER_A_WORD = {
    Fault.STREAM_FAILED: "server_error",
    Fault.STREAM_ERROR_MID: "server_error",
    Fault.STREAM_CUT: "connection",
    Fault.RESET_MID_STREAM: "connection",
}


@pytest.fixture
def two(responses, journal):
    router = Router(Pool([Target("one", "first"), Target("two", "second")]), observers=[journal], recovery=Recovery(patience=0))
    return Switchwise({"one": responses("gpt-4.1"), "two": responses("gpt-4o")}, router=router)


async def test_a_method_gives_what_the_bare_llm_gives(method, responses, provider):
    bare = responses()
    text = "Please add 1 and 2." if "tools" in method.name else "What is it?"
    expected, last = await method.ask(bare, text)
    got, routed = await method.ask(Switchwise({"only": bare}), text)
    assert got == expected
    if method.structured and method.streams:
        routed, last = routed.model_dump(), last.model_dump()  # each has a class of its own
    assert content_of(routed) == content_of(last)
    sent, again = [seen.body for seen in provider.requests]
    assert again == sent


async def test_usage_is_known_but_for_native_structured_output(method, two, journal):
    await method.ask(two, "What is it?")
    usage = journal[0].reply.usage
    if method.structured and not method.streams:
        assert usage is None
        return
    assert usage is not None, "unknown"
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


@pytest.mark.parametrize(("method", "fault"), covering(BEFORE_ANYTHING), ids=named)
async def test_a_failure_is_called_by_its_name_and_another_target_answers(method, two, journal, provider, fault):
    provider.inject(fault, model="gpt-4.1")
    await method.ask(two, "What is it?")
    assert journal.results == [("one", BEFORE_ANYTHING[fault]), ("two", "ok")]


@pytest.mark.parametrize("fault", AFTER_A_WORD, ids=lambda fault: fault.value)
async def test_a_stream_that_breaks_off_is_not_taken_for_a_short_answer(streaming, two, journal, provider, fault):
    provider.inject(fault, model="gpt-4.1", after=2)
    try:
        await streaming.ask(two, "What is it?")
    except Interrupted:
        assert journal.results == [("one", AFTER_A_WORD[fault])]
    else:
        assert streaming.structured, "something was shown, so nobody else may go on"
        assert journal.results == [("one", AFTER_A_WORD[fault]), ("two", "ok")]


@pytest.mark.parametrize("recorded", CALLS, ids=lambda recorded: recorded.id)
def test_a_recorded_answer_is_the_same_routed_and_bare(recorded):
    def make():
        return OpenAIResponses(model="gpt-4.1", api_key="test", max_retries=0, http_client=replay.transport(recorded))

    replay.check(recorded, make)


def test_there_is_something_to_replay():
    assert len(CALLS) > 3
