"""A complete answer, and what a verifier says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.usage import Usage


class EndReason(StrEnum):
    """Why an answer ended, in one vocabulary for all providers."""

    STOP = "stop"
    """The model had said what it wanted to, or met a stop sequence."""
    TOOL_CALLS = "tool_calls"
    """It calls tools."""
    LENGTH = "length"
    """It was cut off: the limit of the answer or the context window was reached."""
    REFUSAL = "refusal"
    """The model declined, or a filter stopped it."""
    ERROR = "error"
    """The provider says that the answer failed."""
    UNKNOWN = "unknown"
    """The provider does not say, or in a word that is not known."""


@fast_init
@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer.

    Parameters:
        text: its text.
        tool_calls: the tools that it calls: (name, arguments).
        usage: tokens; None: the provider did not say.
        raw: the answer as the framework or SDK gave it, for whoever performed the call.
        model: the model that says it served, if it says.
        first_chunk: seconds from the request to the first chunk; None: not streamed.
        end: why it ended.
    """

    text: str = ""
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: Usage | None = None
    raw: Any = None
    model: str = ""
    first_chunk: float | None = None
    end: EndReason = EndReason.UNKNOWN


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of a reply.

    Parameters:
        accepted: it may be shown.
        because: why.
        score: how good it is, from 0 to 1; the best rejected reply is returned when nothing better comes.
    """

    accepted: bool
    because: str = ""
    score: float = 0.0
