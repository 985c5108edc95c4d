"""The worker of `Batches`: sends waiting requests, polls batches, and settles each result."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from switchwise.clients.batch.endpoint import NOT_RUN, Answer, BatchEndpoint, BatchLookup, NotSent, body_of
from switchwise.clients.batch.flows import Flows, attempt_of, noted, settle, tried
from switchwise.clients.batch.ledger import BatchLedger, DeferredRequest, Sent
from switchwise.clients.clients import Clients
from switchwise.engine.calls import FlowContext
from switchwise.failures import target_error, translated
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import ConfigurationError, FailureKind, SwitchwiseError, TargetError
from switchwise.nouns.view import View
from switchwise.observe.observer import Finished, tell
from switchwise.protocols.prompt import Prompt

_log = logging.getLogger("switchwise.batch")
_LATE, _CANCELLED = "not answered within its hours", "its batch was cancelled"
_SHOWS = 300.0
"""Seconds after which a batch whose sending broke off would be in the provider's list."""


class Worker:
    """Send, poll and settle. Not thread-safe: `Batches` serialises calls.

    Parameters:
        clients: clients whose targets and router are used.
        endpoints: batch endpoints by target name.
        ledger: the file of requests.
        call_late: call late requests at once; False: they fail.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        clients: Clients,
        endpoints: Mapping[str, BatchEndpoint],
        ledger: BatchLedger,
        call_late: bool,
        clock: Callable[[], float],
    ) -> None:
        self._clients, self._endpoints, self._ledger = clients, endpoints, ledger
        self._call_late, self._clock = call_late, clock
        self.flows = Flows(clients, frozenset(endpoints))
        self.calls: dict[int, Call] = {}  # by number: requests whose cost this process has reserved

    def send(self) -> None:
        """Send all waiting requests; refused ones are decided again."""
        while groups := self._waiting():
            for target, due, rows in groups:
                self._send(target, due, rows)

    def look(self) -> None:
        """Poll every batch."""
        for batch in self._ledger.batches():
            try:
                self._look(batch)
            except TargetError as error:
                _log.warning("the batch %s at %s could not be looked at: %s", batch.id or batch.key, batch.target, error)

    def cancel(self) -> None:
        """Cancel waiting requests, and ask the providers to stop sent ones."""
        for row in self._ledger.rows("state = 'waiting'"):
            self.give_back(row.n)
            self._fail(row, "waiting", "it was cancelled before it was sent")
        for batch in self._ledger.batches():
            if batch.id is not None:
                self._cancel(batch)
            else:  # `look` cancels it once the provider says that it has it
                self._ledger.batch_cancelled(batch.key)

    def give_back(self, n: int) -> None:
        """Cancel the reservation of an unsent request."""
        if (call := self.calls.pop(n, None)) is not None:
            self.flows.context().release(call)

    # -- sending -------------------------------------------------------------------------------------------------------

    def _waiting(self) -> list[tuple[str, float, list[DeferredRequest]]]:
        """Requests to send now, by target and hour of the deadline; decide undecided ones, fail late ones."""
        now, ready = self._clock(), []
        for row in [*self._ledger.rows("state = 'waiting' AND after <= ?", now)]:
            if now >= row.due:
                self.give_back(row.n)
                self._too_late(row, "waiting", row.tried)
            elif (call := self.calls.get(row.n) or self._decide(row)) is not None:
                ready.append((call.target.name, row.due // 3_600, row))
        ready.sort(key=lambda each: (*each[:2], each[2].n))
        return [
            (target, max(row.due for _, _, row in rows), [row for _, _, row in rows])
            for (target, _), group in groupby(ready, key=lambda each: each[:2])
            if (rows := [*group])
        ]

    def _decide(self, row: DeferredRequest) -> Call | None:
        """Decide a waiting request; None if no target may be called now (a pause) or at all (its result)."""
        view, prompt = self.flows.view(row.asked)
        view, context = self.flows.begin(view)
        attempts = self.flows.attempts(view, row.tried)
        view = view.after(tuple(attempt.tried for attempt in attempts), view.now)
        try:
            found = self.flows.admitted(view, context, prompt, attempts)
        except (SwitchwiseError, TargetError) as error:
            self._fail(row, "waiting", str(error), view, context, error)
            return None
        except Exception as error:  # the provider refuses the request itself: an error of the caller
            if not attempts:
                raise
            self._fail(row, "waiting", str(error), view, context, error)
            return None
        if isinstance(found, Outcome):
            self._done(row, "waiting", found, context)
            return None
        wait = context.recovery.delay(found.target, view) if attempts else 0.0
        self._ledger.decided(row.n, found.target.name, noted(found), self._clock() + wait)
        self.calls[row.n] = found
        return None if wait else found

    def _send(self, target: str, due: float, rows: list[DeferredRequest]) -> None:
        endpoint, client, bodies = self._endpoints[target], self._clients.by_target[target], []
        for row in rows:
            call = self.calls[row.n]
            try:
                bodies.append((row, body_of(client, call, client.render(_noted(row, call), call.target))))
            except TargetError as error:  # this API cannot express it
                self._take(row, "waiting", error, self._clock())
        for part in _parts(bodies, endpoint.most, endpoint.most_bytes):
            key, now = uuid.uuid4().hex[:12], self._clock()
            self._ledger.sending(key, target, [row.n for row, _ in part], now, due)
            context = self.flows.context()
            for row, _ in part:
                tell(context.observers.started, self.calls[row.n])
            try:
                self._ledger.sent(key, endpoint.send(key, [(f"{key}-{row.n}", body) for row, body in part]))
            except NotSent as error:
                self._refused(key, error.__cause__ or error, certain=True)
            except Exception as error:  # noqa: BLE001  (raised again where it is no failure of the provider)
                self._refused(key, error, certain=False)

    def _refused(self, key: str, error: BaseException, certain: bool) -> None:
        """Handle a batch that was not sent. If the provider may still have it, `look` finds out."""
        failure = target_error(error)
        if failure is None:
            raise error
        if certain or not (failure.may_be_billed or failure.kind is FailureKind.SERVER_ERROR):
            batch = next(each for each in self._ledger.batches() if each.key == key)
            self._all_failed(batch, TargetError(failure.kind, str(failure), failure.retry_after, billable=False))

    # -- looking -------------------------------------------------------------------------------------------------------

    def _look(self, batch: Sent) -> None:
        endpoint = self._endpoint(batch)
        now = self._clock()
        found = batch.id or self._found(batch)
        if found is None:
            if now < batch.since + _SHOWS:
                return
            self._all_failed(batch, TargetError(FailureKind.CONNECTION, "the batch never reached the provider", billable=False))
            return
        if isinstance(found, BatchLookup):
            return
        with translated():
            ended = endpoint.ended(found)
        if not ended:
            if (now >= batch.due and not batch.cancelled) or (batch.cancelled and batch.id is None):
                self._cancel(batch._replace(id=found))
            return
        numbers = {f"{batch.key}-{n}": n for n in self._numbers(batch)}
        with translated():
            for name, answer in endpoint.answers(found, [*numbers]):
                self._take_sent(batch, numbers.get(name), answer)
        self._ledger.batch_over(batch.key)

    def _numbers(self, batch: Sent) -> list[int]:
        """The numbers of the requests of a batch, in the order in which they were sent."""
        return [row.n for row in self._ledger.rows("batch = ?", batch.key)]

    def _found(self, batch: Sent) -> str | BatchLookup | None:
        """The id of a batch whose sending is uncertain; None if the provider does not have it."""
        with translated():
            found = self._endpoint(batch).find(batch.key, batch.total, batch.since, self._ledger.known(batch.key))
        if isinstance(found, str):
            self._ledger.sent(batch.key, found)
        return None if found is BatchLookup.NOT_THERE else found

    def _endpoint(self, batch: Sent) -> BatchEndpoint:
        self.flows.target(batch.target)
        if batch.target not in self._endpoints:
            raise ConfigurationError(
                f"a batch was sent to {batch.target!r}, whose client has no batch endpoint: give the client that sent it"
            )
        return self._endpoints[batch.target]

    def _cancel(self, batch: Sent) -> None:
        assert batch.id is not None, "checked by the caller"
        with translated():
            self._endpoint(batch).cancel(batch.id)
        self._ledger.batch_cancelled(batch.key)

    def _all_failed(self, batch: Sent, error: TargetError) -> None:
        for n in self._numbers(batch):
            self._take_sent(batch, n, error)
        self._ledger.batch_over(batch.key)

    # -- results of a request ---------------------------------------------------------------------------------------

    def _take_sent(self, batch: Sent, n: int | None, answer: Answer) -> None:
        """Process the result of a request, unless that is done: by a process that died meanwhile, or an observer that polls."""
        row = next(self._ledger.rows("n = ? AND batch = ? AND state = 'sent'", n, batch.key), None)
        if row is not None:
            self._take(row, "sent", answer, batch.since)

    def _take(self, row: DeferredRequest, state: str, answer: Answer, sent: float) -> None:
        """Process the result of a request: its answer, a failure, or that it was not run."""
        now = self._clock()
        if isinstance(answer, str):
            assert answer == NOT_RUN, "the only word for it"
            self.give_back(row.n)
            if self._was_cancelled(row, now):
                self._fail(row, state, _CANCELLED)
            else:
                self._ledger.again(row.n, state, row.tried)
            return
        call = self.calls.get(row.n)
        view, prompt = self.flows.view(row.asked)
        ours = call is not None
        if call is None:
            assert row.decision is not None, "what was sent was decided"
            call = self.flows.call(view, row.decision)
        context = self.flows.context()
        attempt = attempt_of(call, self.flows.client(call.target.name), answer, sent, now)
        attempt = self.flows.judged(attempt, context, prompt)
        if attempt.accepted:
            self._done(row, state, Outcome(attempt, (*self.flows.attempts(call.view, row.tried), attempt)), context, ours=ours)
            return
        history = [*row.tried, tried(attempt)]
        if self._was_cancelled(row, now):
            moved = self._fail(row._replace(tried=history), state, _CANCELLED, call.view, context)
        elif now >= row.due and attempt.error is not None:
            moved = self._too_late(row, state, history)
        else:
            moved = self._ledger.again(row.n, state, history)
        if moved:
            self.calls.pop(row.n, None)
            settle(attempt, context, ours)

    def _was_cancelled(self, row: DeferredRequest, now: float) -> bool:
        """Whether the caller cancelled it: batches that are late are cancelled too, which is no end of their requests."""
        return now < row.due and any(batch.key == row.batch and batch.cancelled for batch in self._ledger.batches())

    def _done(
        self, row: DeferredRequest, state: str, outcome: Outcome, context: FlowContext, *, ours: bool | None = None
    ) -> None:
        """Store an answer, then settle it.

        Parameters:
            ours: whether this process reserved the last attempt; None: it is settled already.
        """
        result = {
            "raw": outcome.reply.raw,
            "target": outcome.target.name,
            "cost": outcome.cost,
            "decision": outcome.decision,
            "attempts": _noted_attempts(outcome.attempts),
        }
        if not self._ledger.over(row.n, state, True, result):
            return
        self.calls.pop(row.n, None)
        if ours is not None:
            settle(outcome.attempt, context, ours)
        first = outcome.attempts[0]
        tell(context.observers.finished, Finished(outcome.attempt.call.view, outcome.attempt.ended - first.started, outcome))

    def _fail(
        self,
        row: DeferredRequest,
        state: str,
        because: str,
        view: View | None = None,
        context: FlowContext | None = None,
        error: BaseException | None = None,
    ) -> bool:
        last = row.tried[-1] if row.tried else {}
        costs = [each["cost"] for each in row.tried if each["kind"] is None]
        result = {
            "error": because,
            "kind": last.get("kind"),
            "target": last.get("target", row.target),
            "cost": None if None in costs else sum(costs),
            "decision": view.decision if view is not None else "",
            "attempts": [_named(each) for each in row.tried],
        }
        moved = self._ledger.over(row.n, state, False, result)
        if moved and context is not None and view is not None:
            tell(context.observers.finished, Finished(view, 0.0, error=error or TimeoutError(because)))
        return moved

    def _too_late(self, row: DeferredRequest, state: str, history: Sequence[Mapping[str, Any]]) -> bool:
        """Handle a request that is not answered in time."""
        if not self._call_late:
            return self._fail(row._replace(tried=history), state, _LATE)
        if not self._ledger.calling(row.n, state, history):
            return False
        options = dict(row.asked["prompt"])
        where = {**row.asked["scope"], **({"target": row.asked["target"]} if row.asked["target"] else {})}
        try:
            completion = self._clients.complete(options.pop("messages"), **options, **where)
        except Exception as error:  # noqa: BLE001  (whatever it was, it is the result of this request, not of the others)
            self._fail(row._replace(tried=history), "calling", f"{_LATE}, and then: {error}")
            return True
        outcome = completion.outcome
        result = {
            "raw": outcome.reply.raw,
            "target": outcome.target.name,
            "cost": outcome.cost,
            "decision": outcome.decision,
            "attempts": [*map(_named, history), *_noted_attempts(outcome.attempts)],
            "at_once": True,
        }
        self._ledger.over(row.n, "calling", True, result)
        return True


def _noted(row: DeferredRequest, call: Call) -> Prompt:
    """The prompt, with the note that a policy sends after it."""
    words = dict(row.asked["prompt"])
    if call.note:
        words["messages"] = [*words["messages"], {"role": "user", "content": call.note}]
    return Prompt(**words)


def _parts(
    bodies: list[tuple[DeferredRequest, dict[str, Any]]], most: int, most_bytes: int
) -> Iterator[list[tuple[DeferredRequest, dict[str, Any]]]]:
    """Split requests into batches of accepted size."""
    part: list[tuple[DeferredRequest, dict[str, Any]]] = []
    size = 0
    for row, body in bodies:
        length = len(json.dumps(body)) + 200
        if part and (len(part) >= most or size + length > most_bytes):
            yield part
            part, size = [], 0
        part.append((row, body))
        size += length
    if part:
        yield part


def _noted_attempts(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    return [_named(tried(attempt)) for attempt in attempts]


def _named(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """Build the attempt from a result."""
    verdict = attempt["verdict"]
    result = attempt["kind"] or ("rejected" if verdict is not None and not verdict[0] else "accepted")
    return {"target": attempt["target"], "result": result, "cost": attempt["cost"]}
