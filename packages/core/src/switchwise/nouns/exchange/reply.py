"""A complete reply, the answers to questions in it, and what a verifier says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.target import Target
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


Label = str | bool
"""An answer that can be chosen. A question whose labels are True and False is a yes or no."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question. What is not known is None, and never guessed.

    Parameters:
        text: in words.
        label: the label that was chosen; where probabilities are known, the most likely one.
        probabilities: by label, from 0 to 1; of a score, by the number of the level. None: the model gives none.
        score: the level, from 0 to the last one; between two levels where the model is between them.
        vectors: of the texts that were embedded, in their order.
        because: why there is no answer: it declined, it left the question out.
    """

    text: str | None = None
    label: Label | None = None
    probabilities: Mapping[Label | int, float] | None = None
    score: float | None = None
    vectors: tuple[tuple[float, ...], ...] | None = None
    because: str = ""

    @property
    def known(self) -> bool:
        """Something was answered."""
        return not (self.text is None and self.label is None and self.score is None and self.vectors is None)

    @property
    def probability(self) -> float | None:
        """Of the label that was chosen; None: not known."""
        return None if self.probabilities is None or self.label is None else self.probabilities.get(self.label)


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
        answers: of the questions of an `Ask`, by name; None: none were asked, or they stand in the text.
        headers: of the HTTP answer, read while the attempt is learned and never kept; None: the adapter does not see them.
        pieces: the chunks of a stream, for a response cache; None: not streamed, or nobody asked.
        cost: USD, of an answer that a policy or verifier asked for, as it is sent it; None: not known, or the caller's own.
        maker: the target that made it, where another one than was called did: a framework's own fallback. None: the one that was called.
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
    """What a verifier says of a reply.

    Parameters:
        accepted: it may be shown.
        because: why.
        score: how good it is, from 0 to 1; the best rejected reply is returned when nothing better comes.
    """

    accepted: bool
    because: str = ""
    score: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.accepted, str | None):
            raise ConfigurationError(f"Verdict({self.accepted!r:.80}): give True or False first, then the reason")
