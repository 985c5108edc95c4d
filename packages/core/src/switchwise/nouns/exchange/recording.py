"""What a response cache needs of a request, and a stored answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer from a response cache.

    Parameters:
        answer: as `Recording.keep` serialised it.
        kind: `exact`: the same request; `semantic`: one whose last user turn has the same meaning.
        age: seconds since the answer was made.
        similarity: cosine similarity of the two last turns; None for the same request.
        risk: expected probability that the answer is wrong; None for the same request.
    """

    answer: str
    kind: str
    age: float
    similarity: float | None = None
    risk: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The fields for decision records: numbers, no text."""
        found: dict[str, Any] = {"kind": self.kind, "age": round(self.age, 3)}
        for name in ("similarity", "risk"):
            if (value := getattr(self, name)) is not None:
                found[name] = round(value, 4)
        return found


class Recording(Protocol):
    """A request as a response cache sees it. The adapter makes one per call if the router has a cache."""

    @property
    def tools(self) -> Sequence[str]:
        """Names of the offered tools."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the call, such as `temperature` and `n`."""

    def parts(self, target: str) -> tuple[str, str] | None:
        """Return the cache key material for `target` as canonical JSON, without the text of the last user turn; and that text.

        The material holds everything that the answer depends on: the model with its own settings, every message, the tools, the format and the settings
        of the call. None if part of it cannot be serialised as JSON, so that equality of requests is unknown.
        """

    def keep(self, reply: Reply) -> str | None:
        """Serialise the answer so that the adapter can return it again, whole or streamed; None if it cannot."""
