"""What a conversation says about the call to be made: the turns, neutral to frameworks, and the signals read from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from switchwise.nouns.fast_init import fast_init


class Phase(StrEnum):
    """The kind of work that an agent is at."""

    PLANNING = "planning"
    IMPLEMENTING = "implementing"
    DEBUGGING = "debugging"
    TESTING = "testing"
    DOCUMENTING = "documenting"
    SUMMARISING = "summarising"


class StepKind(StrEnum):
    """What one call has to do, judged by what came last."""

    USER_TURN = "user_turn"
    TOOL_RESULT = "tool_result"
    FAILURE = "failure"
    FINAL_ANSWER = "final_answer"


@fast_init
@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, whatever framework or provider it came from.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`.
        text: its text, joined.
        calls: names of the tools that an assistant turn calls.
        arguments: the arguments of those calls as text, joined; they are paid for, and tell what a shell tool runs.
        tool: name of the tool that a tool turn answers for, if known.
        failed: whether a tool turn reports a failure; None: the framework does not say. A status that is "success"
            unless somebody sets it says nothing.
        media: the modality of each part that is not text: `image`, `audio`, `document`, `video`.
        document_tokens: tokens of its documents beyond the flat allowance for one (`reading.document_size`).
    """

    role: str
    text: str = ""
    calls: tuple[str, ...] = ()
    arguments: str = ""
    tool: str = ""
    failed: bool | None = None
    media: tuple[str, ...] = ()
    document_tokens: int = 0


@fast_init
@dataclass(frozen=True, slots=True)
class Signals:
    """What the turns so far say about the next call.

    Parameters:
        phase: the kind of work; None: nothing tells.
        step: what this call has to do; None: nothing tells.
        first: nothing was answered yet in this thread.
        failures: failed tool results in a row, up to now.
        because: the evidence for phase and step, in a few words.
    """

    phase: Phase | None = None
    step: StepKind | None = None
    first: bool = False
    failures: int = 0
    because: str = ""
