"""Deferred calls: routed like others, sent to the providers' batch endpoints at half the price, fetched by id hours later.

| file | |
|---|---|
| `batches.py`, `asynchronous.py` | the front door, and the same for an event loop |
| `worker.py` | sending, polling, settling |
| `ledger.py` | the file and its lock |
| `flows.py` | deciding, judging and settling without waiting |
| `openai.py`, `anthropic.py` | the providers' endpoints, behind `endpoint.py` |
"""

from switchwise.clients.batch.asynchronous import AsyncBatches
from switchwise.clients.batch.batches import Batches
from switchwise.clients.batch.ledger import progress_of
from switchwise.clients.batch.result import BatchResult, Progress

__all__ = ["AsyncBatches", "BatchResult", "Batches", "Progress", "progress_of"]
