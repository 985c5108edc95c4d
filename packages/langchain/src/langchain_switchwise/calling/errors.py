"""Distinguish failures of a target from errors of the caller."""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb
from types import TracebackType

from langchain_core.exceptions import ContextOverflowError, ModelError

from switchwise import BudgetExceeded, FailureKind, TargetError
from switchwise.failures import IncompleteStream, target_error
from switchwise.nouns.errors import failed_as

_HANDLES = frozenset(["handle_event", "ahandle_event", "_ahandle_event_for_handler"])
_CACHES = frozenset(["_generate_with_cache", "_agenerate_with_cache", "stream", "astream"])
_OWN = frozenset(["lookup", "alookup", "update", "aupdate", "acquire", "aacquire"])
"""How LangChain calls what is the caller's own: handlers; methods of caches and rate limiters, and where it calls them."""
_NO_CHUNKS = frozenset(["No generation chunks were returned", "No generations found in stream."])
"""LangChain's ValueErrors for a stream without any content: its own, and one that it reads inside `invoke`."""


class Translated:
    """Context manager that converts errors of a target to `TargetError`; other errors, such as bugs, propagate.

    One stateless object serves all calls; a generator would cost a microsecond per call.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Convert the error, if there is one."""
        if isinstance(error, Exception):
            raise_failure(error)


TRANSLATED = Translated()


def raise_failure(error: Exception) -> None:
    """Raise the failure of the target behind an exception; return if there is none, or if the exception is that failure.

    Raises:
        TargetError: from the target's own exception.
    """
    trace = error.__traceback__
    if trace is not None and _of_the_callers_own(trace):
        return
    if type(error) is ValueError and str(error) in _NO_CHUNKS:
        error = IncompleteStream("a stream without content")
    elif type(error) is IndexError and trace is not None and _has_no_choices(trace):
        error = IncompleteStream("an answer without choices")
    failure = target_error(error)
    if failure is not None and failure.kind is FailureKind.CONTEXT_OVERFLOW:
        _name_overflow(failure)
    if failure is not None and failure is not error:
        raise failure


class NotAffordable(BudgetExceeded, ModelError):
    """An exhausted budget, as an error that LangChain's retries do not retry (`is_retryable` is False)."""


Errors = tuple[type[BaseException], ...] | Callable[[BaseException], bool]


def unless_spent(given: Errors) -> Callable[[BaseException], bool]:
    """The retried errors, without exhausted budgets."""

    def retried(error: BaseException) -> bool:
        if isinstance(error, BudgetExceeded):
            return False
        return isinstance(error, given) if isinstance(given, tuple) else given(error)

    return retried


def _name_overflow(failure: TargetError) -> None:
    """Make the failure's own error LangChain's `ContextOverflowError` too, by which agents know that they should compact.

    Integrations recognise only some wordings of some versions of their SDK.
    """
    own = failure.own
    if own is not failure and not isinstance(own, ContextOverflowError):
        named = failed_as(ContextOverflowError, [own], *own.args)
        named.__cause__ = own
        failure.__cause__ = named


def _has_no_choices(trace: TracebackType) -> bool:
    """Return whether LangChain read the first of an empty list of generations: the provider returned no choices."""
    *_, (frame, _) = walk_tb(trace)
    return frame.f_globals.get("__name__") == "langchain_core.language_models.chat_models"


def _of_the_callers_own(trace: TracebackType) -> bool:
    """Return whether an error comes from a callback handler, a response cache or a rate limiter, not from a target."""
    caller = ""
    for frame, _ in walk_tb(trace):
        name = frame.f_code.co_name
        if name in _HANDLES and frame.f_globals.get("__name__") == "langchain_core.callbacks.manager":
            return True
        if caller in _CACHES and name in _OWN:
            return True
        caller = name
    return False
