"""A view can be read: turns are made where somebody reads them, and nowhere else."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import Turn, View
from switchwise.adapting.views import Caller, ViewBuilder, opening
from switchwise.nouns.exchange.conversation import Conversation

ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
TURNS = st.lists(st.builds(Turn, ROLES, st.sampled_from(["a", "b", "Observation: c"])), max_size=12)


class Reads:
    """A turn reader that counts."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, number: int) -> Turn:
        self.read.append(number)
        return Turn(("user", "assistant", "tool")[number % 3], f"turn {number}")


@given(TURNS, st.integers(-14, 14), st.integers(-14, 14), st.sampled_from([None, 1, 2, -1, -3]))
def test_it_is_the_sequence_of_its_turns(turns: list[Turn], start: int, stop: int, step: int | None) -> None:
    talk = Conversation(turns)
    assert list(talk) == turns
    assert list(reversed(talk)) == turns[::-1]
    assert (len(talk), bool(talk)) == (len(turns), bool(turns))
    assert list(talk[start:stop:step]) == turns[start:stop:step]
    assert list(talk[start:][:stop]) == turns[start:][:stop]
    if -len(turns) <= start < len(turns):
        assert talk[start] == turns[start]
    else:
        with pytest.raises(IndexError):
            talk[start]
    users = [turn for turn in turns if turn.role == "user"]
    assert talk.last_user == (users[-1].text if users else "")


def test_only_what_is_read_is_converted_and_once() -> None:
    reads = Reads()
    talk = Conversation(range(10_000), reads)
    assert talk[-1].text == "turn 9999"
    assert (talk.last_user, talk[-1].text, len(talk[100:200])) == ("turn 9999", "turn 9999", 100)
    assert reads.read == [9999]


def test_what_is_appended_later_does_not_belong_to_it() -> None:
    messages = [Turn("user", "one")]
    talk = Conversation(messages)
    messages.append(Turn("user", "two"))
    assert (len(talk), talk[-1].text, talk.last_user) == (1, "one", "one")


@given(st.lists(TURNS, min_size=1, max_size=4))
def test_the_builder_finds_the_users_last_turn_wherever_a_history_was_edited(histories: list[list[Turn]]) -> None:
    builder = ViewBuilder[Turn, str](lambda turn: turn, measure=len, identity=str)
    for turns in histories:
        view = builder.view(turns, Caller("s1"))
        observed = [turn for turn in turns if turn.role == "user" and not turn.text.startswith("Observation:")]
        assert view.last_user == (observed[-1].text if observed else "")
        assert list(view.conversation) == turns


def test_an_old_user_turn_is_found_without_reading_what_came_since() -> None:
    reads = Reads()
    builder = ViewBuilder[int, str](reads, measure=len, identity=str)
    messages = [0, *(number for number in range(1, 6_000) if number % 3)]
    builder.view(messages, Caller("s1"))
    reads.read.clear()
    view = builder.view([*messages, 6_001], Caller("s1"))
    assert view.last_user == "turn 0"
    assert reads.read == [6_001, 0]


def test_the_thread_and_what_the_caller_named() -> None:
    builder = ViewBuilder[Turn, str](lambda turn: turn, measure=len, identity=str)
    turns = [Turn("system", "be kind"), Turn("user", "hello")]
    derived = builder.view(turns, Caller())
    assert derived.named == frozenset()
    assert derived.scope.session == opening(turns, lambda turn: turn)[0]
    explicit = builder.view(turns, Caller("s1", "reviewer", "review", pin="fast", named=(True, True, False), tenant="acme"))
    assert explicit.named == {"session", "agent", "target"}
    assert explicit.thread == ("acme", "s1", "reviewer")
    branch = builder.view(turns, Caller("s1", "reviewer", branch="tools:1", tenant="acme"))
    assert len({derived.thread, explicit.thread, branch.thread}) == 3


def test_a_view_keeps_its_conversation_through_its_step() -> None:
    view = View(conversation=Conversation([Turn("user", "hello")]), thread=("", "s1", "main"), named=frozenset(["session"]))
    later = view.begun(1.0, 2).after((), 3.0)
    assert (later.last_user, later.thread, later.named) == ("hello", ("", "s1", "main"), {"session"})
    assert View() == View(conversation=Conversation([Turn("user", "hello")])), "text does not make two views differ"


def test_the_example_policy_reads_the_request_without_any_adapter() -> None:
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "plain" / "reads_the_request.py"))
    policy = example["hard_words_to_the_strong_model"]
    from switchwise import Pool, Router, Target

    router = Router(Pool([Target("opus"), Target("haiku")]), policy)

    def lead(text: str) -> str:
        return router.decide(View(conversation=Conversation([Turn("user", text), Turn("assistant", "prove it")]))).names[0]

    assert [lead("Say hello."), lead("Prove the theorem.")] == ["haiku", "opus"]
