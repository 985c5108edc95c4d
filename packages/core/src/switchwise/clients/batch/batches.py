"""Deferred calls through the providers' batch endpoints.

with Batches(clients, "batches.sqlite") as batches:
    for row in rows:
        batches.add([{"role": "user", "content": row.text}], id=row.id, hours=24, max_tokens=200)
    batches.submit()

# hours later, in whatever process
with Batches(clients, "batches.sqlite") as batches:
    batches.poll()
    for result in batches.results():
        print(result.id, result.text or result.error)
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from switchwise.clients.anthropic import AnthropicClient
from switchwise.clients.batch.anthropic import AnthropicBatches
from switchwise.clients.batch.endpoint import BatchEndpoint
from switchwise.clients.batch.flows import asked, noted, read
from switchwise.clients.batch.ledger import BatchLedger, DeferredRequest
from switchwise.clients.batch.openai import OpenAIBatches
from switchwise.clients.batch.result import BatchResult, Progress
from switchwise.clients.batch.worker import Worker
from switchwise.clients.clients import Clients
from switchwise.clients.openai import OpenAIClient
from switchwise.clients.sdk import Client
from switchwise.clients.views import sorted_options
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError, FailureKind
from switchwise.nouns.target import BATCH
from switchwise.nouns.validation import number, one_of
from switchwise.protocols.prompt import Message


class Batches:
    """Deferred requests: the router's policies decide when a request is added; requests are sent in one batch per target and fetched by
    id.

    A target takes part if its client calls OpenAI, Anthropic, or your own server with the same protocol; budgets reserve and settle the
    batch price. A request that failed, expired or was rejected by the verifier is decided again with that attempt in view.

    Parameters:
        clients: clients whose targets and router are used.
        path: file of the requests and their answers. One process at a time may open it.
        late: what to do with a request that is not answered in time: `fail`, or `call`: call it at once, at the usual price.
        clock: seconds since the epoch.

    Raises:
        ConfigurationError: no client has a batch endpoint, the file has another format, or another process has it open.
    """

    def __init__(
        self,
        clients: Clients,
        path: str | Path,
        *,
        late: Literal["fail", "call"] = "fail",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(clients, Clients):
            raise ConfigurationError(f"Batches({clients!r:.80}): give Clients(...)")
        one_of("Batches", "late", late, ("fail", "call"))
        found = {name: endpoint_of(client) for name, client in clients.by_target.items()}
        endpoints = {name: endpoint for name, endpoint in found.items() if endpoint is not None}
        if not endpoints:
            raise ConfigurationError(
                f"Batches: none of {', '.join(found)} has a batch endpoint; OpenAI's and Anthropic's own servers have"
            )
        self._clock, self._mutex = clock, threading.RLock()
        self._ledger = BatchLedger(path)
        self._worker = Worker(clients, endpoints, self._ledger, late == "call", clock)
        self._flows = self._worker.flows
        for row in self._ledger.rows("state = 'calling'"):
            self._ledger.over(row.n, "calling", False, {"error": "the process ended while it was called", "target": row.target})

    def add(self, messages: Sequence[Message], *, id: str | None = None, hours: float = 24.0, **options: Any) -> str:  # noqa: A002
        """Add a request: choose its target and reserve its cost. `submit` sends it.

        Parameters:
            messages: the conversation, as for `Clients.complete`.
            id: id of the request; None: a new one.
            hours: hours until the answer is due. Providers take up to 24 for a batch.
            options: as for `Clients.complete`, without `deadline` and `limits`, which are for immediate calls.

        Returns:
            the id.

        Raises:
            NoTarget, BudgetExceeded: no target may be called.
            ConfigurationError: the id exists, or the request is not JSON.
        """
        return self.add_all([{"messages": messages, "id": id, "hours": hours, **options}])[0]

    def add_all(self, requests: Iterable[Mapping[str, Any]]) -> list[str]:
        """Call `add` for each item's keyword arguments; all are added, or none."""
        made: list[tuple[str, float, Call, dict[str, Any]]] = []
        with self._mutex:
            try:
                made.extend(self._decided(**request) for request in requests)
                numbers = self._ledger.add(
                    (name, due, call.target.name, request, noted(call)) for name, due, call, request in made
                )
            except BaseException:  # none of them is added
                for _, _, call, _ in made:
                    self._flows.context().release(call)
                raise
            self._worker.calls.update(zip(numbers, (call for _, _, call, _ in made), strict=True))
        return [name for name, _, _, _ in made]

    def _decided(
        self,
        messages: Sequence[Message],
        id: str | None = None,  # noqa: A002
        hours: float = 24.0,
        **options: Any,
    ) -> tuple[str, float, Call, dict[str, Any]]:
        number("Batches", "hours", hours, above=True, most=24 * 28)
        if id is not None and (not isinstance(id, str) or not id):
            raise ConfigurationError(f"id={id!r:.80}: give a word, or None to have one made")
        if strange := sorted({"deadline", "limits"} & options.keys()):
            raise ConfigurationError(f"{strange[0]}=: a request that may wait has hours= in its place")
        scope, target, prompt = sorted_options(messages, **options)
        request = asked(prompt, scope, target)
        try:
            request = json.loads(json.dumps(request))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"messages and options of a request that may wait must be JSON: {error}") from error
        view, prompt = self._flows.view(request)
        view, context = self._flows.begin(view)
        call = self._flows.admitted(view, context, prompt)
        assert isinstance(call, Call), "nothing was tried yet"
        return id or uuid.uuid4().hex, self._clock() + hours * 3_600, call, request

    def submit(self) -> Progress:
        """Send all waiting requests, in one batch per target and hour of the deadline.

        Requests that a provider refuses are decided again. `poll` finds out whether a provider has a batch whose sending broke off.
        """
        with self._mutex:
            self._worker.send()
            return self._ledger.progress()

    def poll(self) -> Progress:
        """Poll every batch: fetch the answers of ended ones, cancel late ones, send requests to be retried."""
        with self._mutex:
            self._worker.look()
            return self.submit()

    def wait(
        self, every: float = 60.0, timeout: float | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> Progress:
        """Poll until no request is open, or for `timeout` seconds.

        Parameters:
            every: seconds between polls.
        """
        until = None if timeout is None else self._clock() + timeout
        while (progress := self.poll()).open and (until is None or self._clock() < until):
            sleep(every)
        return progress

    def result(self, id: str) -> BatchResult | None:  # noqa: A002
        """Return the result of a request; None if it is still open.

        Raises:
            ConfigurationError: the id is unknown.
        """
        row = self._ledger.row(id)
        if row is None:
            raise ConfigurationError(f"there is no request of the id {id!r}")
        return self._result(row) if row.over else None

    def results(self) -> Iterator[BatchResult]:
        """Yield the finished results, in the order in which the requests were added."""
        return map(self._result, self._ledger.rows("state IN ('done', 'failed')"))

    def forget(self, ids: Iterable[str] | None = None) -> int:
        """Remove finished requests and their answers from the file; return their number.

        Parameters:
            ids: ids to remove; None: all finished ones.
        """
        return self._ledger.forget(ids)

    def cancel(self) -> Progress:
        """Cancel all open requests: waiting ones fail at once; batches are cancelled, and `poll` fetches what they finished until then."""
        with self._mutex:
            self._worker.cancel()
            return self._ledger.progress()

    @property
    def progress(self) -> Progress:
        """Return the number of requests in each state."""
        return self._ledger.progress()

    def close(self) -> None:
        """Close the file. Reservations of unsent requests are cancelled; the others stay counted with their bound."""
        with self._mutex:
            for row in () if self._ledger.closed else self._ledger.rows("state = 'waiting'"):
                self._worker.give_back(row.n)
            self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _result(self, row: DeferredRequest) -> BatchResult:
        kept = row.result or {}
        found = BatchResult(
            row.id,
            kept.get("target") or "",
            cost=kept.get("cost"),
            attempts=tuple(kept.get("attempts") or ()),
            decision=kept.get("decision") or "",
        )
        if row.state == "failed":
            kind = kept.get("kind")
            return replace(found, error=kept["error"], failure=FailureKind(kind) if kind else None)
        target = self._flows.target(found.target)
        client = self._flows.client(target.name)
        reply = read(client, kept["raw"], "" if kept.get("at_once") else BATCH)
        message = client.message_of(reply, client.asked(target))
        return replace(found, text=reply.text, message=message, raw=kept["raw"], usage=reply.usage)


def endpoint_of(client: Client) -> BatchEndpoint | None:
    """The batch endpoint of a client; None if it has none. An unknown server counts as the provider of its protocol."""
    if isinstance(client, AnthropicClient) and client.served_by == "anthropic":
        return AnthropicBatches(client)
    if isinstance(client, OpenAIClient) and client.served_by == "openai":
        return OpenAIBatches(client)
    return None
