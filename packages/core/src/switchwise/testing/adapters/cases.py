"""A row of the portability table as something that can be checked, and the words that the rows are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from switchwise.dialects import DIALECTS, Dialect
from switchwise.dialects.table import OTHER
from switchwise.testing.adapters.sent import SentTurn

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One row.

    Parameters:
        what: stands in the history or among the settings.
        without: what happens if it is sent as it is.
        sends: what is sent instead.
        concerns: whether a row of the table minds.
        messages: the conversation, in OpenAI's words.
        right: whether a request is right, by its turns and its body; it may raise AssertionError itself.
        tools: that are offered.
        settings: of the call.
        begun_by: name of the row whose model really gives the conversation's first answer, with a call: it is made before the rest; empty: nobody's.
        thinking: the target is set to think.
    """

    what: str
    without: str
    sends: str
    concerns: Callable[[Dialect], bool]
    messages: Sequence[Message]
    right: Callable[[list[SentTurn], Mapping[str, Any], Dialect], bool]
    tools: Sequence[Message] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    begun_by: str = ""
    thinking: bool = False

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """The rows that it concerns."""
        return tuple([dialect for dialect in DIALECTS if dialect is not OTHER and self.concerns(dialect)])

    @property
    def protocols(self) -> tuple[Dialect, ...]:
        """One row for each protocol that it concerns: those of one protocol have the same rules, but for their settings."""
        firsts: dict[str, Dialect] = {}
        for dialect in self.dialects:
            firsts.setdefault(dialect.protocol, dialect)
        return tuple(firsts.values())


def user(text: Any) -> Message:
    """What a user says."""
    return {"role": "user", "content": text}


def answer(text: str) -> Message:
    """What a model says."""
    return {"role": "assistant", "content": text}


def called(*ids: str, name: str = "look_up") -> Message:
    """An answer that calls a tool."""
    calls = [{"id": made, "type": "function", "function": {"name": name, "arguments": '{"what": "it"}'}} for made in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(made: str, content: Any = "found") -> Message:
    """What a tool gave."""
    return {"role": "tool", "tool_call_id": made, "content": content}


def system(text: str) -> Message:
    """What the system says."""
    return {"role": "system", "content": text}


ASK, MORE = user("Where is it?"), user("And the other one?")
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def spoken(turns: list[SentTurn]) -> list[SentTurn]:
    """The turns of all but the system."""
    return [turn for turn in turns if turn.role != "system"]


def ids_fit(turns: list[SentTurn], _: Mapping[str, Any], dialect: Dialect) -> bool:
    """Each result answers the call before it, by an id that the target takes."""
    calls = [made for turn in turns for made in turn.calls]
    answers = [turn.answers for turn in turns if turn.role == "tool"]
    once = len(set(calls)) == len(calls) or not dialect.ids.once
    return bool(calls) and calls == answers and all(map(dialect.ids.accept, calls)) and once


def names_fit(turns: list[SentTurn], _: Mapping[str, Any], dialect: Dialect) -> bool:
    """Tools bear names that the target takes."""
    names = [name for turn in turns for name in turn.names]
    return bool(names) and all(re.fullmatch(f"[a-zA-Z0-9_-]{{1,{dialect.tools.longest_name}}}", name) for name in names)


def shown_later(turns: list[SentTurn], _: Mapping[str, Any], __: Dialect) -> bool:
    """What is not text is shown by users only."""
    places = {place for place, turn in enumerate(turns) if turn.shows}
    return (
        bool(places)
        and all(turns[place].role == "user" for place in places)
        and not any(turn.shows for turn in turns if turn.role == "tool")
    )


def no_marks(turns: list[SentTurn], _: Mapping[str, Any], __: Dialect) -> bool:
    """Nothing is said that only its maker takes."""
    return not any(turn.marked for turn in turns)


def in_place(turns: list[SentTurn], _: Mapping[str, Any], __: Dialect) -> bool:
    """What the system says in mid-conversation is said once, and not at the front."""
    others = spoken(turns)
    kind_turns = [turn.text for turn in others if "Be kind." in turn.text]
    front = [turn.text for turn in turns if turn.role == "system"]
    return len(kind_turns) == 1 and "Be kind." not in "".join(front) and others[0].role == "user"


def longest(_: list[SentTurn], body: Mapping[str, Any], __: Dialect) -> bool:
    """The limit of the answer is sent once, under some name."""
    named = {"max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"} & body.keys()
    held = (body.get("options") or {}).get("num_predict")
    return [body[name] for name in named] == [77] or held == 77
