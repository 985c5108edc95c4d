"""Empty, cut off, unparsable: the next target is asked, without a verifier of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from switchwise import Call, EndReason, Needs, Pool, Reply, Router, Target, View, drive
from switchwise.verifiers import NotCut, NotEmpty, Parses, usable

POOL = Pool([Target("a"), Target("b"), Target("c")])
SCHEMA = View(needs=Needs(structured_output=True))
CALLS = (("weather", {"city": "Kyiv"}),)


@pytest.mark.parametrize(
    ("first", "view", "answers"),
    [
        (Reply("", end=EndReason.STOP), View(), "b"),
        (Reply("  \n", end=EndReason.STOP), View(), "b"),
        (Reply("The capi", end=EndReason.LENGTH), View(), "b"),
        (Reply('{"city": "Ky', end=EndReason.STOP), SCHEMA, "b"),
        (Reply('{"city": "Kyiv"}', end=EndReason.STOP), SCHEMA, "a"),
        (Reply("no JSON asked for", end=EndReason.STOP), View(), "a"),
        (Reply("", CALLS, end=EndReason.TOOL_CALLS), SCHEMA, "a"),
        (Reply("", end=EndReason.REFUSAL), View(), "b"),
        (Reply("I cannot help with that.", end=EndReason.REFUSAL), View(), "a"),
    ],
)
def test_the_next_target_is_asked_where_an_answer_is_of_no_use(first: Reply, view: View, answers: str) -> None:
    def perform(call: Call) -> Iterator[Any]:
        yield first if call.target.name == "a" else Reply('{"city": "Lviv"}', end=EndReason.STOP)

    run = Router(POOL, verify=usable()).start(view)
    list(drive(run, perform))
    assert run.outcome.target.name == answers


def test_the_best_of_what_was_rejected_is_returned_when_nothing_better_comes() -> None:
    def perform(call: Call) -> Iterator[Any]:
        yield Reply("", end=EndReason.STOP) if call.target.name == "a" else Reply("cut", end=EndReason.LENGTH)

    pool = Pool([Target("a"), Target("b")])
    run = Router(pool, verify=usable()).start(View())
    list(drive(run, perform))
    assert run.outcome.reply.text == "cut"


def test_each_says_why() -> None:
    assert NotEmpty()(View(), Reply()).because == "it is empty"
    assert NotCut()(View(), Reply("x", end=EndReason.LENGTH)).because == "it was cut off at the longest answer"
    assert Parses(always=True)(View(), Reply("{")).because.startswith("it does not parse: Expecting property name")
