"""Batches of requests and their progress over time. Their representation is in each protocol.

Rules:
1. A batch ends when all its requests are done, when it is cancelled, or `WINDOW` seconds after its creation, whichever is first.
2. Of n requests the i-th is done after i/n of the batch's time, on the provider's clock: an early end leaves the later ones without an answer.
3. There is no background work: requests that are due are processed at the next access.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..nouns.errors import Reject, invalid
from .transport import Response

WINDOW = 86_400.0
"""Seconds that a batch may take."""


class Asked(NamedTuple):
    """A request to the endpoints of batches.

    Parameters:
        method, path: of HTTP; the path without its query.
        query: first values by name.
        headers: names in lower case.
        body: as received.
        key: the API key.
        base: the address of this server, for links.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    key: str
    base: str


class Made(NamedTuple):
    """Result of one request of a batch: status, body and id."""

    status: int
    body: dict[str, Any]
    id: str


@dataclass
class Item:
    """One request of a batch; `made` is None until it is done."""

    custom_id: str
    path: str
    body: Mapping[str, Any]
    made: Made | None = None


@dataclass
class Job:
    """One batch.

    Parameters:
        id: of the batch.
        key: the API key that it belongs to.
        begun: on the provider's clock; `created` is the same time in seconds since the epoch.
        seconds: duration of the whole batch.
        items: its requests.
        cancelled: time of cancellation on the provider's clock.
        details: data of its protocol.
    """

    id: str
    key: str
    begun: float
    seconds: float
    items: list[Item]
    cancelled: float | None = None
    created: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def stop(self) -> float:
        """The latest moment at which a request of it is made."""
        return self.begun + WINDOW if self.cancelled is None else min(self.cancelled, self.begun + WINDOW)

    def ended(self, now: float) -> float | None:
        """When it ended; None: it goes on."""
        if all(item.made is not None for item in self.items):
            return min(self.begun + self.seconds, self.stop)
        return self.stop if now >= self.stop else None

    def epoch(self, moment: float) -> int:
        """A moment of the provider's clock in seconds since the epoch."""
        return int(self.created + moment - self.begun)

    def rfc3339(self, moment: float) -> str:
        """The same as text."""
        return datetime.fromtimestamp(self.created + moment - self.begun, UTC).isoformat().replace("+00:00", "Z")


class Jobs:
    """The batches of one protocol. Thread-safe.

    Parameters:
        clock: seconds.
        make: answers one request of a batch: (batch, key, request) -> its result.
        seconds: duration of a batch by model; `"*"` for all others; default 0.
        seed: varies the ids.
    """

    def __init__(
        self, clock: Callable[[], float], make: Callable[[str, str, Item], Made], seconds: Mapping[str, float], seed: int
    ) -> None:
        self.clock, self._make, self._seconds, self._seed = clock, make, seconds, seed
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._number = 0
        self._epoch = time.time() - clock()

    def clear(self) -> None:
        """Remove all batches."""
        with self._lock:
            self._jobs.clear()

    def id(self, prefix: str) -> str:
        """A new id in the provider's style."""
        with self._lock:
            self._number += 1
            digest = hashlib.sha256(f"{self._seed}:{prefix}:{self._number}".encode()).hexdigest()
        return f"{prefix}{digest[:24]}"

    def add(self, prefix: str, key: str, items: list[Item]) -> Job:
        """Add a batch."""
        model = str(items[0].body.get("model")) if items else ""
        begun, seconds = self.clock(), self._seconds.get(model, self._seconds.get("*", 0.0))
        job = Job(self.id(prefix), key, begun, seconds, items, created=self._epoch + begun)
        with self._lock:
            self._jobs[job.id] = job
        return job

    def get(self, key: str, name: str, missing: str) -> Job:
        """Return a batch in its present state. Raises a 404 `Reject` if this key has none with that id."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None or job.key != key:
                raise Reject(404, missing)
            self.advance(job)
            return job

    def drop(self, job: Job) -> None:
        """Remove a batch."""
        with self._lock:
            self._jobs.pop(job.id, None)

    def cancel(self, job: Job) -> bool:
        """Cancel a batch; return False if it has ended."""
        with self._lock:
            now = self.clock()
            if job.ended(now) is not None:
                return False
            job.cancelled = now
            return True

    def page(self, key: str, query: Mapping[str, str], after: str) -> tuple[list[Job], bool]:
        """The batches of a key, the newest first, and whether there are more.

        Parameters:
            after: name of the parameter with the id after which the page begins.

        Raises:
            Reject: 400, if `limit` is not a positive number.
        """
        limit = query.get("limit", "20")
        if not limit.isdecimal() or not int(limit):
            raise invalid(f"limit: Input should be a valid integer, greater than or equal to 1, but got {limit!r}", "limit")
        with self._lock:
            known = [job for job in reversed(self._jobs.values()) if job.key == key]
            for job in known:
                self.advance(job)
        since = next((i + 1 for i, job in enumerate(known) if job.id == query.get(after)), 0)
        until = since + int(limit)
        return known[since:until], len(known) > until

    def advance(self, job: Job) -> None:
        """Process the requests that are due."""
        with self._lock:
            now, total = self.clock(), len(job.items)
            for place, item in enumerate(job.items, 1):
                due = job.begun + job.seconds * place / total
                if item.made is None and due <= min(now, job.stop):
                    item.made = self._make(job.id, job.key, item)


def lines(values: Sequence[Mapping[str, Any]]) -> bytes:
    """Values as JSONL."""
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def json_response(value: Mapping[str, Any]) -> Response:
    """A JSON answer."""
    return Response(200, {"content-type": "application/json"}, json.dumps(value, ensure_ascii=False).encode())
