"""Detect that tokens of an answer are shown to a reader although the caller asked for the whole answer.

LangChain turns `invoke` into a stream if there is a listener: LangGraph's `stream_mode="messages"`, `astream_events`, v3 events, a
handler with `on_llm_new_token`. If such an answer breaks off after some text, another target must not start again: text would be shown
twice. If several targets are called at once, the first one with content is shown, and the others are stopped before any of their text is
shown.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

from langchain_switchwise.answering.replies import has_tokens, says_something
from switchwise.engine.timing.time_limits import tokens_came

_SILENT = BaseCallbackHandler.on_llm_new_token


class OutOfTheRace(BaseException):
    """Raised to stop a call whose text may not be shown, because another target's is. Not an Exception: LangChain would log it as our
    error.
    """


class TokensShown(BaseCallbackHandler):
    """Callback handler that detects that part of an answer is about to be shown; it runs before the handlers that show it.

    Parameters:
        hear: called with each chunk with content; returns False if it may not be shown: the call is stopped.
    """

    run_inline = True

    def __init__(self, hear: Callable[[Any], bool]) -> None:
        self._hear = hear
        self._begun = perf_counter()
        self.first: float | None = None
        """Seconds until the first content; None if there was none."""

    @property
    def ignore_chat_model(self) -> bool:
        """Ignore starts."""
        return True

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Handle a chunk of the answer."""
        message = getattr(chunk, "message", None)
        if token or (message is not None and has_tokens(message)):
            tokens_came()
        if says_something(message) if message is not None else token:  # for a message in blocks, the token is the blocks
            self._tell(token)

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Handle an event of the v3 protocol."""
        if has_tokens(event):
            tokens_came()
        if says_something(event):
            self._tell(event)

    def _tell(self, chunk_text: Any) -> None:
        if self.first is None:
            self.first = perf_counter() - self._begun
        if not self._hear(chunk_text):
            raise OutOfTheRace


def before(handler: BaseCallbackHandler, callbacks: Any) -> Any:
    """Return callbacks (a list of handlers, a manager, or None) with a handler before them."""
    if not isinstance(callbacks, BaseCallbackManager):
        return [handler, *(callbacks or ())]
    manager = callbacks.copy()
    manager.handlers.insert(0, handler)
    manager.inheritable_handlers.insert(0, handler)
    return manager


def anybody_reads(*callbacks: Any) -> bool:
    """Return whether any of these callbacks (lists of handlers, or managers) shows tokens; tracers only record them."""
    return any(map(_reads, (handler for given in callbacks if given for handler in handlers_of(given))))


def handlers_of(given: Any) -> list[BaseCallbackHandler]:
    """The handlers of a list or of a manager."""
    return given.handlers if isinstance(given, BaseCallbackManager) else given


def _reads(handler: BaseCallbackHandler) -> bool:
    if isinstance(handler, _StreamingCallbackHandler | _V2StreamingCallbackHandler):
        return True
    return type(handler).on_llm_new_token is not _SILENT and not isinstance(handler, BaseTracer)
