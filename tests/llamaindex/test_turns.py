"""A LlamaIndex message is read for what it is, whatever its agent makes of tools and thinking."""

from __future__ import annotations

import pytest
from llama_index.core.agent.workflow import CodeActAgent, ReActAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool

from llama_index.llms.switchwise import Switchwise
from llama_index.llms.switchwise.models.messages import turn_of
from llama_index.llms.switchwise.reading.scope import Caller
from llama_index.llms.switchwise.reading.view import ChatViews
from switchwise import StepKind, Turn
from switchwise_loopback import Answer, LoopbackProvider

from .methods import ADD, add

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "tool": "tool",
    "function": "tool",
}


@pytest.mark.parametrize(("role", "read"), list(ROLES.items()))
def test_every_role_has_its_place(role, read):
    assert turn_of(ChatMessage(role=role, content="hi")) == Turn(read, "hi")


def test_calls_text_thinking_and_media_are_read():
    blocks = [
        ThinkingBlock(content="hm"),
        TextBlock(text="look"),
        ToolCallBlock(tool_name="add", tool_kwargs={"a": 1}),
        ToolCallBlock(tool_name="sub", tool_kwargs='{"b": 2}'),
        CitableBlock(title="t", source="s", content=[TextBlock(text="cited")]),
        ImageBlock(url="http://127.0.0.1/a.png"),
        AudioBlock(audio=b"x"),
        DocumentBlock(data=b"x"),
    ]
    turn = turn_of(ChatMessage(role="assistant", blocks=blocks))
    assert turn.text == "hm\nlook\ncited"
    assert turn.calls == ("add", "sub")
    assert turn.arguments == '{"a": 1}\n{"b": 2}'
    assert turn.media == ("image", "audio", "document")


@pytest.mark.parametrize("kind", ["react", "codeact"])
async def test_the_step_after_a_tool_is_known_of_agents_that_call_tools_in_words(openai, journal, kind):
    words = {
        "react": [
            Answer('Thought: I add. \nAction: add\nAction Input: {"a": 1, "b": 2}'),
            Answer("Thought: done. \nAnswer: 3"),
        ],
        "codeact": [Answer("<execute>1 + 2</execute>"), Answer("It is 3.")],
    }
    with LoopbackProvider(answer=words[kind]) as provider:
        llm = Switchwise({"only": openai(api_base=provider.openai_url)}, observers=[journal])
        agents = {
            "react": lambda: ReActAgent(tools=[ADD], llm=llm),
            "codeact": lambda: CodeActAgent(code_execute_fn=lambda code: "3", llm=llm),
        }
        await agents[kind]().run("Please add 1 and 2.")
    steps = [attempt.call.view.signals.step for attempt in journal]
    assert steps == [StepKind.USER_TURN, StepKind.TOOL_RESULT]


def test_tools_count_as_long_as_their_definitions_are():
    def view_with(description):
        tool = FunctionTool.from_defaults(fn=add, description=description)
        return ChatViews().view(Caller(), [ChatMessage(role="user", content="hello")], [tool], {})

    short, long = view_with("Adds."), view_with("Adds. " * 400)
    assert 20 < short.tokens < 120
    assert 500 < long.tokens - short.tokens < 1_200
    assert long.prefix.tokens == long.tokens
