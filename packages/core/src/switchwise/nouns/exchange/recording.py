"""A request that a response cache can recognise, and an answer of it that was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from switchwise.nouns.exchange.reply import Reply


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer that a response cache kept.

    Parameters:
        answer: what `Recording.keep` gave.
        kind: `exact`, the same request; `semantic`, one whose last turn means the same.
        age: seconds since the answer was given.
        similarity: of the two last turns, from -1 to 1; None: they are the same.
        risk: expected probability that it is a wrong answer; None: it is the same request.
    """

    answer: str
    kind: str
    age: float
    similarity: float | None = None
    risk: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What records say of it: numbers, and no text."""
        found: dict[str, Any] = {"kind": self.kind, "age": round(self.age, 3)}
        for name in ("similarity", "risk"):
            if (value := getattr(self, name)) is not None:
                found[name] = round(value, 4)
        return found


class Recording(Protocol):
    """A request as a response cache sees it. An adapter makes one for each call of a router that has a cache."""

    @property
    def tools(self) -> Sequence[str]:
        """Names of the tools that the call offers."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the call, such as `temperature` and `n`."""

    def parts(self, target: str) -> tuple[str, str] | None:
        """All that makes the answer of `target`, as canonical JSON, but for the words of the user's last turn; and these words.

        That is the model with its own settings, every message, the tools, the format, the settings of the call. None: something of it cannot be
        told in JSON, so that nobody could say whether two requests are the same.
        """

    def keep(self, reply: Reply) -> str | None:
        """The answer as text that the adapter can give again, whole and as a stream; None: it cannot."""
