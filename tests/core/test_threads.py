"""Conversations are read once, with the same result as if each call had read them in full."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise.adapting.views import opening
from switchwise.nouns.prompt_prefix import Change
from switchwise.nouns.signals import StepKind, Turn
from switchwise.reading.reader import ConversationReader, Reading
from switchwise.testing import Clock


@dataclass(eq=False)
class Message:
    """A framework's message. Asking for its `==` is counted, because it is slow in real frameworks."""

    turn: Turn
    compared: list[int] = field(default_factory=list)

    def __eq__(self, other: object) -> bool:
        self.compared.append(1)
        return isinstance(other, Message) and self.turn == other.turn

    __hash__ = None  # type: ignore[assignment]


class Reads:
    """Reads messages and counts how many."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, message: Message) -> Turn:
        self.count += 1
        return message.turn


@pytest.fixture
def reads() -> Reads:
    return Reads()


def user(text: str, *media: str) -> Message:
    return Message(Turn("user", text, media=media))


def conversation(length: int) -> list[Message]:
    return [user(f"message {number}") for number in range(length)]


def afresh(messages: list[Message]) -> Reading:
    return ConversationReader[Message](lambda message: message.turn).read("new", messages)


def test_only_what_is_new_is_read(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    messages = conversation(100)
    threads.read("s", messages)
    threads.read("s", [*messages, user("one"), user("more")])
    assert reads.count == 102


def test_nothing_is_read_where_nothing_is_new(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    messages = conversation(10)
    assert threads.read("s", messages) == threads.read("s", list(messages)) == afresh(messages)
    assert reads.count == 10


def test_adding_never_asks_messages_whether_they_are_equal() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    messages = conversation(50)
    for end in range(1, 50):
        threads.read("s", messages[:end])
    assert not any(message.compared for message in messages)


def test_a_restored_conversation_is_read_but_not_compared(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    threads.read("s", conversation(50))
    restored = conversation(50)
    assert threads.read("s", restored) == afresh(restored)
    assert not any(message.compared for message in restored)


def test_equal_messages_in_new_objects_are_no_edit() -> None:
    """A checkpointer restores the conversation at each turn of the user; what providers cached of it is still cached."""
    threads = ConversationReader[Message](lambda message: message.turn)
    threads.read("s", conversation(5))
    grown = threads.read("s", [*conversation(5), user("and then?")])
    assert grown.prefix is not None
    assert (grown.prefix.change, len(grown.prefix), grown.prefix.generation) == (Change.APPEND, 6, 0)
    history = [*conversation(3), user("something else"), *conversation(5)[4:], user("and then?")]
    edited = threads.read("s", history)
    assert edited.prefix is not None
    assert (edited.prefix.change, edited.prefix.since(0)) == (Change.EDIT, 3)
    again = threads.read("s", history).prefix
    assert again is not None
    assert (again.change, again.kept) == (Change.APPEND, again.tokens)


def test_the_cost_of_reading_does_not_grow_with_the_conversation() -> None:
    def quickest(length: int) -> float:
        threads = ConversationReader[Message](lambda message: message.turn)
        messages = conversation(length)
        threads.read("s", messages)
        times = []
        for _ in range(200):
            messages.append(user("and then?"))
            start = time.perf_counter()
            threads.read("s", messages)
            times.append(time.perf_counter() - start)
        return min(times)

    assert quickest(10_000) < 4 * quickest(10)


def test_a_rewritten_system_message_leaves_the_rest_known(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    rest = conversation(100)
    threads.read("s", [Message(Turn("system", "It is ten o'clock.")), *rest])
    later = [Message(Turn("system", "It is half past eleven, and the user is in a hurry.")), *rest, user("now?")]
    assert threads.read("s", later) == afresh(later)
    assert reads.count == 101 + 2


def test_a_first_message_that_says_something_else_is_noticed() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    rest = [Message(Turn("assistant", "Yes.")), user("Go on.")]
    threads.read("s", [user("Please fix the bug."), *rest])
    other = [user("Please write a summary."), *rest]
    assert threads.read("s", other) == afresh(other)


def test_a_passing_reminder_at_the_end_costs_one_message(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    messages = conversation(100)
    for turn in range(10):
        messages.append(user(f"more {turn}"))
        threads.read("s", [*messages, user("Mind the budget.")])
    assert reads.count == 100 + 10 * 2


def test_what_was_compacted_away_is_not_counted_and_the_rest_is_not_read_again(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    messages = [user("look", "image"), *conversation(99)]
    threads.read("s", messages)
    compacted = [user("A summary of all that."), *messages[80:]]
    reading = threads.read("s", compacted)
    assert reading == afresh(compacted)
    assert reading.modalities == frozenset()
    assert reads.count <= 102


def test_a_message_replaced_in_the_middle_is_noticed() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    messages = conversation(9)
    threads.read("s", messages)
    messages = [*messages[:4], user("picture", "image"), *messages[5:]]
    assert threads.read("s", messages) == afresh(messages)
    assert threads.read("s", messages).modalities == {"image"}


message = st.builds(
    lambda role, text, calls, failed, media: Message(
        Turn(role, text, calls if role == "assistant" else (), failed=failed if role == "tool" else None, media=media)
    ),
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.sampled_from(["", "yes, go ahead", "please fix the bug", "Error: no", '{"error": "x"}', "2 failed", "write a summary"]),
    st.sampled_from([(), ("Read",), ("Edit", "Bash"), ("book_flight",), ("final_answer",)]),
    st.sampled_from([None, True, False]),
    st.sampled_from([(), ("image",), ("audio", "document")]),
)


@st.composite
def edited(draw: st.DrawFn, messages: list[Message]) -> list[Message]:
    start = draw(st.integers(0, len(messages)))
    end = draw(st.integers(start, len(messages)))
    new = draw(st.lists(message, max_size=4))
    copied = [Message(one.turn) for one in messages[end:]] if draw(st.booleans()) else messages[end:]
    return [*messages[:start], *new, *copied]


@given(st.data())
def test_after_any_edit_the_reading_equals_a_fresh_one(data: st.DataObject) -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    messages = data.draw(st.lists(message, max_size=12))
    for _ in range(data.draw(st.integers(1, 6))):
        assert threads.read("s", messages) == afresh(messages)
        messages = data.draw(edited(messages))
    assert threads.read("s", messages) == afresh(messages)


def test_an_empty_conversation_says_nothing() -> None:
    reading = ConversationReader[Message](lambda message: message.turn).read("s", [])
    assert (reading.tokens, reading.length, reading.signals.step) == (0, 0, None)
    assert reading.signals.first


def test_conversations_are_distinguished() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    threads.read("a", [user("Hello")])
    assert threads.read("b", [user("Hello"), user("you")]).length == 2
    assert threads.read("a", [user("Hello")]).length == 1


def test_a_call_without_tools_after_results_can_only_answer() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    messages = [user("Hm"), Message(Turn("assistant", calls=("Read",))), Message(Turn("tool", "x = 1", tool="Read"))]
    assert threads.read("s", messages).signals.step is StepKind.TOOL_RESULT
    assert threads.read("s", messages, tools=False).signals.step is StepKind.FINAL_ANSWER


def test_a_message_that_cannot_be_read_leaves_the_conversation_as_it_was(reads: Reads) -> None:
    def turn(message: Message) -> Turn:
        if message.turn.text == "broken":
            raise ValueError("an unknown kind of message")
        return reads(message)

    threads = ConversationReader[Message](turn)
    messages = conversation(5)
    threads.read("s", messages)
    with pytest.raises(ValueError, match="unknown kind"):
        threads.read("s", [*messages, user("fine"), user("broken")])
    longer = [*messages, user("fine")]
    assert threads.read("s", longer) == afresh(longer)
    assert reads.count == 5 + 2


def test_the_conversation_read_longest_ago_is_forgotten_first(reads: Reads) -> None:
    threads = ConversationReader[Message](reads, size=2)
    a, b, c = conversation(1), conversation(1), conversation(1)
    for key, messages in (("a", a), ("b", b), ("a", a), ("c", c), ("a", a)):
        threads.read(key, messages)
    assert (len(threads), reads.count) == (2, 3)
    threads.read("b", b)
    assert reads.count == 4


def test_all_conversations_together_are_bounded_too() -> None:
    threads = ConversationReader[Message](lambda message: message.turn, messages=100)
    for key in range(30):
        threads.read(key, conversation(20))
    assert len(threads) == 5
    threads.read("huge", conversation(1_000))
    assert len(threads) == 1


def test_a_conversation_that_rests_too_long_is_forgotten(reads: Reads) -> None:
    clock = Clock()
    threads = ConversationReader[Message](reads, age=60.0, clock=clock)
    old, new = conversation(3), conversation(2)
    threads.read("old", old)
    clock.advance(61.0)
    threads.read("new", new)
    assert len(threads) == 1


def test_a_conversation_can_be_let_go(reads: Reads) -> None:
    threads = ConversationReader[Message](reads)
    messages = conversation(3)
    threads.read("s", messages)
    threads.forget("s")
    threads.forget("never seen")
    threads.read("s", messages)
    assert reads.count == 6


def test_many_threads_may_read_at_once() -> None:
    threads = ConversationReader[Message](lambda message: message.turn, size=4)
    histories = {key: conversation(40) for key in "abcdef"}
    expected = {(key, end): afresh(messages[:end]) for key, messages in histories.items() for end in range(1, 41)}
    wrong: list[tuple[str, int]] = []

    def work(shift: int) -> None:
        for end in range(1, 41):
            for key, messages in histories.items():
                place = (end + shift) % 40 + 1
                if threads.read(key, messages[:place]) != expected[key, place]:
                    wrong.append((key, place))

    workers = [threading.Thread(target=work, args=(shift,)) for shift in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert len(threads) <= 4


def test_tools_stand_before_the_messages_and_count() -> None:
    threads = ConversationReader[Message](lambda message: message.turn)
    messages = conversation(6)
    without = threads.read("s", messages)
    assert without.prefix is not None
    alone = without.prefix.tokens
    with_tools = threads.read("s", messages, front=(7, 900))
    assert with_tools.tokens == without.tokens + 900
    assert (with_tools.prefix.tokens, with_tools.prefix.change) == (alone + 900, Change.TOOLS)
    threads.read("s", [*messages, user("and now?")], front=(7, 900))
    assert with_tools.prefix.change is Change.APPEND
    threads.read("s", [*messages, user("and now?")], front=(8, 400))
    assert with_tools.prefix.change is Change.TOOLS
    assert with_tools.prefix.end(1) == 400


def fingerprint(system: str, user: str) -> str:
    return opening([Turn("system", system), Turn("user", user)], lambda turn: turn)[0]


def test_a_fingerprint_tells_agents_and_conversations_apart() -> None:
    one = fingerprint("You explore.", "Find the bug.")
    assert one == fingerprint("You explore.", "Find the bug.")
    assert (
        len({one, fingerprint("You review.", "Find the bug."), fingerprint("You explore.", "Find it."), fingerprint("", "")})
        == 4
    )


def test_a_fingerprint_does_not_mix_up_where_one_text_ends() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_a_fingerprint_sees_the_ends_of_a_long_text_and_its_length() -> None:
    long = "x" * 100_000
    assert len({fingerprint(text, "") for text in (long, long + "x", long[:-1] + "y", "y" + long[1:])}) == 4
