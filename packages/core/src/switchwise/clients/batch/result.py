"""Results of batch requests, and their progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from switchwise.nouns.errors import FailureKind
from switchwise.nouns.usage import Usage


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to one request, or the error.

    Parameters:
        id: id of the request.
        target: target of the answer, else the last one tried; empty: none was tried.
        text: text of the answer.
        message: the answer as a message to append to the conversation; empty: no answer.
        raw: the provider's JSON.
        usage: tokens; None: unknown.
        cost: cost of all attempts in USD; None: unknown.
        attempts: attempts in order: target and result, as in a decision record.
        decision: id for feedback.
        error: reason without an answer; empty: there is an answer.
        failure: kind of the last failure, if a target failed.
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
        """Whether there is an answer."""
        return not self.error

    def __repr__(self) -> str:
        return f"BatchResult({self.id!r}, {self.target!r}, {self.error or f'{len(self.text)} characters'})"


class Progress(NamedTuple):
    """Number of requests in each state.

    Parameters:
        waiting: added, not in a batch yet.
        sent: in a batch at a provider.
        done: answered.
        failed: finished without an answer.
    """

    waiting: int = 0
    sent: int = 0
    done: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        """Number of unfinished requests."""
        return self.waiting + self.sent
