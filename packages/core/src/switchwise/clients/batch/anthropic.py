"""Anthropic's Message Batches.

Source: the types of anthropic 2.10 and the documentation of Message Batches, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from switchwise.clients.batch.endpoint import Answer, BatchLookup, expired, failed
from switchwise.clients.sdk import Client


class AnthropicBatches:
    """The batch endpoint behind an `AnthropicClient`; see `BatchEndpoint`."""

    most = 100_000
    most_bytes = 240_000_000

    def __init__(self, client: Client) -> None:
        self._client = client

    def send(self, key: str, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> str:  # noqa: ARG002  (custom ids begin with it)
        """As `BatchEndpoint.send`."""
        made = self._client.sync.messages.batches.create(
            requests=[{"custom_id": name, "params": body} for name, body in requests]
        )
        return str(made.id)

    def ended(self, batch: str) -> bool:
        """As `BatchEndpoint.ended`."""
        return bool(self._client.sync.messages.batches.retrieve(batch).processing_status == "ended")

    def answers(self, batch: str, ids: Sequence[str]) -> Iterator[tuple[str, Answer]]:
        """As `BatchEndpoint.answers`."""
        left = dict.fromkeys(ids)
        for row in self._client.sync.messages.batches.results(batch):
            left.pop(row.custom_id, None)
            result = row.to_dict(mode="json", warnings=False)["result"]
            match result["type"]:
                case "succeeded":
                    yield row.custom_id, result["message"]
                case "errored":
                    yield row.custom_id, failed(result["error"])
                case ended:
                    yield row.custom_id, expired(f"the request {ended}")
        for name in left:
            yield name, expired("the batch ended without an answer to this request")

    def cancel(self, batch: str) -> None:
        """As `BatchEndpoint.cancel`."""
        if not self.ended(batch):
            self._client.sync.messages.batches.cancel(batch)

    def find(self, key: str, total: int, since: float, known: Collection[str]) -> str | BatchLookup:
        """Batches have no metadata: look for our custom ids in ended batches of the right size."""
        batches, unsure = self._client.sync.messages.batches, False
        for batch in batches.list(limit=100):
            if batch.created_at.timestamp() < since - 3_600:
                break
            counts = batch.request_counts
            size = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
            if batch.id in known or size != total:
                continue
            if batch.processing_status != "ended":
                unsure = True
            elif next((row.custom_id for row in batches.results(batch.id)), "").startswith(f"{key}-"):
                return str(batch.id)
        return BatchLookup.UNSURE if unsure else BatchLookup.NOT_THERE
