"""Neutral turns of a conversation, and the signals read from them."""

from __future__ import annotations

from enum import StrEnum

from switchwise.nouns.fast_dataclass import dataclass


class Phase(StrEnum):
    """The kind of work that an agent is doing."""

    PLANNING = "planning"
    IMPLEMENTING = "implementing"
    DEBUGGING = "debugging"
    TESTING = "testing"
    DOCUMENTING = "documenting"
    SUMMARISING = "summarising"


class StepKind(StrEnum):
    """What one call has to do, judged by the last message."""

    USER_TURN = "user_turn"
    TOOL_RESULT = "tool_result"
    FAILURE = "failure"
    FINAL_ANSWER = "final_answer"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, independent of framework and provider.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`.
        text: its text, joined.
        calls: names of the tools that an assistant turn calls.
        arguments: the arguments of those calls as text, joined; they cost tokens, and show which command a shell tool runs.
        tool: name of the tool that a tool turn answers, if known.
        failed: whether a tool turn reports a failure; None if the framework does not say. A default status of "success"
            does not count as a report.
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


@dataclass(frozen=True, slots=True)
class Signals:
    """What the turns so far indicate about the next call.

    Parameters:
        phase: the kind of work; None if unknown.
        step: what this call has to do; None if unknown.
        first: no answer was given yet in this thread.
        failures: number of failed tool results in a row at the end.
        because: the evidence for phase and step.
    """

    phase: Phase | None = None
    step: StepKind | None = None
    first: bool = False
    failures: int = 0
    because: str = ""
