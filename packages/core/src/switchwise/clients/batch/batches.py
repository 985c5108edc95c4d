"""Calls that may wait, by the providers' batch endpoints.

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
from switchwise.clients.batch.endpoint import Endpoint
from switchwise.clients.batch.flows import asked, noted, read
from switchwise.clients.batch.ledger import Ledger, Row
from switchwise.clients.batch.openai import OpenAIBatches
from switchwise.clients.batch.result import BatchResult, Progress
from switchwise.clients.batch.worker import Worker
from switchwise.clients.clients import Clients, sorted_options
from switchwise.clients.openai import OpenAIClient
from switchwise.clients.sdk import Client
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError, FailureKind
from switchwise.nouns.target import BATCH
from switchwise.nouns.validation import number, one_of
from switchwise.protocols.prompt import Message


class Batches:
    """Requests that may wait: decided by the router's policies when they are added, sent in one batch per target, fetched by id.

    A target takes part if its client speaks to OpenAI or Anthropic, or to a server of yours that speaks like them; budgets set aside and settle the price of a batch. A request
    that failed, expired or was rejected by the verifier is decided again, knowing that, and sent to whom the policies say then.

    Parameters:
        clients: whose targets and router are used.
        path: the file that the requests and their answers are kept in. One process at a time has it open.
        late: what becomes of a request that is not answered within its hours: `fail`, or `call`: it is called at once, at the usual price.
        clock: seconds since the epoch.

    Raises:
        ConfigurationError: no client has a batch endpoint, the file is something else, or another process has it open.
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
        self._ledger = Ledger(path)
        self._worker = Worker(clients, endpoints, self._ledger, late == "call", clock)
        self._flows = self._worker.flows
        for row in self._ledger.rows("state = 'calling'"):
            self._ledger.over(row.n, "calling", False, {"error": "the process ended while it was called", "target": row.target})

    def add(self, messages: Sequence[Message], *, id: str | None = None, hours: float = 24.0, **options: Any) -> str:  # noqa: A002
        """Take a request on: whom it goes to is decided, and what it may cost set aside. It is sent with `submit`.

        Parameters:
            messages: the conversation, as for `Clients.complete`.
            id: by which its answer is fetched; None: one is made.
            hours: from now on until it is to be answered. Providers take up to 24 for a batch.
            options: as for `Clients.complete`, but for `deadline` and `limits`, which are about calls that somebody waits for.

        Returns:
            its id.

        Raises:
            NoTarget, BudgetExceeded: nothing may be called.
            ConfigurationError: the id is taken, or the request cannot be written down as JSON.
        """
        return self.add_all([{"messages": messages, "id": id, "hours": hours, **options}])[0]

    def add_all(self, requests: Iterable[Mapping[str, Any]]) -> list[str]:
        """As `add` for each, given as its keyword arguments: all of them, or none."""
        made: list[tuple[str, float, Call, dict[str, Any]]] = []
        with self._mutex:
            try:
                made.extend(self._decided(**request) for request in requests)
                numbers = self._ledger.add(
                    (name, due, call.target.name, request, noted(call)) for name, due, call, request in made
                )
            except BaseException:  # none of them is taken on
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
        """Send all that waits, in one batch per target and hour of the deadline.

        What a provider refuses is decided again, and sent to whom the policies say then. Whether one has a batch whose sending broke off is found out
        with `poll`.
        """
        with self._mutex:
            self._worker.send()
            return self._ledger.progress()

    def poll(self) -> Progress:
        """Look at every batch; take in the answers of those that have ended, cancel those that are late, send what is to be tried again."""
        with self._mutex:
            self._worker.look()
            return self.submit()

    def wait(
        self, every: float = 60.0, timeout: float | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> Progress:
        """Poll until nothing is open, or for `timeout` seconds.

        Parameters:
            every: seconds between two looks.
        """
        until = None if timeout is None else self._clock() + timeout
        while (progress := self.poll()).open and (until is None or self._clock() < until):
            sleep(every)
        return progress

    def result(self, id: str) -> BatchResult | None:  # noqa: A002
        """The answer to a request, or why there is none; None: neither is known yet.

        Raises:
            ConfigurationError: there is no such request.
        """
        row = self._ledger.row(id)
        if row is None:
            raise ConfigurationError(f"there is no request of the id {id!r}")
        return self._result(row) if row.over else None

    def results(self) -> Iterator[BatchResult]:
        """All that is known so far, in the order in which the requests were added."""
        return map(self._result, self._ledger.rows("state IN ('done', 'failed')"))

    def forget(self, ids: Iterable[str] | None = None) -> int:
        """Remove requests that are over from the file, with their answers; how many.

        Parameters:
            ids: which; None: all that are over.
        """
        return self._ledger.forget(ids)

    def cancel(self) -> Progress:
        """Give up all that is open: what waits has failed at once; batches are cancelled, and what they have done until then is taken in with `poll`."""
        with self._mutex:
            self._worker.cancel()
            return self._ledger.progress()

    @property
    def progress(self) -> Progress:
        """How many requests are where."""
        return self._ledger.progress()

    def close(self) -> None:
        """Let go of the file. What was set aside for requests that are not sent yet is given back; the rest stays counted with its bound."""
        with self._mutex:
            for row in () if self._ledger.closed else self._ledger.rows("state = 'waiting'"):
                self._worker.give_back(row.n)
            self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _result(self, row: Row) -> BatchResult:
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
        message = client.message_of(kept["raw"], client.asked(target))
        return replace(found, text=reply.text, message=message, raw=kept["raw"], usage=reply.usage)


def endpoint_of(client: Client) -> Endpoint | None:
    """The batch endpoint behind a client; None: it has none. A server that nobody knows counts as the provider whose protocol it speaks."""
    if isinstance(client, AnthropicClient) and client.served_by == "anthropic":
        return AnthropicBatches(client)
    if isinstance(client, OpenAIClient) and client.served_by == "openai":
        return OpenAIBatches(client)
    return None
