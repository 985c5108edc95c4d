"""The table of dialects, and what follows from it: the same for the same, and taken by the target."""

from __future__ import annotations

import copy
import pickle
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import EndReason, FailureKind, TargetError
from switchwise.dialects import DIALECTS, Dialect, by_name, dialect_at
from switchwise.dialects.answer_end import end_of, reason_of, whole
from switchwise.dialects.call_ids import CallIds, tool_name
from switchwise.dialects.effort import BUDGETS, with_effort
from switchwise.dialects.media import check, check_file
from switchwise.dialects.settings import KNOWN, ModelFacts, adapt, valued
from switchwise.dialects.table import (
    ANTHROPIC,
    BEDROCK,
    CHAT,
    COHERE,
    GEMINI,
    MISTRAL,
    OLLAMA,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    OPENROUTER,
    OTHER,
)
from switchwise.dialects.thinking import began_without_thinking
from switchwise.dialects.tool_choice import fitting, in_chat_words, in_messages_words
from switchwise.dialects.turn_order import START, Act, Place, ending, step

dialects = st.sampled_from(DIALECTS)
names = st.one_of(st.none(), st.sampled_from(["", "call_1", "toolu_2", "odd id!", "x" * 47, "y" * 80]), st.text(max_size=70))
roles = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), max_size=12)


def test_a_row_is_one_object_wherever_it_goes() -> None:
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)
    for dialect in DIALECTS:
        for same in (pickle.loads(pickle.dumps(dialect)), copy.copy(dialect), copy.deepcopy(dialect), by_name(dialect.name)):
            assert same is dialect
        assert by_name(dialect.protocol).protocol == dialect.protocol, "a protocol is the name of a row"


class TestIdsOfCalls:
    @given(dialects, st.lists(st.lists(names, min_size=1, max_size=3), max_size=5))
    def test_each_is_taken_finds_its_result_and_stays_the_same(self, dialect: Dialect, steps: list[list[str | None]]) -> None:
        ids, place, adapted = CallIds(dialect.ids), 0, []
        for calls in steps:
            made = [ids.called(name, place, number) for number, name in enumerate(calls)]
            answered = [ids.answered(name, place + 1 + number) for number, name in enumerate(calls)]
            assert all(dialect.ids.accept(one) for one in made)
            assert answered == made
            adapted.append((place, calls, made))
            place += 1 + len(calls)
        for at, calls, made in adapted:
            assert [ids.called(name, at, number) for number, name in enumerate(calls)] == made

    @given(dialects.filter(lambda each: each.ids.once), st.lists(names, min_size=2, max_size=6))
    def test_one_that_occurs_again_gets_another_where_each_may_be_used_once(
        self, dialect: Dialect, given_names: list[str | None]
    ) -> None:
        ids = CallIds(dialect.ids)
        made = [ids.called(name, place * 2) for place, name in enumerate(given_names)]
        assert len(set(made)) == len(made)

    def test_a_conversation_that_goes_on_otherwise_forgets_what_came_after(self) -> None:
        ids = CallIds(ANTHROPIC.ids)
        assert [ids.called("c", 1), ids.called("c", 3), ids.called("", 5)] == ["c", "c__2", "call_5"]
        again = ids.upto(3)
        assert [again.called("c", 7), again.answered("c", 8), again.answered("", 9)] == ["c__2", "c__2", "call_9"]

    @given(dialects, st.text(max_size=140))
    def test_names_of_tools_are_taken(self, dialect: Dialect, name: str) -> None:
        adapted = tool_name(name, dialect.tools)
        longest = dialect.tools.longest_name
        assert adapted == name or re.fullmatch(f"[a-zA-Z0-9_-]{{0,{longest}}}", adapted)
        assert tool_name(adapted, dialect.tools) == adapted


class TestOrderOfTurns:
    def said(self, dialect: Dialect, conversation: list[str], foreign: bool = False) -> list[str]:
        """The roles that go out."""
        place, out = START, []
        for role in conversation:
            steps, place = step(dialect, place, role)
            out += [_role(act, role) for act, _ in steps if act is not Act.JOIN]
        return out + [_role(act, "") for act, _ in ending(dialect, place, foreign)]

    @given(dialects, roles)
    def test_it_is_the_order_that_the_provider_wants(self, dialect: Dialect, conversation: list[str]) -> None:
        adapted, rules = self.said(dialect, conversation), dialect.turns
        spoken = [role for role in adapted if role != "system"]
        if rules.user_first:
            assert spoken, "somebody but the system speaks"
            assert spoken[0] != "assistant"
        if rules.one_system:
            assert adapted.count("system") <= 1
        if rules.system_in_place:
            assert "system" not in adapted[len(adapted) - len(spoken) :], "systems stand at the start"
        if rules.answer_between:
            assert ("tool", "user") not in pairwise(adapted)
        if not rules.any:
            assert adapted == conversation

    @given(dialects, roles, st.integers(0, 12))
    def test_what_was_said_does_not_change_as_the_conversation_grows(
        self, dialect: Dialect, conversation: list[str], cut: int
    ) -> None:
        whole_steps, place = [], START
        for role in conversation:
            steps, place = step(dialect, place, role)
            whole_steps.append(steps)
        place = START
        for role, before in zip(conversation[:cut], whole_steps, strict=False):
            steps, place = step(dialect, place, role)
            assert steps == before

    def test_another_models_answer_does_not_end_it(self) -> None:
        assert self.said(ANTHROPIC, ["user", "assistant"], foreign=True) == ["user", "assistant", "user"]
        assert self.said(ANTHROPIC, ["user", "assistant"]) == ["user", "assistant"]
        assert self.said(OPENAI_CHAT, ["user", "assistant"], foreign=True) == ["user", "assistant"]

    def test_anthropics_newest_take_a_system_message_after_a_user(self) -> None:
        (kept,), _ = step(ANTHROPIC, Place("user", leading=False), "system", system_anywhere=True)
        (said,), _ = step(ANTHROPIC, Place("assistant", leading=False), "system", system_anywhere=True)
        assert (kept.act, said.act) == (Act.KEEP, Act.AS_USER)

    def test_what_results_show_is_shown_after_all_of_them(self) -> None:
        place, acts = Place("assistant", leading=False), []
        for role, shows in (("tool", True), ("tool", False), ("assistant", False)):
            steps, place = step(OPENAI_CHAT, place, role, shows)
            acts.append([each.act for each in steps])
        assert acts == [[Act.KEEP], [Act.KEEP], [Act.SHOW, Act.KEEP]]
        _, place = step(MISTRAL, Place("assistant", leading=False), "tool", shows=True)
        assert [each.act for each in ending(MISTRAL, place, foreign=False)] == [Act.SAY_ANSWER, Act.SHOW]

    def test_a_loop_that_began_without_thinking(self) -> None:
        loop = [("tool", False), ("assistant", True), ("tool", False), ("assistant", False), ("user", False)]
        assert began_without_thinking(loop)
        assert not began_without_thinking([("user", False), ("assistant", False), ("user", False)])
        once = [("tool", False), ("assistant", False), ("tool", False), ("assistant", True), ("user", False)]
        assert not began_without_thinking(once), "many models think once for a whole turn"
        assert not began_without_thinking([("tool", False), ("assistant", True), ("user", False), ("assistant", False)])
        assert began_without_thinking([("user", True), ("assistant", False)]), "a user's message that holds results"


class TestSettings:
    @given(dialects, st.dictionaries(st.sampled_from(sorted(KNOWN | {"a_new_one", "max_tokens"})), st.just(1), max_size=5))
    def test_what_is_adapted_needs_no_more_adapting(self, dialect: Dialect, settings: dict[str, object]) -> None:
        try:
            once = adapt(dialect, dict(settings))
        except TargetError:  # another target is asked
            return
        assert adapt(dialect, once) == once
        assert ("a_new_one" in once) == ("a_new_one" in settings), "nothing is known of it"

    def test_every_row_names_the_longest_answer(self) -> None:
        said = {dialect.name: adapt(dialect, {"max_tokens": 100}) for dialect in (OPENAI_CHAT, OPENAI_RESPONSES, GEMINI, CHAT)}
        assert said == {
            "openai-chat": {"max_completion_tokens": 100},
            "openai-responses": {"max_output_tokens": 100},
            "gemini": {"max_output_tokens": 100},
            "chat-completions": {"max_tokens": 100},
        }
        assert adapt(OLLAMA, {"max_tokens": 100}) == {"options": {"num_predict": 100}}
        assert adapt(CHAT, {"max_completion_tokens": 7, "max_tokens": 100}) == {"max_tokens": 100}, "its own word counts"

    def test_values_are_those_that_the_provider_takes(self) -> None:
        facts = ModelFacts(thinking={"type": "enabled", "budget_tokens": 1024})
        assert valued(ANTHROPIC, {"max_tokens": 100, "temperature": 0.2, "top_k": 1, "top_p": 0.5}, facts) == {
            "max_tokens": 1124
        }
        assert valued(ANTHROPIC, {"temperature": 1.7}) == {"temperature": 1.0}
        assert adapt(OPENAI_CHAT, {"temperature": 0.2, "top_p": 1}, ModelFacts(samples=False)) == {"top_p": 1}
        assert adapt(OPENAI_CHAT, {"reasoning_effort": "low"}, ModelFacts(reasons=False)) == {}
        assert adapt(OPENAI_RESPONSES, {"reasoning": True, "reasoning_effort": "low"}) == {"reasoning": {"effort": "low"}}

    def test_a_word_of_another_providers_is_left_out(self) -> None:
        tiers = {
            dialect.name: [adapt(dialect, {"service_tier": tier}) for tier in ("auto", "flex", "standard_only")]
            for dialect in (OPENAI_CHAT, ANTHROPIC, CHAT)
        }
        auto, flex, standard = ({"service_tier": tier} for tier in ("auto", "flex", "standard_only"))
        assert tiers == {
            "openai-chat": [auto, flex, {}],
            "anthropic": [auto, {}, standard],
            "chat-completions": [{}, flex, standard],
        }
        assert adapt(ANTHROPIC, {"metadata": {"user_id": "u"}, "context_management": [{}]}) == {"metadata": {"user_id": "u"}}
        assert adapt(OPENAI_CHAT, {"context_management": {"edits": []}}) == {}

    def test_B9_stream_options_of_none_leave_them_out(self) -> None:
        for dialect in DIALECTS:
            assert "stream_options" not in adapt(dialect, {"stream_options": None, "user": "u"})

    def test_what_cannot_be_left_out_asks_another_target(self) -> None:
        for dialect, settings in (
            (ANTHROPIC, {"response_format": {"type": "json_object"}}),
            (BEDROCK, {"response_format": {"type": "json_object"}}),
            (ANTHROPIC, {"previous_response_id": "resp_1"}),
            (OPENROUTER, {"mcp_servers": [{}]}),
        ):
            with pytest.raises(TargetError) as refused:
                adapt(dialect, settings)
            assert refused.value.kind is FailureKind.UNSUPPORTED


class TestChoices:
    def test_a_target_without_the_tool_choice_is_ruled_out(self) -> None:
        for choice, dialect, tools in (("none", BEDROCK, 1), ("look_up", COHERE, 2)):
            with pytest.raises(TargetError, match="cannot f"):
                fitting(choice, dialect, tools)
        assert fitting("look_up", COHERE, 1) == "look_up"
        allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}
        assert (fitting(dict(allowed), ANTHROPIC, 2), fitting(dict(allowed), OPENAI_CHAT, 2)) == ("any", allowed)

    def test_words(self) -> None:
        assert [in_chat_words(choice) for choice in (None, "none")] == [None, "none"]
        assert [in_messages_words(choice, parallel=False) for choice in ("none", "f")] == [
            {"type": "none"},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ]


class TestMedia:
    def test_what_cannot_be_shown_is_refused(self) -> None:
        for dialect, kind, data, remedy in (
            (ANTHROPIC, "audio", True, "add a target that takes it"),
            (OPENAI_CHAT, "file", False, "give its data instead"),
            (OLLAMA, "image", False, "give its data instead"),
            (MISTRAL, "file", True, "give its address instead"),
        ):
            with pytest.raises(TargetError, match=f"{dialect.title} cannot take {kind} content.*: .*{remedy}"):
                check(dialect, kind, data=data, address=True)
        check(GEMINI, "video", data=False, address=True)
        check(OTHER, "smell", data=False, address=False)

    def test_a_file_stays_with_who_keeps_it(self) -> None:
        check_file(OPENAI_CHAT, "file-1")
        check_file(ANTHROPIC, "file_1")
        for dialect, file in ((OPENAI_CHAT, "file_1"), (ANTHROPIC, "file-1"), (GEMINI, "file-1"), (GEMINI, "file_1")):
            with pytest.raises(TargetError, match="another provider stores"):
                check_file(dialect, file)


class TestEnds:
    @pytest.mark.parametrize(
        ("dialect", "adapted", "calls", "end"),
        [
            (OPENAI_CHAT, {"finish_reason": "stop"}, False, EndReason.STOP),
            (OPENAI_CHAT, {"finish_reason": "tool_calls"}, True, EndReason.TOOL_CALLS),
            (OPENAI_CHAT, {"finish_reason": "content_filter"}, False, EndReason.REFUSAL),
            (OPENROUTER, {"finish_reason": "error"}, False, EndReason.ERROR),
            (OPENAI_CHAT, {"finish_reason": "quite new"}, False, EndReason.UNKNOWN),
            (OPENAI_CHAT, {}, False, EndReason.UNKNOWN),
            (MISTRAL, {"finish_reason": "model_length"}, False, EndReason.LENGTH),
            (OPENAI_RESPONSES, {"status": "completed"}, True, EndReason.TOOL_CALLS),
            (
                OPENAI_RESPONSES,
                {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                False,
                EndReason.LENGTH,
            ),
            (OPENAI_RESPONSES, {"status": "failed"}, False, EndReason.ERROR),
            (ANTHROPIC, {"stop_reason": "max_tokens"}, False, EndReason.LENGTH),
            (ANTHROPIC, {"stop_reason": "refusal"}, False, EndReason.REFUSAL),
            (GEMINI, {"finish_reason": "STOP"}, True, EndReason.TOOL_CALLS),
            (GEMINI, {"finish_reason": "FinishReason.SAFETY"}, False, EndReason.REFUSAL),
            (BEDROCK, {"stopReason": "guardrail_intervened"}, False, EndReason.REFUSAL),
            (OLLAMA, {"done_reason": "length"}, False, EndReason.LENGTH),
            (COHERE, {"finish_reason": "COMPLETE"}, False, EndReason.STOP),
        ],
        ids=str,
    )
    def test_one_vocabulary_for_all(self, dialect: Dialect, adapted: dict[str, object], calls: bool, end: EndReason) -> None:
        assert end_of(dialect, adapted, calls) is end

    def test_a_refusal_next_to_the_answer_and_a_blocked_prompt(self) -> None:
        assert end_of(OPENAI_CHAT, {"finish_reason": "stop"}, refused=True) is EndReason.REFUSAL
        assert reason_of(GEMINI, {"block_reason": "PROHIBITED_CONTENT"}) is EndReason.REFUSAL

    def test_B2_a_usage_record_ends_a_stream_where_the_api_sends_it_last(self) -> None:
        assert [whole(dialect, {}, usage=True) for dialect in (OPENAI_CHAT, ANTHROPIC, OPENAI_RESPONSES)] == [
            True,
            False,
            False,
        ]
        assert not whole(OPENAI_CHAT, {})
        assert whole(CHAT, {}), "nothing is known of its ends"


def test_an_effort_replaces_the_one_that_the_settings_hold_in_the_words_of_the_models_generation() -> None:
    held = {"thinking_budget": 9, "thinking_level": "high", "reasoning_effort": "high", "seed": 1}
    assert with_effort(GEMINI, "gemini-3-pro", "low", held) == {"seed": 1, "thinking_level": "low"}
    assert with_effort(GEMINI, "gemini-2.5-flash", "none", held) == {"seed": 1, "thinking_budget": 0}
    assert with_effort(GEMINI, "gemini-2.5-flash", "low", held) == {"seed": 1, "thinking_budget": BUDGETS["low"]}


def test_the_row_of_an_address() -> None:
    assert [dialect_at(provider).name for provider in ("mistral", "groq", "zai", "openai", "")] == [
        "mistral",
        "groq",
        "chat-completions",
        "openai-chat",
        "openai-chat",
    ]


def _role(act: Act, role: str) -> str:
    return {Act.KEEP: role, Act.SAY_ANSWER: "assistant"}.get(act, "user")
