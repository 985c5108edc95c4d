"""Values of one call: the effect that the engine yields, the attempt, and the outcome."""

from __future__ import annotations

from typing import NamedTuple

from switchwise.display.figures import seconds, usd
from switchwise.nouns.errors import Broken, FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.recording import Stored
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.exchange.tried import Tried
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import View


@dataclass(frozen=True, slots=True)
class Call:
    """Send a request to a target.

    Parameters:
        target: the called target.
        view: the request as the policies saw it.
        shortlist: the decision that chose it.
        ask: a policy's or verifier's own questions; None: the caller's own request. A target of the pool is sent them as
            `switchwise.protocols.ask_text.prompt_of(call)`.
        live: its chunks may be shown as they arrive.
        delay: seconds to wait before it is made.
        deciding: seconds that the decision took.
        note: appended to the caller's messages as a last user turn; empty if there is none.
        stored: an earlier answer to return instead of calling; None: call the target.
        broken: an earlier reply that broke off in front of a reader. If it has a text, that text is appended as the last answer, before `note`.
        queued: it waits its turn and is not made: when `delay` is over, the router decides again (`Run.waited`).
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
    broken: Broken | None = None
    queued: bool = False

    @property
    def continued(self) -> str:
        """The text that the reply continues; empty if it stands for itself."""
        return "" if self.broken is None else self.broken.text


@dataclass(frozen=True, slots=True)
class Live:
    """The calls that should be live now: the driver starts the new ones and cancels those that are no longer listed.

    Parameters:
        calls: in the order in which they were started.
        wait: seconds after which to report back if nothing arrived; None: no limit.
        chosen: the only call whose chunks may be shown; None: not chosen yet.
        first: the first chunk that may be shown chooses its call.
    """

    calls: tuple[Call, ...]
    wait: float | None = None
    chosen: Call | None = None
    first: bool = False


class CallEvent(NamedTuple):
    """Event of one of several live calls.

    Parameters:
        call: the call.
        what: its reply or failure; None: its first chunk arrived.
    """

    call: Call
    what: Reply | TargetError | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call and its result. Exactly one of `reply`, `error` and `abandoned` is set.

    Parameters:
        call: the call and the decision behind it.
        started, ended: on the router's clock, in seconds.
        reply: the answer, if there was one.
        error: the target's failure, if it failed.
        verdict: the verifier's verdict; None: not judged.
        abandoned: it was cancelled: the caller left before the end, or another call of the same request was chosen.
        cost: USD; None if usage or price is unknown. Of a cancelled or broken-off call, at least the cost of its prompt.
        latency: seconds on the router's timer.
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
        """The called target; or the one that made the reply, where the reply names another."""
        return self.call.target if self.reply is None or self.reply.maker is None else self.reply.maker

    @property
    def accepted(self) -> bool:
        """Whether it has a reply that was not rejected."""
        return self.reply is not None and (self.verdict is None or self.verdict.accepted)

    @property
    def kind(self) -> FailureKind | None:
        """The kind of its failure; None if it did not fail."""
        return self.error.kind if self.error else None

    @property
    def tried(self) -> Tried:
        """The part of it that the views of later decisions keep."""
        return Tried(self.call.target, self.started, self.ended, self.reply, self.error, self.verdict, self.cost, self.latency)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run.

    Parameters:
        attempt: the one whose reply is returned.
        attempts: all calls made for the caller's request, in order, without those of verifiers.
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
        """The target that answered."""
        return self.attempt.target

    @property
    def decision(self) -> str:
        """The decision id, under which feedback is given."""
        return self.attempt.call.view.decision

    @property
    def cost(self) -> float | None:
        """USD of all attempts, cancelled and broken-off ones included; None if any is unknown."""
        costs = [attempt.cost for attempt in self.attempts if attempt.error is None or attempt.error.broken is not None]
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
    """Format token counts.

    >>> usage_text(Usage(1_000, 20, cache_read_tokens=800))
    '1,000 in (800 cached), 20 out'
    """
    if usage is None:
        return ""
    cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
    return f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out"
