"""What to do when a streamed reply breaks off after part of it was shown."""

from __future__ import annotations

from typing import Any, Literal, get_args

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.validation import meant


@dataclass(frozen=True, slots=True)
class Continue:
    """Let the next target continue the text that was shown.

    It is called with the conversation, the shown text as the last answer, and `prompt` as a user turn. Where no text was shown (a structured
    answer, reasoning alone), the reply starts again.

    Parameters:
        prompt: asks for the rest, such as "Your answer was cut off. Continue it exactly where it stops."

    Raises:
        ConfigurationError: the prompt is empty or not a string.
    """

    prompt: str

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ConfigurationError(
                f"Continue(prompt={self.prompt!r:.80}): write the request, such as 'Your answer was cut off. Continue where it stops.'"
            )


_Word = Literal["raise", "restart"]
OnBroken = _Word | Continue
"""`raise`: the run ends as `Interrupted`. `restart`: another target answers from the start, after a signal. `Continue(prompt)`: it continues."""


def on_broken_of(given: Any) -> OnBroken:
    """Validate an `on_broken` argument.

    Raises:
        ConfigurationError: the value is not allowed; the message lists those that are.
    """
    if isinstance(given, Continue) or (isinstance(given, str) and given in get_args(_Word)):
        return given  # type: ignore[return-value]  # one of the words
    hint = f" ({meant(given, get_args(_Word), 'words')})" if isinstance(given, str) else ""
    raise ConfigurationError(
        f"on_broken={given!r:.80}: give 'raise', 'restart' or Continue('a prompt that asks for the rest'){hint}"
    )
