"""A conversation that moves between providers: whoever wrote it, everyone can go on with it, also in the middle of a tool loop."""

from __future__ import annotations

import copy
import itertools

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llama_index.llms.switchwise import Switchwise
from switchwise import NoTarget, Pool, Router, Target

from ..methods import ADD

SYSTEM = ChatMessage(role="system", content="You add numbers.")
ASK = ChatMessage(role="user", content="Please add 1 and 2.")
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
APIS = {"openai": "chat", "responses": "responses", "reasoning": "responses", "anthropic": "messages", "thinking": "messages"}
ALL = list(APIS)


@pytest.fixture
def natives(openai, responses, anthropic, thinking):
    reasoning = {"reasoning_options": {"effort": "low", "summary": "auto"}, "store": True}
    return {
        "openai": openai(),
        "responses": responses(),
        "reasoning": responses("o4-mini", **reasoning),
        "anthropic": anthropic(),
        "thinking": thinking(),
    }


@pytest.fixture
def llm(natives):
    return Switchwise(natives, router=Router(Pool([Target(name, name) for name in natives])))


def called(llm, writer, streamed):
    """The assistant's turn that calls the tool, as `writer` really leaves it in the history."""
    return _asked(llm, [SYSTEM, ASK], writer, streamed).message


def answered(turn):
    return [
        ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": block.tool_call_id})
        for block in turn.blocks
        if isinstance(block, ToolCallBlock)
    ]


@pytest.mark.parametrize(("writer", "reader"), list(itertools.product(ALL, ALL)))
class TestEveryWriterAndEveryReader:
    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_in_the_middle_of_a_tool_loop(self, llm, provider, writer, reader, streamed):
        turn = called(llm, writer, streamed)
        history = [SYSTEM, ASK, turn, *answered(turn)]
        before = copy.deepcopy(history)
        response = _asked(llm, history, reader, streamed)
        assert response.message.content == "The tools returned: 3"
        assert [seen.api for seen in provider.requests] == [APIS[writer], APIS[reader]]
        assert history == before, "the caller's history is changed"

    def test_in_the_middle_of_a_conversation(self, llm, writer, reader):
        streamed = False
        turn = called(llm, writer, streamed)
        history = [SYSTEM, ASK, turn, *answered(turn)]
        history += [_asked(llm, history, writer, streamed).message, ChatMessage(role="user", content="Thanks")]
        assert "Thanks" in _asked(llm, history, reader, streamed).message.content

    def test_and_back_again(self, llm, writer, reader):
        """writer -> reader, who calls the tool once more -> writer."""
        streamed = True
        turn = called(llm, writer, streamed)
        history = [SYSTEM, ASK, turn, *answered(turn), ChatMessage(role="assistant", content="3"), ASK]
        again = _asked(llm, history, reader, streamed).message
        history += [again, *answered(again)]
        assert _asked(llm, history, writer, streamed).message.content == "The tools returned: 3"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("writer", ALL)
def test_those_who_think_leave_their_thoughts_in_the_history(llm, writer, streamed):
    """The control: what is translated is really there."""
    thoughts = [block for block in called(llm, writer, streamed).blocks if isinstance(block, ThinkingBlock)]
    assert bool(thoughts) == (writer in ("reasoning", "thinking"))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("writer", "reader"), list(itertools.permutations(["responses", "anthropic", "thinking"], 2)))
async def test_asynchronously_as_well(llm, writer, reader, streamed):
    history = [SYSTEM, ASK]
    for target in (writer, reader):
        if streamed:
            chunks = await llm.astream_chat_with_tools([ADD], chat_history=history, route={"target": target})
            turn = [chunk async for chunk in chunks][-1].message
        else:
            turn = (await llm.achat_with_tools([ADD], chat_history=history, route={"target": target})).message
        history += [turn, *answered(turn)]
    assert turn.content == "The tools returned: 3"


def test_without_translation_the_strict_provider_refuses(natives, llm):
    """The control: what the matrix proves is not proven by a provider that takes everything."""
    turn = called(llm, "openai", streamed=False)
    with pytest.raises(Exception, match=r"dictionary|object"):
        natives["anthropic"].chat_with_tools([ADD], chat_history=[SYSTEM, ASK, turn, *answered(turn)])
    unsigned = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), *turn.blocks])
    with pytest.raises(Exception, match=r"ignature|dictionary"):
        natives["thinking"].chat_with_tools([ADD], chat_history=[SYSTEM, ASK, unsigned, *answered(turn)])


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("first", range(len(ALL)))
async def test_an_agent_whose_every_step_goes_to_another_provider_comes_to_its_end(natives, provider, streaming, first):
    names = [ALL[first], ALL[(first + 1) % len(ALL)]]
    turns = iter(names)
    router = Router(Pool([Target(name, name) for name in natives]), lambda view, s: s.prefer({next(turns)}, "in turn"))
    agent = FunctionAgent(name="adder", tools=[ADD], llm=Switchwise(natives, router=router), streaming=streaming)
    assert "3" in str(await agent.run("Please add 1 and 2."))
    assert [seen.api for seen in provider.requests] == [APIS[name] for name in names]


class TestBlocks:
    def test_that_only_anthropic_knows_reach_openai_as_text_or_not_at_all(self, llm, provider):
        cited = CitableBlock(title="t", source="s", content=[TextBlock(text="a source")])
        mark = CachePoint(cache_control=CacheControl(type="ephemeral"))
        history = [SYSTEM, ChatMessage(role="user", blocks=[TextBlock(text="look"), mark, cited])]
        llm.chat(history, route={"target": "openai"})
        assert provider.requests[0].body["messages"][1]["content"] == "looka source"
        llm.chat(history, route={"target": "anthropic"})
        assert provider.requests[1].body["messages"][0]["content"][0]["cache_control"]["type"] == "ephemeral"

    def test_images_reach_everyone(self, llm, provider):
        history = [ChatMessage(role="user", blocks=[TextBlock(text="look"), ImageBlock(image=PNG, image_mimetype="image/png")])]
        for reader in ALL:
            assert llm.chat(history, route={"target": reader}).message.content

    def test_audio_is_not_put_to_a_target_that_takes_none(self, openai, anthropic):
        llm = Switchwise(
            {"a": anthropic(), "o": openai("gpt-4o-audio-preview")}, router=Router(Pool([Target("a", "x"), Target("o", "y")]))
        )
        sound = ChatMessage(role="user", blocks=[TextBlock(text="hear"), AudioBlock(audio=b"RIFF0000WAVE", format="wav")])
        response = llm.chat([sound])
        assert [a["result"] for a in response.additional_kwargs["switchwise"]["attempts"]] == ["unsupported", "accepted"]

    def test_an_image_by_address_is_not_downloaded_because_the_route_changed(self, openai, anthropic, provider):
        llm = Switchwise({"claude": anthropic(), "gpt": openai()})
        history = [ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(url="http://127.0.0.1:9/a.png")])]
        assert llm.chat(history).additional_kwargs["switchwise"]["target"] == "gpt"
        with pytest.raises(NoTarget, match="only openai can serve this request"):
            llm.chat(history, route={"target": "claude"})


class TestSettings:
    @pytest.mark.parametrize(("choice", "sent"), [("add", {"type": "tool", "name": "add"}), ("required", {"type": "any"})])
    def test_a_tool_choice_by_name_is_put_in_each_providers_words(self, llm, provider, choice, sent):
        llm.chat_with_tools([ADD], "do it", tool_choice=choice, route={"target": "anthropic"})
        assert provider.requests[0].body["tool_choice"] == {"disable_parallel_tool_use": True, **sent}
        llm.chat_with_tools([ADD], "do it", tool_choice=choice, route={"target": "openai"})
        name = {"type": "function", "function": {"name": "add"}}
        assert provider.requests[1].body["tool_choice"] == (name if choice == "add" else "required")

    def test_a_forced_tool_switches_thinking_off_for_that_call(self, llm, provider):
        llm.chat_with_tools([ADD], "do it", tool_choice="add", route={"target": "thinking"})
        assert provider.requests[0].body["thinking"] == {"type": "disabled"}

    def test_cache_marks_of_a_target_are_not_left_in_the_callers_messages(self, anthropic):
        llm = Switchwise({"marking": anthropic(cache_idx=-1)})
        history = [SYSTEM, ASK]
        llm.chat(history)
        assert all(message.additional_kwargs == {} for message in history)


class TestResponses:
    def test_a_target_that_keeps_the_last_response_on_itself_is_refused(self):
        from llama_index.llms.openai import OpenAIResponses

        tracking = OpenAIResponses(model="gpt-4.1", api_key="test", track_previous_responses=True)
        with pytest.raises(ValueError, match="track_previous_responses"):
            Switchwise([tracking])


def _asked(llm, history, reader, streamed):
    if streamed:
        *_, last = llm.stream_chat_with_tools([ADD], chat_history=history, route={"target": reader})
        return last
    return llm.chat_with_tools([ADD], chat_history=history, route={"target": reader})
