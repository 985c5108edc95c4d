"""The flow of a call in parts, with hours between them: deciding, judging, settling.

No part lives in memory alone: a decision is stored as JSON (`noted`) and restored from it (`Flows.call`), in any process.

Rules:
1. All requirements of the router's chain hold; questions of policies to models are asked at once.
2. Policies about the next minutes (`momentary`: load, health, rate limits) are not asked, and learn nothing: the answer comes hours later.
3. Reserving policies (budgets) reserve at the batch price, and settle with the cost of the batch. Other policies do not learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from switchwise.clients.clients import Clients
from switchwise.clients.sdk import Client
from switchwise.engine.batches.together import answered
from switchwise.engine.calls import FlowContext
from switchwise.engine.deciding import decide, heard
from switchwise.engine.drive import drive
from switchwise.engine.endings import best_rejected, say_fallback, without
from switchwise.engine.policy import Learns, Policy, Reserves, Steps, name_of
from switchwise.engine.requirements import Reservers, learn_all
from switchwise.engine.run import Run
from switchwise.failures import translated
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import ConfigurationError, FailureKind, TargetError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.scope import Level, Scope
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import BATCH, Target
from switchwise.nouns.view import View
from switchwise.observe.observer import tell
from switchwise.observe.spending import count
from switchwise.protocols.prompt import Prompt
from switchwise.router import Router

T = TypeVar("T")
_PROMPT = tuple(field.name for field in fields(Prompt) if field.name not in ("stream", "ended_by"))


class Flows:
    """Decisions and settlements of one router over its clients.

    Parameters:
        clients: clients whose router decides.
        able: names of the targets with a batch endpoint.
    """

    def __init__(self, clients: Clients, able: frozenset[str]) -> None:
        self._clients, self._able = clients, able

    @property
    def router(self) -> Router:
        """Whose policies decide."""
        return self._clients.router

    def context(self) -> FlowContext:
        """Context of flows without a decision."""
        return self.begin(View())[1]

    def begin(self, view: View) -> tuple[View, FlowContext]:
        """Return the view of a deferred request at the start of its step, and the context of its flow."""
        view, context = self.router.begin(view)
        parts = [part for part in (*self.router.policies, self.router.verify) if not getattr(part, "momentary", False)]
        reservers = Reservers(parts)
        money = [part.learn for part in parts if isinstance(part, Reserves) and isinstance(part, Learns)]
        lasting = [(name, policy) for name, policy in context.policies if not getattr(policy, "momentary", False)]
        wall: tuple[str, Policy] = ("Batches", self._wall)
        return view, replace(
            context,
            policies=(*lasting[:1], wall, *lasting[1:]),
            reserve=reservers.reserve,
            release=reservers.release,
            learn=partial(learn_all, money),
            cache=None,
        )

    def _wall(self, view: View, shortlist: Shortlist) -> Shortlist:
        if view.needs.tier != BATCH:  # a question, asked at once
            return shortlist
        return shortlist.require(lambda target: target.name in self._able, "it has no batch endpoint")

    def view(self, asked: Mapping[str, Any]) -> tuple[View, Prompt]:
        """Return the view of a request, and its prompt."""
        prompt, scope = Prompt(**asked["prompt"]), Scope(**asked["scope"])
        view = self._clients.views.view(prompt, scope, asked["target"])
        return replace(view, needs=replace(view.needs, tier=BATCH), prefix=None, recording=None), prompt

    def admitted(self, view: View, context: FlowContext, prompt: Prompt, attempts: Sequence[Attempt] = ()) -> Call | Outcome:
        """Return the call to make, with its cost reserved; or the best rejected answer if no target is left.

        Raises:
            NoTarget, BudgetExceeded: no target may be called.
            AllTargetsFailed: every target that may be called failed.
        """
        return self._driven(_admitted(view, context, tuple(attempts)), context, prompt)

    def judged(self, attempt: Attempt, context: FlowContext, prompt: Prompt) -> Attempt:
        """Return the attempt with the verifier's verdict; unchanged without a verifier, or as the last resort."""
        if context.verify is None or attempt.reply is None or len(attempt.call.shortlist.targets) < 2:
            return attempt
        view = replace(
            attempt.call.view, needs=replace(attempt.call.view.needs, tier="")
        )  # questions of a verifier are asked at once
        opinion = context.verify(view, attempt.reply)
        if not isinstance(opinion, Verdict):
            flow = heard(opinion, name_of(context.verify), view, context, judged=attempt.target)
            opinion = self._driven(flow, context, prompt)
        return replace(attempt, verdict=opinion)

    def _driven(self, flow: Steps[T], context: FlowContext, prompt: Prompt) -> T:
        """Run a flow; ask its questions at once."""
        run: Any = Run(_ended(flow), context.clock, context.observers)
        for _ in drive(run, lambda call: self._clients.perform(call, prompt)):
            pass
        result: T = run.outcome.value
        return result

    # -- written down, and made again ----------------------------------------------------------------------------------

    def target(self, name: str) -> Target:
        """The target of that name.

        Raises:
            ConfigurationError: the target is no longer in the pool.
        """
        pool = self.router.pool
        if name not in pool.names:
            raise ConfigurationError(
                f"a batch was sent to {name!r}, which is not a target of this router: add it until its answers are fetched"
            )
        return pool[name]

    def client(self, name: str) -> Client:
        """The client of a target."""
        return self._clients.by_target[name]

    def call(self, view: View, decision: Mapping[str, Any]) -> Call:
        """Restore the call of a stored decision."""
        pool = self.router.pool
        view = view.begun(decision["now"], decision["seed"])
        target, names = self.target(decision["names"][0]), frozenset(decision["names"])
        shortlist = Shortlist(pool).signed_by(decision["policy"], Level(decision["level"]))
        shortlist = shortlist.require(lambda each: each.name in names, decision["because"])
        shortlist = shortlist.order(lambda each: 0.0 if each is target else 1.0, decision["because"])
        return Call(target, view, shortlist, None, False, 0.0, decision["deciding"], decision["note"])

    def attempts(self, view: View, tried: Sequence[Mapping[str, Any]]) -> tuple[Attempt, ...]:
        """Restore the earlier attempts of a request."""
        return tuple(self._attempt(view, each) for each in tried)

    def _attempt(self, view: View, kept: Mapping[str, Any]) -> Attempt:
        target = self.target(kept["target"])
        call = Call(
            target,
            view,
            Shortlist(self.router.pool).order(lambda each: 0.0 if each is target else 1.0, "as before"),
            None,
            False,
        )
        reply = read(self.client(target.name), kept["raw"]) if kept["raw"] is not None else None
        error = None
        if kept["kind"] is not None:
            error = TargetError(FailureKind(kept["kind"]), kept["said"], kept["retry_after"], kept["billable"])
        verdict = Verdict(*kept["verdict"]) if kept["verdict"] is not None else None
        return Attempt(call, kept["started"], kept["ended"], reply, error, verdict, cost=kept["cost"], latency=kept["latency"])


class _Ended(NamedTuple):
    """Result of a flow, in the form of an outcome."""

    value: Any
    reply: None = None


def _ended(flow: Steps[T]) -> Steps[Any]:
    return _Ended((yield from flow))


def asked(prompt: Prompt, scope: Scope, target: str) -> dict[str, Any]:
    """Convert a request to JSON."""
    words = {name: getattr(prompt, name) for name in _PROMPT}
    where = {name: getattr(scope, name) for name in ("session", "agent", "task", "tenant")}
    return {"prompt": words, "scope": {**where, "labels": dict(scope.labels)}, "target": target}


def noted(call: Call) -> dict[str, Any]:
    """Convert a decision to JSON, with the deciding reason."""
    decider = call.shortlist.decider
    return {
        "seed": call.view.seed,
        "now": call.view.now,
        "names": list(call.shortlist.names),
        "policy": decider.policy,
        "level": int(decider.level),
        "because": decider.because,
        "deciding": call.deciding,
        "note": call.note,
    }


def tried(attempt: Attempt) -> dict[str, Any]:
    """Convert an attempt to JSON."""
    error, verdict = attempt.error, attempt.verdict
    return {
        "target": attempt.target.name,
        "started": attempt.started,
        "ended": attempt.ended,
        "latency": attempt.latency,
        "kind": error.kind.value if error is not None else None,
        "said": str(error) if error is not None else "",
        "retry_after": error.retry_after if error is not None else None,
        "billable": error.billable if error is not None else None,
        "verdict": [verdict.accepted, verdict.because, verdict.score] if verdict is not None else None,
        "raw": attempt.reply.raw if attempt.reply is not None else None,
        "cost": attempt.cost,
    }


def read(client: Client, raw: Mapping[str, Any], tier: str = BATCH) -> Reply:
    """Read the reply from the JSON of an answer, priced by `tier`.

    Raises:
        TargetError: it is not an answer.
    """
    with translated():
        reply = client.judged(dict(raw))
    return reply if reply.usage is None or not tier else replace(reply, usage=replace(reply.usage, tier=tier))


def attempt_of(call: Call, client: Client, answer: Mapping[str, Any] | TargetError, sent: float, now: float) -> Attempt:
    """Build the attempt from an answer or a failure."""
    if not isinstance(answer, TargetError):
        try:
            return answered(call, sent, now, read(client, answer), now - sent)
        except TargetError as error:
            answer = error
    return Attempt(call, sent, now, error=answer, latency=now - sent)


def settle(attempt: Attempt, context: FlowContext, ours: bool) -> None:
    """Let budgets settle and observers see an attempt.

    Parameters:
        ours: this process reserved its cost; else another one did, where it stays counted with its bound.
    """
    try:
        count(attempt)
        if ours:
            context.learn(attempt)
    finally:
        tell(context.observers.settled, attempt)


def _admitted(view: View, context: FlowContext, attempts: tuple[Attempt, ...]) -> Steps[Call | Outcome]:
    """The head of `route`, without the call."""
    refused: dict[str, Reserves] = {}
    while True:
        asked = context.timer()
        shortlist = yield from decide(view, context)
        if refused:
            shortlist = without(shortlist, refused)
        if not shortlist.targets:
            return best_rejected(shortlist, attempts)
        target = shortlist.targets[0]
        call = Call(target, view, shortlist, None, False, 0.0, context.timer() - asked, shortlist.note_for(target))
        if (refuser := context.reserve(call)) is not None:
            refused[target.name] = refuser
            continue
        if attempts:
            say_fallback(call, attempts[-1])
        tell(context.observers.decided, call)
        return call
