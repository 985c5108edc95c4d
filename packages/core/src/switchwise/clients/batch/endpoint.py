"""The port to a provider's batch endpoint: send, poll, fetch, cancel, and find a batch again whose sender died."""

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
"""In place of an answer: the provider did not begin with the request, through no fault of its own."""
Answer = Mapping[str, Any] | TargetError | str
"""The JSON of an answer, a failure, or `NOT_RUN`."""


class NotSent(Exception):
    """A batch was certainly not sent; the cause is why."""


class Found(Enum):
    """Whether a batch that we may have sent is there."""

    NOT_THERE = "not there"
    UNSURE = "unsure"


class Endpoint(Protocol):
    """The batch endpoint of one client.

    `most` and `most_bytes` bound a batch: requests, and bytes of their JSON.
    """

    most: int
    most_bytes: int

    def send(self, key: str, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Send a batch; its id.

        Parameters:
            key: our name of it, by which `find` knows it again.
            requests: (custom id, body).

        Raises:
            NotSent: it failed before the batch was made. After any other error the provider may have it.
        """

    def ended(self, batch: str) -> bool:
        """Whether the provider is done with it."""

    def answers(self, batch: str, ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """What came of each request of a batch that has ended, by custom id.

        Parameters:
            ids: the custom ids of all its requests, in the order in which they were sent.
        """

    def cancel(self, batch: str) -> None:
        """Ask the provider to stop; what is done is kept. Harmless where it has ended."""

    def find(self, key: str, total: int, since: float, known: Collection[str]) -> str | Found:
        """The id of the batch that was sent with `key`.

        Parameters:
            total: its requests.
            since: when we were about to send it, in seconds since the epoch.
            known: ids of batches that are others of ours.
        """


def body_of(client: Client, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request, as JSON: what the SDK would send, without what is for the SDK alone."""
    arguments = client.arguments(client.sync, call, params, False)
    extra = arguments.pop("extra_body", None) or {}
    for name in ("timeout", "extra_headers", "extra_query", "stream"):
        arguments.pop(name, None)
    body: dict[str, Any] = json.loads(json.dumps({**arguments, **extra}))
    return body


def failed(error: Mapping[str, Any] | None, status: int | None = None) -> TargetError:
    """The failure behind an error of a request."""
    body = error or {}
    inner = body.get("error", body)
    kind, retry_after = classify(status, body)
    message = inner.get("message") if isinstance(inner, Mapping) else None
    return TargetError(kind, str(message or kind.value), retry_after, billable=False)


def expired(what: str) -> TargetError:
    """The batch ended before the request was begun: it costs nothing."""
    return TargetError(FailureKind.TIMEOUT, what, billable=False)
