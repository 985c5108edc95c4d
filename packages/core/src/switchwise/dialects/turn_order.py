"""Who may speak when: a conversation in the order that the target takes.

`step` looks at one message at a time, by its role, and says what goes out in its place. The adapter applies that to its own messages:

| act | what goes out |
|---|---|
| `KEEP` | the message |
| `JOIN` | nothing; its text is added to the system message before it |
| `AS_USER` | a user's message with the text in `<system>` |
| `SAY_USER`, `SAY_ANSWER` | a message of ours, with `Step.text` |
| `SHOW` | a user's message with what the results before showed besides text |

The state between two messages is a value, so a conversation that goes on is adapted from where it was left, and one that was edited from where it differs.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from switchwise.dialects.dialect import Dialect

BEGIN, NOTED, GO_ON, EMPTY = "(The conversation begins.)", "(Noted.)", "Go on.", "(no text)"
"""What is said where an API wants a word that nobody said: at the beginning, between a result and a user, after another model's answer, and by a user."""
SHOWN = "(shown by the user below)"
"""What a result says that shows a picture and nothing else."""
SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"


class Act(Enum):
    """What becomes of a message."""

    KEEP = "keep"
    JOIN = "join"
    AS_USER = "as user"
    SAY_USER = "say, as the user"
    SAY_ANSWER = "say, as the assistant"
    SHOW = "show"


class Step(NamedTuple):
    """One thing that goes out."""

    act: Act
    text: str = ""


class Place(NamedTuple):
    """Where a conversation stands.

    Parameters:
        last: role of the message before; empty: none.
        leading: only system messages so far.
        shows: the results before showed something besides text.
    """

    last: str = ""
    leading: bool = True
    shows: bool = False


START = Place()
_KEEP = (Step(Act.KEEP),)


def step(
    dialect: Dialect, place: Place, role: str, shows: bool = False, *, system_anywhere: bool = False
) -> tuple[tuple[Step, ...], Place]:
    """What goes out for the next message, and where the conversation then stands.

    Parameters:
        dialect: of the target.
        place: where the conversation stands; `START` at its beginning.
        role: of the message: `system`, `user`, `assistant` or `tool`.
        shows: it is a result that shows more than text.
        system_anywhere: this model takes system messages after a user's turn (Anthropic's newest).

    >>> from switchwise.dialects.table import MISTRAL
    >>> steps, _ = step(MISTRAL, Place("tool", leading=False), "user")
    >>> [(each.act.name, each.text) for each in steps]
    [('SAY_ANSWER', '(Noted.)'), ('KEEP', '')]
    """
    rules = dialect.turns
    steps: list[Step] = []
    last, leading, shown = place
    if shown and role != TOOL:
        steps += _showing(dialect)
        last, shown = USER, False
    if role == SYSTEM:
        if leading:
            join = rules.one_system and last == SYSTEM
            return (*steps, Step(Act.JOIN) if join else Step(Act.KEEP)), Place(SYSTEM, True, shown)
        if not rules.system_in_place or (system_anywhere and last in (USER, TOOL)):
            return (*steps, Step(Act.KEEP)), Place(SYSTEM, False, shown)
    elif leading and rules.user_first and role == ASSISTANT:
        steps.append(Step(Act.SAY_USER, BEGIN))
    if last == TOOL and rules.answer_between and role in (USER, SYSTEM):
        steps.append(Step(Act.SAY_ANSWER, NOTED))
    steps.append(Step(Act.AS_USER if role == SYSTEM else Act.KEEP))
    now = Place(USER if role == SYSTEM else role, False, shown or (shows and not dialect.media_in_results))
    return (_KEEP if len(steps) == 1 and role != SYSTEM else tuple(steps)), now


def ending(dialect: Dialect, place: Place, foreign: bool) -> tuple[Step, ...]:
    """What is said at the end of a prompt, for one call only.

    Parameters:
        dialect: of the target.
        place: where the conversation stands.
        foreign: it ends with an answer of another model, which calls nothing.
    """
    steps = _showing(dialect) if place.shows else []
    if dialect.turns.user_first and place.leading:
        steps.append(Step(Act.SAY_USER, BEGIN))
    elif dialect.turns.no_prefill and foreign:
        steps.append(Step(Act.SAY_USER, GO_ON))
    return tuple(steps)


def _showing(dialect: Dialect) -> list[Step]:
    return [Step(Act.SAY_ANSWER, NOTED), Step(Act.SHOW)] if dialect.turns.answer_between else [Step(Act.SHOW)]


def as_system(text: str) -> str:
    """What a user says for the system, in mid-conversation."""
    return f"<system>\n{text}\n</system>"


def shown_from(name: str) -> str:
    """The words before what a tool's result shows."""
    return f"From the result of {name}:"
