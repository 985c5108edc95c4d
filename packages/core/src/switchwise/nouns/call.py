"""The one effect of the engine, what comes back, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import View


@fast_init
@dataclass(frozen=True, slots=True)
class Call:
    """Put a request to a target.

    Parameters:
        target: whom to ask.
        view: the request as the policies saw it.
        shortlist: the decision behind it.
        ask: a prompt of a policy's or verifier's own, to be sent as plain text; None: the caller's own request.
        live: its chunks may be shown as they arrive.
        delay: seconds to wait before it is made.
        deciding: seconds that the decision behind it took.
    """

    target: Target
    view: View
    shortlist: Shortlist
    ask: str | None = None
    live: bool = True
    delay: float = 0.0
    deciding: float = 0.0


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


@fast_init
@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was made, and what became of it. Exactly one of `reply`, `error` and `abandoned` tells.

    Parameters:
        call: what was asked of whom, and why.
        started, ended: on the router's clock, in seconds.
        reply: the answer, if there was one.
        error: the target's failure, if it failed.
        verdict: what the verifier said; None: not judged.
        abandoned: the caller went away before the end.
        cost: USD; None: usage or price is unknown.
        latency: seconds that it took, on the router's timer.
    """

    call: Call
    started: float
    ended: float
    reply: Reply | None = None
    error: TargetError | None = None
    verdict: Verdict | None = None
    abandoned: bool = False
    cost: float | None = None
    latency: float = 0.0

    @property
    def target(self) -> Target:
        """Whom it went to."""
        return self.call.target

    @property
    def accepted(self) -> bool:
        """It gave a reply that nobody rejected."""
        return self.reply is not None and (self.verdict is None or self.verdict.accepted)

    @property
    def kind(self) -> FailureKind | None:
        """How it failed; None: it did not."""
        return self.error.kind if self.error else None


@fast_init
@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Parameters:
        attempt: the one whose reply is returned.
        attempts: all calls made for the caller's request, in order; those of verifiers are not among them.
        accepted: False: every reply was rejected, and this is the best of them.
    """

    attempt: Attempt
    attempts: tuple[Attempt, ...]
    accepted: bool = True

    @property
    def reply(self) -> Reply:
        """The answer."""
        reply = self.attempt.reply
        assert reply is not None, "an outcome is made of an attempt that gave a reply"
        return reply

    @property
    def target(self) -> Target:
        """Who gave it."""
        return self.attempt.target

    @property
    def decision(self) -> str:
        """The id to give feedback under."""
        return self.attempt.call.view.decision

    @property
    def cost(self) -> float | None:
        """USD of all attempts; None if any of them is unknown."""
        costs = [attempt.cost for attempt in self.attempts if attempt.reply]
        return None if None in costs else sum(cost for cost in costs if cost is not None)
