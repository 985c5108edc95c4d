"""Anthropic's Message Batches: requests in one body in, results as JSONL out.

| request | |
|---|---|
| POST /v1/messages/batches (`requests`: `custom_id`, `params`) | the batch, `in_progress` |
| GET /v1/messages/batches, /v1/messages/batches/{id} | |
| GET /v1/messages/batches/{id}/results | one line a request: succeeded, errored, expired or canceled |
| POST /v1/messages/batches/{id}/cancel; DELETE /v1/messages/batches/{id} | |

Rules:
1. Ids are checked when the batch is created, parameters when a request is processed: invalid ones are the error of that request.
2. `request_counts` are zero, except for `processing`, until the batch has ended.
3. The usage of a message has the tier `batch`.

Source: the types of anthropic 2.10 and the documentation of Message Batches, as of 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..nouns.errors import Reject, invalid, json_object
from ..serving.jobs import WINDOW, Asked, Item, Job, Jobs, Made, json_response, lines
from ..serving.transport import Response

MOST = 100_000
"""Requests in a batch."""
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATH = "/v1/messages/batches"


class MessageBatches:
    """The endpoints of message batches.

    Parameters:
        clock, make, seconds, seed: as for `Jobs`.
    """

    provider = "anthropic"

    def __init__(
        self, clock: Callable[[], float], make: Callable[[str, str, Item], Made], seconds: Mapping[str, float], seed: int
    ) -> None:
        self.jobs = Jobs(clock, make, seconds, seed)

    def clear(self) -> None:
        """Remove all batches."""
        self.jobs.clear()

    def api(self, path: str) -> str | None:
        """Return `batches`, or None for another path."""
        return "batches" if path == _PATH or path.startswith(f"{_PATH}/") else None

    def respond(self, asked: Asked) -> Response:
        """One request."""
        parts = asked.path.removeprefix(_PATH).strip("/").split("/") if asked.path != _PATH else []
        match (asked.method, *parts):
            case ("POST",):
                return json_response(self._created(asked))
            case ("GET",):
                page, more = self.jobs.page(asked.key, asked.query, "after_id")
                data = [self._batch(job, asked.base) for job in page]
                ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
                return json_response({"data": data, "has_more": more, **ends})
            case ("GET", name):
                return json_response(self._batch(self._job(asked.key, name), asked.base))
            case ("GET", name, "results"):
                job = self._job(asked.key, name)
                if job.ended(self.jobs.clock()) is None:
                    raise Reject(404, f"Message Batch {name} has no available results.")
                found = [{"custom_id": item.custom_id, "result": _result(item, job)} for item in job.items]
                return Response(200, {"content-type": "application/x-jsonl"}, lines(found))
            case ("POST", name, "cancel"):
                job = self._job(asked.key, name)
                if not self.jobs.cancel(job):
                    raise invalid(f"Message Batch {name} has already ended.")
                return json_response(
                    {**self._batch(job, asked.base), "processing_status": "canceling", "ended_at": None, "results_url": None}
                )
            case ("DELETE", name):
                job = self._job(asked.key, name)
                if job.ended(self.jobs.clock()) is None:
                    raise invalid(f"Message Batch {name} is still in progress: cancel it before you delete it.")
                self.jobs.drop(job)
                return json_response({"id": name, "type": "message_batch_deleted"})
        raise Reject(404, "Not found")

    def _created(self, asked: Asked) -> dict[str, Any]:
        wanted = json_object(asked.body).get("requests")
        if not isinstance(wanted, list):
            raise invalid("requests: Field required" if wanted is None else "requests: Input should be a valid list")
        if not 1 <= len(wanted) <= MOST:
            raise invalid(f"requests: List should have at least 1 item and at most {MOST} items")
        items: list[Item] = []
        seen: set[str] = set()
        for i, each in enumerate(wanted):
            name = each.get("custom_id") if isinstance(each, dict) else None
            params = each.get("params") if isinstance(each, dict) else None
            if not isinstance(name, str) or not isinstance(params, dict):
                raise invalid(f"requests.{i}.{'params' if isinstance(name, str) else 'custom_id'}: Field required")
            if not _ID.fullmatch(name):
                raise invalid(f"requests.{i}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
            if name in seen:
                raise invalid(f"requests: custom_id must be unique: {name}")
            if params.get("stream"):
                raise invalid(f"requests.{i}.params.stream: Streaming is not supported in message batches")
            seen.add(name)
            items.append(Item(name, "/v1/messages", params))
        return self._batch(self.jobs.add("msgbatch_", asked.key, items), asked.base, new=True)

    def _job(self, key: str, name: str) -> Job:
        return self.jobs.get(key, name, f"Message Batch {name} not found.")

    def _batch(self, job: Job, base: str, new: bool = False) -> dict[str, Any]:
        ended = None if new else job.ended(self.jobs.clock())
        counts = {"processing": len(job.items), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        if ended is not None:
            counts["processing"] = 0
            for item in job.items:
                counts[_result(item, job)["type"]] += 1
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "in_progress" if ended is None else "ended",
            "request_counts": counts,
            "created_at": job.rfc3339(job.begun),
            "expires_at": job.rfc3339(job.begun + WINDOW),
            "ended_at": None if ended is None else job.rfc3339(ended),
            "cancel_initiated_at": None if job.cancelled is None else job.rfc3339(job.cancelled),
            "archived_at": None,
            "results_url": None if ended is None else f"{base}{_PATH}/{job.id}/results",
        }


def _result(item: Item, job: Job) -> dict[str, Any]:
    if item.made is None:
        return {"type": "expired" if job.cancelled is None else "canceled"}
    if item.made.status != 200:
        return {"type": "errored", "error": item.made.body}
    message = item.made.body
    return {"type": "succeeded", "message": {**message, "usage": {**message["usage"], "service_tier": "batch"}}}
