"""One streamed answer on its way through: what may be shown when, and whether it came to its end.

Rules:
1. Chunks that say nothing (a role, an announcement) wait for the first that does: as long as nothing was shown, another
   target may still answer.
2. A stream is complete only with its provider's terminal marker. Neither the SDKs nor LlamaIndex miss it: an answer that was
   cut looks like a short one.

Source of the markers: `finish_reason` (Chat Completions), `response.completed` and `response.incomplete` (Responses),
`stop_reason` (Messages).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.base.llms.types import TextBlock
from pydantic import BaseModel

from switchwise import TargetError
from switchwise.failures import IncompleteStream, classify

_ENDED = frozenset({"response.completed", "response.incomplete"})
_FAILED = frozenset({"response.failed", "error"})


class EmptyStream(IncompleteStream):
    """A stream without a single chunk."""


class Ending:
    """Whether a stream came to its end."""

    def __init__(self) -> None:
        self._ended: bool | None = None

    def hear(self, chunk: Any) -> None:
        """Take in a chunk.

        Raises:
            TargetError: it reports a failure that the integration lets through.
        """
        ended = state_of(chunk)
        if ended is not None:
            self._ended = ended or self._ended or False

    def check(self) -> None:
        """Say it when the stream is over.

        Raises:
            IncompleteStream: it broke off.
        """
        if self._ended is False:
            raise IncompleteStream("the stream ended without its terminal marker")


class Watch:
    """Takes in the chunks of one stream, says which to show, and at the end whether it was complete.

    Parameters:
        clock: seconds; only differences count.
        structured: the chunks are objects of the user's own, of which more and more is filled in.
    """

    def __init__(self, clock: Callable[[], float], structured: bool = False) -> None:
        self.last: Any = None
        self.first_chunk: float | None = None
        self._clock = clock
        self._started = clock()
        self._waiting: list[Any] | None = []
        self._ending = None if structured else Ending()
        self._says_nothing = is_empty if structured else says_nothing

    def hear(self, chunk: Any) -> list[Any]:
        """The chunks that may be shown now.

        Raises:
            TargetError: the chunk reports a failure that the integration lets through.
        """
        self.last = chunk
        if self._ending is not None:
            self._ending.hear(chunk)
        if self._waiting is None:
            return [chunk]
        if self._says_nothing(chunk):
            self._waiting.append(chunk)
            return []
        self.first_chunk = self._clock() - self._started
        shown, self._waiting = [*self._waiting, chunk], None
        return shown

    def rest(self) -> list[Any]:
        """The chunks that waited in vain; to be shown at the end.

        Raises:
            IncompleteStream: the stream broke off.
        """
        if self.last is None:
            raise EmptyStream("the stream ended before its first chunk")
        if self._ending is not None:
            self._ending.check()
        return self._waiting or []


def state_of(response: Any) -> bool | None:
    """Whether a chunk is the last of its answer; None: it belongs to no protocol that we know.

    Raises:
        TargetError: it says that the answer failed (Responses reports failures as events, and as a status).
    """
    raw = getattr(response, "raw", None)
    if raw is None:
        return None
    if isinstance(raw, dict):  # Anthropic's events come as such
        if raw.get("type") == "message_delta":
            return getattr(raw.get("delta"), "stop_reason", None) is not None
        return False if "type" in raw and ("delta" in raw or "index" in raw) else None
    choices = getattr(raw, "choices", None)
    if choices is not None:
        return bool(choices) and getattr(choices[0], "finish_reason", None) is not None
    kind = getattr(raw, "type", None)
    if not isinstance(kind, str):
        return None
    if kind in _FAILED:
        raise _failure(getattr(raw, "response", raw))
    return kind in _ENDED if kind.startswith("response.") else None


def check(response: Any) -> None:
    """Find the failure in an answer that came with status 200 (Responses: `status: failed`).

    Raises:
        TargetError: there is one.
    """
    raw = getattr(response, "raw", None)
    if raw is not None and getattr(raw, "object", None) == "response" and getattr(raw, "status", None) == "failed":
        raise _failure(raw)


def says_nothing(chunk: Any) -> bool:
    """Whether a chunk carries nothing of the answer."""
    if getattr(chunk, "delta", True):
        return False
    if (chunk.additional_kwargs or {}).get("thinking_delta"):
        return False
    message = getattr(chunk, "message", None)
    if message is None:
        return not chunk.text
    if message.additional_kwargs.get("thinking_delta"):
        return False
    return all(type(block) is TextBlock and not block.text for block in message.blocks)


def is_empty(chunk: Any) -> bool:
    """Whether a structured answer has nothing filled in yet."""
    return isinstance(chunk, BaseModel) and all(value is None for value in vars(chunk).values())


def _failure(told: Any) -> TargetError:
    error = getattr(told, "error", None) or told
    body = error.model_dump() if hasattr(error, "model_dump") else error
    kind, wait = classify(None, body)
    return TargetError(kind, str(getattr(error, "message", "") or "the response failed"), wait)
