"""OpenAI's Files and Batches, also of compatible servers: a file of requests, then files of answers and of errors.

Source: the types of openai 2.54 and the documentation of the Batch API, as of 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from switchwise.clients.batch.endpoint import NOT_RUN, Answer, BatchLookup, NotSent, expired, failed
from switchwise.clients.sdk import Client

_PATH = "/v1/chat/completions"
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_ENDED_FIRST = frozenset({"batch_expired", "batch_cancelled"})
_MARK = "switchwise"


class OpenAIBatches:
    """The batch endpoint behind an `OpenAIClient`; see `BatchEndpoint`."""

    most = 50_000
    most_bytes = 190_000_000

    def __init__(self, client: Client) -> None:
        self._client = client

    def send(self, key: str, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """The batch's metadata has our key."""
        rows = [{"custom_id": name, "method": "POST", "url": _PATH, "body": body} for name, body in requests]
        content = "\n".join(json.dumps(row) for row in rows).encode()
        sdk = self._client.sync
        try:
            file = sdk.files.create(file=(f"{key}.jsonl", content), purpose="batch")
        except Exception as error:  # raised again as its meaning
            raise NotSent from error
        made = sdk.batches.create(input_file_id=file.id, endpoint=_PATH, completion_window="24h", metadata={_MARK: key})
        return str(made.id)

    def ended(self, batch: str) -> bool:
        """As `BatchEndpoint.ended`."""
        return self._client.sync.batches.retrieve(batch).status in _OVER

    def answers(self, batch: str, ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """If the whole file was refused, only the faulty requests failed: the others were not run."""
        state = self._client.sync.batches.retrieve(batch)
        if state.status == "failed":
            yield from _refused([error.to_dict() for error in (state.errors.data if state.errors else None) or ()], ids)
            return
        left = dict.fromkeys(ids)
        for file in (state.output_file_id, state.error_file_id):
            for row in self._rows(file):
                name = str(row.get("custom_id"))
                left.pop(name, None)
                yield name, _answer(row)
        for name in left:  # neither file has it
            yield name, expired(f"the batch ended ({state.status}) before this request was answered")

    def cancel(self, batch: str) -> None:
        """As `BatchEndpoint.cancel`."""
        if not self.ended(batch):
            self._client.sync.batches.cancel(batch)

    def find(self, key: str, total: int, since: float, known: Collection[str]) -> str | BatchLookup:  # noqa: ARG002
        """Find the batch by its metadata."""
        for batch in self._client.sync.batches.list(limit=100):
            if (batch.metadata or {}).get(_MARK) == key:
                return str(batch.id)
            if batch.created_at < since - 3_600:
                break
        return BatchLookup.NOT_THERE

    def _rows(self, file: str | None) -> Iterator[dict[str, Any]]:
        if file is None:
            return
        for line in self._client.sync.files.content(file).content.split(b"\n"):
            if line.strip():
                yield json.loads(line)


def _answer(row: Mapping[str, Any]) -> Answer:
    response, error = row.get("response"), row.get("error")
    if response is None:
        code = str((error or {}).get("code"))
        return expired(str((error or {}).get("message") or code)) if code in _ENDED_FIRST else failed({"error": error or {}})
    body: Mapping[str, Any] = response.get("body") or {}
    return body if response.get("status_code") == 200 else failed(body, response.get("status_code"))


def _refused(errors: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
    by_line = {error["line"]: error for error in errors if error.get("line")}
    for number, name in enumerate(ids, 1):
        if number in by_line:
            yield name, failed({"error": {**by_line[number], "type": "invalid_request_error"}}, 400)
        elif by_line:
            yield name, NOT_RUN
        else:
            yield name, failed({"error": errors[0] if errors else {"message": "the batch failed"}})
