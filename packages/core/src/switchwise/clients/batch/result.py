"""Results of batch requests, and their progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from switchwise.nouns.errors import FailureKind
from switchwise.nouns.usage import Usage


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to one request, or why there is none.

    Parameters:
        id: of the request.
        target: who answered; the last one that was tried, if nobody did; empty: nobody was.
        text: of the answer.
        message: the answer as a message to append to the conversation; empty: there is none.
        raw: the JSON of the provider.
        usage: tokens; None: not known.
        cost: USD of all attempts; None: not known.
        attempts: what was tried, in order: target and result, as in a decision record.
        decision: the id to give feedback under.
        error: why there is no answer; empty: there is one.
        failure: the kind of the last failure, where a target failed.
    """

    id: str
    target: str = ""
    text: str = ""
    message: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] | None = None
    usage: Usage | None = None
    cost: float | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    decision: str = ""
    error: str = ""
    failure: FailureKind | None = None

    @property
    def ok(self) -> bool:
        """There is an answer."""
        return not self.error

    def __repr__(self) -> str:
        return f"BatchResult({self.id!r}, {self.target!r}, {self.error or f'{len(self.text)} characters'})"


class Progress(NamedTuple):
    """How many requests are where.

    Parameters:
        waiting: added, in no batch yet.
        sent: in a batch of a provider.
        done: answered.
        failed: without an answer, for good.
    """

    waiting: int = 0
    sent: int = 0
    done: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        """Those that something may still come of."""
        return self.waiting + self.sent
