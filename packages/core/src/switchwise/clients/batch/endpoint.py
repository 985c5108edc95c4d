"""Interface of a provider's batch endpoint: send, poll, fetch, cancel, and find a batch whose sender died."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from switchwise.clients.sdk import Client
from switchwise.failures import classify
from switchwise.nouns.call import Call
from switchwise.nouns.errors import FailureKind, TargetError

NOT_RUN = "not run"
"""In place of an answer: the provider did not start the request, which is not a failure."""
Answer = Mapping[str, Any] | TargetError | str
"""The JSON of an answer, a failure, or `NOT_RUN`."""


class NotSent(Exception):
    """Raised if a batch was certainly not sent; `__cause__` has the reason."""


class BatchLookup(Enum):
    """Whether the provider has a batch whose sending is uncertain."""

    NOT_THERE = "not there"
    UNSURE = "unsure"


class BatchEndpoint(Protocol):
    """The batch endpoint of one client.

    `most` and `most_bytes` bound a batch: requests, and bytes of their JSON.
    """

    most: int
    most_bytes: int

    def send(self, key: str, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Send a batch and return its id.

        Parameters:
            key: our name of the batch, for `find`.
            requests: (custom id, body).

        Raises:
            NotSent: it failed before the batch was created. After any other error the provider may have it.
        """

    def ended(self, batch: str) -> bool:
        """Return whether the batch has ended."""

    def answers(self, batch: str, ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """Return the result of each request of an ended batch, by custom id.

        Parameters:
            ids: the custom ids of all its requests, in the order in which they were sent.
        """

    def cancel(self, batch: str) -> None:
        """Ask the provider to stop; finished requests are kept. No effect on an ended batch."""

    def find(self, key: str, total: int, since: float, known: Collection[str]) -> str | BatchLookup:
        """Find the id of the batch sent with `key`.

        Parameters:
            total: number of its requests.
            since: time just before sending, in seconds since the epoch.
            known: ids of our other batches.
        """


def body_of(client: Client, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of a request, as the SDK would send it."""
    arguments = client.arguments(client.method, call, params, False)
    extra = arguments.pop("extra_body", None) or {}
    for name in ("timeout", "extra_headers", "extra_query", "stream"):
        arguments.pop(name, None)
    body: dict[str, Any] = json.loads(json.dumps({**arguments, **extra}))
    return body


def failed(error: Mapping[str, Any] | None, status: int | None = None) -> TargetError:
    """Convert an error of a request to a failure."""
    body = error or {}
    inner = body.get("error", body)
    kind, retry_after = classify(status, body)
    message = inner.get("message") if isinstance(inner, Mapping) else None
    return TargetError(kind, str(message or kind.value), retry_after, billable=False)


def expired(what: str) -> TargetError:
    """The failure of a request whose batch ended before it started: no cost."""
    return TargetError(FailureKind.TIMEOUT, what, billable=False)
