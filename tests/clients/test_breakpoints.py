"""Whatever a request looks like, its marks are few, stand where they may, and reach what was asked last."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise.prompt_cache.breakpoints import LOOKBACK, MOST, is_marked, marked

TEXT = st.sampled_from(["", " ", "words"]).map(lambda text: {"type": "text", "text": text})
THOUGHT = st.just({"type": "thinking", "thinking": "Hm.", "signature": "s"})
HIDDEN = st.just({"type": "redacted_thinking", "data": "x"})
CALL = st.just({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}})
CODED = st.just(
    {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}, "caller": {"type": "code_execution_20250825"}}
)
RESULT = st.sampled_from(["toolu_1", "toolu_2"]).map(lambda made: {"type": "tool_result", "tool_use_id": made, "content": "r"})
CONTENT = st.one_of(
    st.sampled_from(["words", "more words"]), st.lists(st.one_of(TEXT, THOUGHT, HIDDEN, CALL, CODED, RESULT), max_size=25)
)
TOOL = st.builds(lambda later: {"name": "look", **({"defer_loading": True} if later else {})}, st.booleans())


@st.composite
def bodies(draw: Any) -> dict[str, Any]:
    turns = draw(st.lists(CONTENT, min_size=1, max_size=12))
    roles = ("user", "assistant")
    body: dict[str, Any] = {"messages": [{"role": roles[i % 2], "content": content} for i, content in enumerate(turns)]}
    if tools := draw(st.lists(TOOL, max_size=3)):
        body["tools"] = tools
    if (system := draw(st.sampled_from([None, "", "Be brief.", [{"type": "text", "text": "Be kind."}]]))) is not None:
        body["system"] = system
    return body


def blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for message in body["messages"] for block in parts(message["content"])]


def parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: bare(parts(inner) if name in ("content", "system") and isinstance(inner, str) else inner)
            for name, inner in value.items()
            if name != "cache_control"
        }
    return [bare(inner) for inner in value] if isinstance(value, list) else value


@given(bodies(), st.integers(0, 12), st.sampled_from(["5m", "1h"]))
def test_marks_are_few_and_stand_where_they_may(body: dict[str, Any], seen: int, lifetime: str) -> None:
    new: Any = marked(body, lifetime, seen)
    system = new.get("system")
    holders = [*(new.get("tools") or ()), *(system if isinstance(system, list) else ()), *blocks(new)]
    found = [holder for holder in holders if "cache_control" in holder]
    assert len(found) <= MOST
    assert (
        {json.dumps(holder["cache_control"]) for holder in found} <= {json.dumps(found[0]["cache_control"])} if found else True
    )
    for holder in found:
        assert holder.get("type") not in ("thinking", "redacted_thinking")
        assert not holder.get("defer_loading")
        assert "caller" not in holder
        assert holder.get("tool_use_id") != "toolu_2" or not any("caller" in block for block in blocks(body))
        assert holder.get("type") != "text" or holder["text"].strip()


@given(bodies(), st.integers(0, 12))
def test_nothing_else_changes_and_what_was_given_stays(body: dict[str, Any], seen: int) -> None:
    before = json.dumps(body)
    new = marked(body, "5m", seen)
    assert json.dumps(body) == before
    assert bare(new) == bare(body)
    assert marked(new, "1h", seen) is new if is_marked(new) else True


@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.data())
def test_what_was_asked_last_is_always_reached(sizes: list[int], data: Any) -> None:
    body = {
        "tools": [{"name": "look"}],
        "system": "Be brief.",
        "messages": [
            {"role": ("user", "assistant")[i % 2], "content": [{"type": "text", "text": "x"}] * size}
            for i, size in enumerate(sizes)
        ],
    }
    seen = data.draw(st.integers(1, len(sizes) - 1))
    end = sum(sizes[:seen]) - 1
    places = [i for i, block in enumerate(blocks(marked(body, "5m", seen))) if "cache_control" in block]
    assert places[-1] == sum(sizes) - 1
    assert any(0 <= place - end < LOOKBACK for place in places)


@pytest.mark.parametrize("where", ["top", "tools", "system", "messages", "in a result"])
def test_a_mark_of_the_callers_is_seen_wherever_it_is(where: str) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "x"}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [text]}], "tools": [{"name": "look"}], "system": [text]}
    assert not is_marked(body)
    match where:
        case "top":
            body |= mark
        case "tools":
            body["tools"] = [{"name": "look", **mark}]
        case "system":
            body["system"] = [text | mark]
        case "messages":
            body["messages"] = [{"role": "user", "content": [text | mark]}]
        case _:
            body["messages"] = [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [text | mark]}]}
            ]
    assert is_marked(body)
    assert marked(body, "5m") is body
