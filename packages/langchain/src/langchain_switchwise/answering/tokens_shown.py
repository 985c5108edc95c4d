"""Notices that a reader was shown tokens of an answer, though the caller asked for it whole.

LangChain turns `invoke` into a stream where somebody listens: LangGraph's `stream_mode="messages"`, `astream_events`, v3 events, a handler with
`on_llm_new_token`. If such an answer breaks off after some words, another target must not begin again: they would be shown twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

from langchain_switchwise.answering.replies import says_something

_SILENT = BaseCallbackHandler.on_llm_new_token


class TokensShown(BaseCallbackHandler):
    """Tells that something of an answer was shown.

    Parameters:
        hear: is told of each chunk that says something.
    """

    run_inline = True

    def __init__(self, hear: Callable[[Any], object]) -> None:
        self._hear = hear

    @property
    def ignore_chat_model(self) -> bool:
        """Starts are no matter."""
        return True

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """A chunk of the answer has come."""
        if token or (chunk is not None and says_something(getattr(chunk, "message", None))):
            self._hear(token)

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """An event of the v3 protocol has come."""
        if says_something(event):
            self._hear(event)


def anybody_reads(*callbacks: Any) -> bool:
    """Whether any of these callbacks (lists of handlers, or managers) shows tokens as they come; tracers only keep them."""
    return any(map(_reads, (handler for given in callbacks if given for handler in _handlers(given))))


def _handlers(given: Any) -> list[BaseCallbackHandler]:
    return given.handlers if isinstance(given, BaseCallbackManager) else given


def _reads(handler: BaseCallbackHandler) -> bool:
    if isinstance(handler, _StreamingCallbackHandler | _V2StreamingCallbackHandler):
        return True
    return type(handler).on_llm_new_token is not _SILENT and not isinstance(handler, BaseTracer)
