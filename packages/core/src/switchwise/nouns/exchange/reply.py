"""A complete reply, the answers to questions in it, and a verifier's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage


class EndReason(StrEnum):
    """Why an answer ended, in one vocabulary for all providers."""

    STOP = "stop"
    """The model finished, or met a stop sequence."""
    TOOL_CALLS = "tool_calls"
    """It calls tools."""
    LENGTH = "length"
    """Truncated: the output limit or the context window was reached."""
    REFUSAL = "refusal"
    """The model refused, or a filter blocked it."""
    ERROR = "error"
    """The provider reports that the answer failed."""
    UNKNOWN = "unknown"
    """The provider does not say, or uses an unknown value."""


Label = str | bool
"""A label to choose. A question whose labels are True and False is a yes/no question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question. Unknown values are None, never guessed.

    Parameters:
        text: free text.
        label: the chosen label; with known probabilities, the most likely one.
        probabilities: by label, from 0 to 1; of a score, by level number. None if the model returns none.
        score: the level, from 0 to the last one; fractional between two levels.
        vectors: embeddings of the texts, in their order.
        because: why there is no answer, such as a refusal or an omitted question.
    """

    text: str | None = None
    label: Label | None = None
    probabilities: Mapping[Label | int, float] | None = None
    score: float | None = None
    vectors: tuple[tuple[float, ...], ...] | None = None
    because: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return not (self.text is None and self.label is None and self.score is None and self.vectors is None)

    @property
    def probability(self) -> float | None:
        """Probability of the chosen label; None if unknown."""
        return None if self.probabilities is None or self.label is None else self.probabilities.get(self.label)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer.

    Parameters:
        text: its text.
        tool_calls: the called tools: (name, arguments).
        usage: tokens; None if the provider did not report them.
        raw: the answer as the framework or SDK returned it.
        model: the model that served it, if reported.
        first_chunk: seconds from the request to the first chunk; None: not streamed.
        end: why it ended.
        answers: to the questions of an `Ask`, by name; None: no questions, or the answers are in the text.
        headers: of the HTTP answer; read while the attempt is learned, never kept; None if the adapter has no access to them.
        pieces: the chunks of a stream, for a response cache; None if not streamed or not needed.
        cost: USD, set on answers that are sent to a policy or verifier; None if unknown, or for the caller's own request.
        maker: the target that answered, if not the called one (a framework's own fallback); else None.
    """

    text: str = ""
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: Usage | None = None
    raw: Any = None
    model: str = ""
    first_chunk: float | None = None
    end: EndReason = EndReason.UNKNOWN
    answers: Mapping[str, Answer] | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False, compare=False)
    pieces: Sequence[Any] | None = field(default=None, repr=False, compare=False)
    cost: float | None = None
    maker: Target | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement of a reply.

    Parameters:
        accepted: whether it may be shown.
        because: the reason.
        score: quality from 0 to 1; if all replies are rejected, the best is returned.
    """

    accepted: bool
    because: str = ""
    score: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.accepted, str | None):
            raise ConfigurationError(f"Verdict({self.accepted!r:.80}): give True or False first, then the reason")
