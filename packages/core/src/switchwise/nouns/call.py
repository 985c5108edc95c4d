"""The one effect of the engine, what comes back, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from switchwise.display.figures import seconds, usd
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.recording import Stored
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.exchange.tried import Tried
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
        ask: a policy's or verifier's own questions; None: the caller's own request. A target of the pool is sent them as
            `switchwise.protocols.ask_text.prompt_of(call)`.
        live: its chunks may be shown as they arrive.
        delay: seconds to wait before it is made.
        deciding: seconds that the decision behind it took.
        note: sent after the caller's own messages, as a last turn of the user; empty: nothing is.
        stored: the answer of an earlier call, which is given in place of calling; None: the target is called.
    """

    target: Target
    view: View
    shortlist: Shortlist
    ask: Ask | None = None
    live: bool = True
    delay: float = 0.0
    deciding: float = 0.0
    note: str = ""
    stored: Stored | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """Calls that are to be live now: whoever drives makes those that are new, and cancels those that are no longer among them.

    Parameters:
        calls: in the order in which they were begun.
        wait: seconds after which to ask again where nothing has come; None: as long as it takes.
        chosen: the only call whose chunks may be shown, once it is known; None: it is not.
        first: the first chunk that may be shown decides who is chosen.
    """

    calls: tuple[Call, ...]
    wait: float | None = None
    chosen: Call | None = None
    first: bool = False


class CallEvent(NamedTuple):
    """What has happened to one of several live calls.

    Parameters:
        call: which.
        what: its reply or its failure; None: its first chunk has come.
    """

    call: Call
    what: Reply | TargetError | None = None


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
        abandoned: the caller went away before the end, or another call of the same request was chosen: it was cancelled.
        cost: USD; None: usage or price is unknown. Of a cancelled call, what its prompt costs at least.
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
        """Whom it went to; or who made the reply, where that says that it was another one."""
        return self.call.target if self.reply is None or self.reply.maker is None else self.reply.maker

    @property
    def accepted(self) -> bool:
        """It gave a reply that nobody rejected."""
        return self.reply is not None and (self.verdict is None or self.verdict.accepted)

    @property
    def kind(self) -> FailureKind | None:
        """How it failed; None: it did not."""
        return self.error.kind if self.error else None

    @property
    def tried(self) -> Tried:
        """What the views of later decisions keep of it."""
        return Tried(self.call.target, self.started, self.ended, self.reply, self.error, self.verdict, self.cost, self.latency)


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
        """USD of all attempts, those cancelled included; None if any of them is unknown."""
        costs = [attempt.cost for attempt in self.attempts if attempt.error is None]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def __repr__(self) -> str:
        usage, state = self.reply.usage, "" if self.accepted else ", rejected"
        tokens = f", {usage.input_tokens:,}+{usage.output_tokens:,} tokens" if usage else ""
        tries = f", attempt {len(self.attempts)}" if len(self.attempts) > 1 else ""
        return f"Outcome({self.target.name}{tries}{state}{tokens}, {usd(self.cost)}, {seconds(self.attempt.latency)})"

    def _repr_html_(self) -> str:
        from switchwise.display.tables import card, faint, table

        note = self.attempt.call.shortlist.decider
        rows = [
            [
                each.target.name,
                each.kind.value.replace("_", " ") if each.kind else "accepted" if each.accepted else "rejected",
                usage_text(each.reply.usage if each.reply else None),
                usd(each.cost) if each.reply else "",
                seconds(each.latency),
            ]
            for each in self.attempts
        ]
        text = self.reply.text if len(self.reply.text) <= 400 else self.reply.text[:400] + " …"
        return card(
            f"{self.target.name}: {usd(self.cost)}",
            text,
            table(("attempt", "result", "tokens", "cost", "seconds"), rows, numbers=(3, 4)),
            faint(f"decided by {note.policy} ({note.level.name.lower()}): {note.because}"),
        )


def usage_text(usage: Usage | None) -> str:
    """Tokens in a few words.

    >>> usage_text(Usage(1_000, 20, cache_read_tokens=800))
    '1,000 in (800 cached), 20 out'
    """
    if usage is None:
        return ""
    cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
    return f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out"
