"""Thinking blocks: signed, and bound to the model and the prompt they were made for."""

from __future__ import annotations

import base64
import json
from typing import Any

import anthropic
import pytest

from switchwise_loopback import Answer, ToolCall

from .conftest import claude

ASK: Any = [{"role": "user", "content": "How is the weather?"}]
TOOL: Any = {"name": "f", "input_schema": {"type": "object"}}
THINK: Any = {"type": "enabled", "budget_tokens": 1024}
OLD, OTHER = "claude-haiku-4-5", "claude-sonnet-4-6"
NEW, NEWER = "claude-opus-5-5", "claude-sonnet-5-5"


def thought(provider: Any, model: str, **options: Any) -> dict[str, Any]:
    """An assistant message with thinking, as the provider made it."""
    reply = claude(provider).messages.create(
        model=model, max_tokens=2000, messages=ASK, **{"thinking": THINK, "tools": [TOOL], **options}
    )
    return {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]}


def go_on(provider: Any, model: str, said: dict[str, Any], before: Any = ASK, **options: Any) -> Any:
    """The next step of the tool loop."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "42"}
        for block in said["content"]
        if block["type"] == "tool_use"
    ]
    messages: Any = [*before, said, {"role": "user", "content": results or "and?"}]
    return claude(provider).messages.create(
        model=model, max_tokens=2000, messages=messages, **{"thinking": THINK, "tools": [TOOL], **options}
    )


@pytest.fixture
def thinker(serve):
    return serve(lambda request: Answer("so", (ToolCall("f"),) if len(request.messages) < 3 else (), reasoning="hm " * 20))


def test_thinking_comes_only_if_allowed(thinker):
    assert [block["type"] for block in thought(thinker, OLD)["content"]] == ["thinking", "text", "tool_use"]
    assert [block["type"] for block in thought(thinker, OLD, thinking={"type": "disabled"})["content"]] == ["text", "tool_use"]
    assert thinker.requests[0].usage.reasoning_tokens == 15


def test_streamed_thinking_is_signed_too(thinker):
    with claude(thinker).messages.stream(model=OLD, max_tokens=2000, messages=ASK, thinking=THINK, tools=[TOOL]) as stream:
        reply = stream.get_final_message()
    said: Any = {"role": "assistant", "content": [block.to_dict() for block in reply.content]}
    for block in said["content"]:
        block.pop("parsed_output", None)
    assert go_on(thinker, OLD, said).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("maker", "reader", "accepted"),
    [
        (OLD, OLD, True),
        (OLD, OTHER, False),  # signatures are bound to their model
        (NEW, NEW, True),
        (NEW, NEWER, True),  # dropped
        (OLD, NEW, True),  # dropped
        ("claude-haiku-5-5", OLD, True),  # replays elsewhere
        (OLD, "claude-haiku-4-5-20251001", True),  # the same model by another name
    ],
)
def test_who_may_read_whose_thinking(thinker, maker, reader, accepted):
    said = thought(thinker, maker)
    if accepted:
        assert go_on(thinker, reader, said).content
    else:
        with pytest.raises(
            anthropic.BadRequestError, match=r"messages\.1\.content\.0: Invalid `signature` in `thinking` block"
        ):
            go_on(thinker, reader, said)


def test_an_edit_before_the_block_matters_to_models_that_bind(thinker):
    edited: Any = [{"role": "user", "content": "Something else"}]
    assert go_on(thinker, OLD, thought(thinker, OLD), before=edited).content
    said = thought(thinker, NEW)
    with pytest.raises(anthropic.BadRequestError, match="bound to the prompt"):
        go_on(thinker, NEW, said, before=edited)
    lenient = {**THINK, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert go_on(thinker, NEW, said, before=edited, thinking=lenient).content
    marked: Any = [
        {"role": "user", "content": [{"type": "text", "text": ASK[0]["content"], "cache_control": {"type": "ephemeral"}}]}
    ]
    assert go_on(thinker, NEW, said, before=marked).content  # cache markers are no edit


def test_dropped_thinking_is_listed_and_not_billed(thinker):
    said = thought(thinker, NEW)
    own, foreign = go_on(thinker, NEW, said), go_on(thinker, NEWER, said)
    assert own.to_dict().get("input_transformations") is None
    assert foreign.to_dict()["input_transformations"] == [
        {"type": "thinking_dropped", "path": "messages.1.content.0", "reason": "model_binding_mismatch"}
    ]
    assert foreign.usage.input_tokens < own.usage.input_tokens


def test_a_changed_thought_is_refused(thinker):
    said = thought(thinker, OLD)
    said["content"][0]["thinking"] += "!"
    with pytest.raises(anthropic.BadRequestError, match="in the latest assistant message cannot be modified"):
        go_on(thinker, OLD, said)


def test_an_earlier_thought_can_be_neither_changed_nor_signed_for_another_model(thinker):
    said = thought(thinker, OLD)
    result = {"type": "tool_result", "tool_use_id": said["content"][-1]["id"], "content": "42"}
    later: Any = [*ASK, said, {"role": "user", "content": [result]}, {"role": "assistant", "content": "42"}, *ASK]

    def ask(model: str) -> Any:
        return claude(thinker).messages.create(model=model, max_tokens=2000, messages=later, thinking=THINK, tools=[TOOL])

    assert ask(OLD).content
    first = said["content"][0]
    first["thinking"] += "!"
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.1\.content\.0: Invalid `signature` in `thinking` block"):
        ask(OLD)
    first["thinking"] = first["thinking"][:-1]
    content, mark = json.loads(base64.b64decode(first["signature"]))
    first["signature"] = base64.b64encode(json.dumps([content.replace(OLD, OTHER), mark]).encode()).decode()
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        ask(OTHER)


def test_a_loop_must_go_on_with_its_thinking(thinker):
    said = thought(thinker, OLD)
    del said["content"][0]
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking` or `redacted_thinking`, but found `text`"):
        go_on(thinker, OLD, said)
    assert go_on(thinker, OLD, said, thinking={"type": "disabled"}).content


def test_redacted_thinking_comes_back(serve):
    provider = serve(lambda request: Answer("so", (ToolCall("f"),), reasoning="secret", redacted=True))
    said = thought(provider, OLD)
    assert said["content"][0]["type"] == "redacted_thinking"
    assert "secret" not in str(said)
    assert go_on(provider, OLD, said).content
    said["content"][0]["data"] = "AAAA"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `data` in `redacted_thinking` block"):
        go_on(provider, OLD, said)


def test_recorded_signatures_can_be_trusted(serve):
    said: Any = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "a", "signature": "EqQB"}, {"type": "text", "text": "b"}],
    }
    provider = serve(trusted_signatures=["EqQB"])
    assert go_on(provider, OLD, said).content
