"""Fixes the order of turns for providers that restrict it.

`step` handles one message at a time, by its role, and returns what to send in its place. The adapter applies that to its own messages:

| act | what is sent |
|---|---|
| `KEEP` | the message |
| `JOIN` | nothing; its text is appended to the preceding system message |
| `AS_USER` | a user message with the text in `<system>` |
| `SAY_USER`, `SAY_ANSWER` | an inserted message, with `TurnEdit.text` |
| `SHOW` | a user message with the media of the preceding tool results |

The state between two messages is a value: a longer conversation is adapted from where the last one ended, and an edited one from where it differs.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from switchwise.dialects.dialect import Dialect

BEGIN, NOTED, GO_ON, EMPTY = "(The conversation begins.)", "(Noted.)", "Go on.", "(no text)"
"""Inserted texts: a first user turn, an answer between a tool result and a user turn, a last user turn, and the text of an empty user message."""
SHOWN = "(shown by the user below)"
"""Text of a tool result that holds only media."""
SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"


class Act(Enum):
    """What to do with a message."""

    KEEP = "keep"
    JOIN = "join"
    AS_USER = "as user"
    SAY_USER = "say, as the user"
    SAY_ANSWER = "say, as the assistant"
    SHOW = "show"


class TurnEdit(NamedTuple):
    """One message to send."""

    act: Act
    text: str = ""


class Place(NamedTuple):
    """Position in a conversation.

    Parameters:
        last: role of the preceding message; empty if there is none.
        leading: only system messages so far.
        shows: the preceding tool results held media.
    """

    last: str = ""
    leading: bool = True
    shows: bool = False


START = Place()
AS_IT_IS = (TurnEdit(Act.KEEP),)
"""What is sent of most messages."""


def step(
    dialect: Dialect, place: Place, role: str, shows: bool = False, *, system_anywhere: bool = False
) -> tuple[tuple[TurnEdit, ...], Place]:
    """Return what to send for the next message, and the position after it.

    Parameters:
        dialect: of the target.
        place: position before the message; `START` at the beginning.
        role: of the message: `system`, `user`, `assistant` or `tool`.
        shows: it is a tool result with media.
        system_anywhere: this model accepts system messages between a user turn and an answer (Anthropic's newest).

    >>> from switchwise.dialects.table import MISTRAL
    >>> steps, _ = step(MISTRAL, Place("tool", leading=False), "user")
    >>> [(each.act.name, each.text) for each in steps]
    [('SAY_ANSWER', '(Noted.)'), ('KEEP', '')]
    """
    rules = dialect.turns
    steps: list[TurnEdit] = []
    last, leading, shown = place
    if shown and role != TOOL:
        steps += _showing(dialect)
        last, shown = USER, False
    if role == SYSTEM:
        if leading:
            join = rules.one_system and last == SYSTEM
            return (*steps, TurnEdit(Act.JOIN) if join else TurnEdit(Act.KEEP)), Place(SYSTEM, True, shown)
        if not rules.system_in_place or (system_anywhere and last in (USER, TOOL, SYSTEM)):
            return (*steps, TurnEdit(Act.KEEP)), Place(SYSTEM, False, shown)
    elif leading and rules.user_first and role == ASSISTANT:
        steps.append(TurnEdit(Act.SAY_USER, BEGIN))
    if last == TOOL and rules.answer_between and role in (USER, SYSTEM):
        steps.append(TurnEdit(Act.SAY_ANSWER, NOTED))
    steps.append(TurnEdit(Act.AS_USER if role == SYSTEM else Act.KEEP))
    now = Place(USER if role == SYSTEM else role, False, shown or (shows and not dialect.media_in_results))
    return (AS_IT_IS if len(steps) == 1 and role != SYSTEM else tuple(steps)), now


def ending(dialect: Dialect, place: Place, foreign: bool) -> tuple[TurnEdit, ...]:
    """Return the messages to append to a prompt, for one call only.

    Parameters:
        dialect: of the target.
        place: position at the end of the conversation.
        foreign: it ends with an answer of another model that calls no tools.
    """
    steps = _showing(dialect) if place.shows else []
    if dialect.turns.user_first and place.leading:
        steps.append(TurnEdit(Act.SAY_USER, BEGIN))
    elif dialect.turns.no_prefill and foreign:
        steps.append(TurnEdit(Act.SAY_USER, GO_ON))
    return tuple(steps)


def _showing(dialect: Dialect) -> list[TurnEdit]:
    return [TurnEdit(Act.SAY_ANSWER, NOTED), TurnEdit(Act.SHOW)] if dialect.turns.answer_between else [TurnEdit(Act.SHOW)]


def as_system(text: str) -> str:
    """Return a system message of mid-conversation as the text of a user message."""
    return f"<system>\n{text}\n</system>"


def shown_from(name: str) -> str:
    """Return the caption of media that a tool returned."""
    return f"From the result of {name}:"
