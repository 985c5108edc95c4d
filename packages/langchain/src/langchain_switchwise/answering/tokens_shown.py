"""Notices that a reader was shown tokens of an answer, though the caller asked for it whole.

LangChain turns `invoke` into a stream where somebody listens: LangGraph's `stream_mode="messages"`, `astream_events`, v3 events, a handler with
`on_llm_new_token`. If such an answer breaks off after some words, another target must not begin again: they would be shown twice. Where several
targets are called at once, the first that says something is shown, and the others are stopped before a reader sees a word of theirs.
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
    """Stops a call whose words may not be shown, as another target's are. Not an Exception: LangChain would log it as an error of ours."""


class TokensShown(BaseCallbackHandler):
    """Detects that part of an answer is about to be shown. It runs before the handlers that show it.

    Parameters:
        hear: receives each chunk with content; False: it may not be shown, and the call is stopped.
    """

    run_inline = True

    def __init__(self, hear: Callable[[Any], bool]) -> None:
        self._hear = hear
        self._begun = perf_counter()
        self.first: float | None = None
        """Seconds until the first content; None if there was none."""

    @property
    def ignore_chat_model(self) -> bool:
        """Starts are no matter."""
        return True

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """A chunk of the answer has come."""
        message = getattr(chunk, "message", None)
        if token or (message is not None and has_tokens(message)):
            tokens_came()
        if says_something(message) if message is not None else token:  # of a message in blocks, the token is the blocks
            self._tell(token)

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """An event of the v3 protocol has come."""
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
    """Callbacks (a list of handlers, a manager, or None) with a handler before them."""
    if not isinstance(callbacks, BaseCallbackManager):
        return [handler, *(callbacks or ())]
    manager = callbacks.copy()
    manager.handlers.insert(0, handler)
    manager.inheritable_handlers.insert(0, handler)
    return manager


def anybody_reads(*callbacks: Any) -> bool:
    """Whether any of these callbacks (lists of handlers, or managers) shows tokens as they come; tracers only keep them."""
    return any(map(_reads, (handler for given in callbacks if given for handler in handlers_of(given))))


def handlers_of(given: Any) -> list[BaseCallbackHandler]:
    """The handlers of a list or of a manager."""
    return given.handlers if isinstance(given, BaseCallbackManager) else given


def _reads(handler: BaseCallbackHandler) -> bool:
    if isinstance(handler, _StreamingCallbackHandler | _V2StreamingCallbackHandler):
        return True
    return type(handler).on_llm_new_token is not _SILENT and not isinstance(handler, BaseTracer)
