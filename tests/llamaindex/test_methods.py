"""Each of the sixteen methods gives what the bare LLM gives, falls back, and tells what was decided."""

from __future__ import annotations

from llama_index.llms.switchwise import Switchwise
from switchwise_loopback import Fault

from .methods import content_of


async def test_a_method_gives_what_the_bare_llm_gives(method, openai, provider):
    bare = openai()
    text = "Please add 1 and 2." if "tools" in method.name else "What is it?"
    expected, last = await method.ask(bare, text)
    got, routed = await method.ask(Switchwise({"only": bare}), text)
    assert got == expected
    assert content_of(routed) == content_of(last)
    sent, again = [dict(seen.body) for seen in provider.requests]
    again.pop("stream_options", None)  # the usage of a stream, for which the bare LLM does not ask
    assert again == sent


async def test_a_failing_target_is_replaced_and_nothing_is_shown_twice(method, two, journal, provider):
    expected, _ = await method.ask(two, "What is it?")
    journal.clear()
    provider.inject(Fault.SERVER_ERROR, model="gpt-4.1")
    got, _ = await method.ask(two, "What is it?")
    assert got.replace("gpt-4o", "gpt-4.1") == expected
    assert journal.results == [("one", "server_error"), ("two", "ok")]


async def test_a_response_carries_the_decision_and_its_message_does_not(stamped_method, two, provider):
    provider.inject(Fault.RATE_LIMIT, model="gpt-4.1")
    _, last = await stamped_method.ask(two, "What is it?")
    stamp = last.additional_kwargs["switchwise"]
    assert stamp["target"] == "two"
    assert stamp["attempts"] == [{"target": "one", "result": "rate_limit"}, {"target": "two", "result": "accepted"}]
    assert stamp["accepted"] is True
    assert "switchwise" not in getattr(getattr(last, "message", None), "additional_kwargs", {})


async def test_the_usage_of_every_answer_is_known_streamed_or_not(method, two, journal):
    await method.ask(two, "What is it?")
    usage = journal[0].reply.usage
    assert usage is not None, "unknown"
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


async def test_the_hint_of_a_call_does_not_reach_the_provider(stamped_method, two, provider):
    async def pinned(llm, text):
        return await stamped_method.ask(_Pinned(llm), text)

    _, last = await pinned(two, "What is it?")
    assert last.additional_kwargs["switchwise"]["target"] == "two"
    assert "route" not in provider.requests[0].body


class _Pinned:
    """Adds a hint to whichever method is called."""

    def __init__(self, llm):
        self._llm = llm

    def __getattr__(self, name):
        return lambda *args, **kwargs: getattr(self._llm, name)(*args, route={"target": "two"}, **kwargs)
