"""A neutral prompt, as the policies see it."""

from __future__ import annotations

from typing import Any

import pytest

from switchwise import Scope, StepKind
from switchwise.clients.views import PromptViews, sorted_options, turn_of
from switchwise.protocols.prompt import Prompt

SYSTEM = {"role": "system", "content": "You are a travel agent."}
ASK = {"role": "user", "content": "Find me a flight to Oslo."}
CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"to": "OSL"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "Error: no such airport", "is_error": True}
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def test_needs_are_what_the_request_asks_for() -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
    view = PromptViews().view(Prompt([image], tools=[TOOL], schema={"type": "object"}, max_tokens=77), Scope())
    needs = view.needs
    assert (needs.tools, needs.structured_output, needs.modalities, needs.max_output) == (True, True, {"image"}, 77)
    assert PromptViews().view(Prompt([ASK]), Scope()).needs.tools is False


def test_tools_are_paid_for() -> None:
    views = PromptViews()
    bare = views.view(Prompt([ASK]), Scope()).tokens
    tools = [TOOL]
    assert views.view(Prompt([ASK], tools=tools), Scope()).tokens > bare
    assert views.view(Prompt([ASK]), Scope()).tokens == bare


def test_signals_are_read_from_the_conversation() -> None:
    views, history = PromptViews(), [SYSTEM, ASK]
    first = views.view(Prompt(history), Scope("s"))
    assert first.signals.first
    assert first.signals.step is StepKind.USER_TURN
    history += [CALLS, RESULT]
    later = views.view(Prompt(history), Scope("s"))
    assert later.signals.step is StepKind.FAILURE
    assert later.tokens > first.tokens
    assert later.scope.step > first.scope.step


def test_a_conversation_without_a_name_is_identified_by_its_beginning() -> None:
    views = PromptViews()
    begun = views.view(Prompt([SYSTEM, ASK]), Scope()).scope.session
    assert begun
    assert views.view(Prompt([SYSTEM, ASK, CALLS, RESULT]), Scope()).scope.session == begun
    assert views.view(Prompt([SYSTEM, {"role": "user", "content": "Something else"}]), Scope()).scope.session != begun
    assert views.view(Prompt([SYSTEM, ASK]), Scope("mine")).scope.session == "mine"


@pytest.mark.parametrize(
    ("message", "role", "text", "calls", "media"),
    [
        ({"role": "developer", "content": "Be brief."}, "system", "Be brief.", (), ()),
        (CALLS, "assistant", "", ("search",), ()),
        (
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "input_audio", "input_audio": {}},
                    {"type": "file", "file": {}},
                ],
            },
            "user",
            "a",
            (),
            ("audio", "document"),
        ),
    ],
)
def test_each_kind_of_message(message: Any, role: str, text: str, calls: tuple[str, ...], media: tuple[str, ...]) -> None:
    turn = turn_of(message)
    assert (turn.role, turn.text, turn.calls, turn.media) == (role, text, calls, media)


def test_ids_of_databases_are_numbers_and_what_is_none_is_not_given() -> None:
    scope, _, _ = sorted_options([ASK], session=0, tenant=0, labels={"user": 7, "team": None, "seat": 0})
    assert (scope.session, scope.tenant, scope.labels) == ("0", "0", {"user": "7", "seat": "0"})
    scope, _, _ = sorted_options([ASK], session=None, tenant=None, labels=None)
    assert (scope.session, scope.tenant, scope.labels) == ("", "", {})
