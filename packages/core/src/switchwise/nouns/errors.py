"""The exceptions of switchwise, and the kinds of failure that a target can have.

    SwitchwiseError
    ├── ConfigurationError   a router that cannot work, found when it is built
    ├── NoTarget             the requirements left nothing to call
    │   └── BudgetExceeded   ... and the reason is money
    ├── AllTargetsFailed     an ExceptionGroup of the providers' own errors
    └── Interrupted          a live reply broke off after part of it was shown

    TargetError              raised by the code that performs a call, consumed by the engine

Only `TargetError` means "try another". Any other exception is a bug or the framework's own control flow, and passes
through untouched.

`AllTargetsFailed` and `Interrupted` are also instances of the providers' own error classes (`failed_as`), so an `except openai.RateLimitError`,
a framework's list of errors to retry and its handling of too long prompts keep working.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from switchwise.nouns.secrets import masked

E = TypeVar("E", bound=Exception)


class FailureKind(StrEnum):
    """Kinds of failure of a target, by what should happen next (see `switchwise.engine.recovery`)."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    TOO_LARGE = "request_too_large"
    CONTEXT_OVERFLOW = "context_overflow"
    REFUSED = "content_refused"
    AUTHENTICATION = "authentication"
    QUOTA = "quota_exhausted"
    NOT_FOUND = "model_not_found"
    UNSUPPORTED = "unsupported"
    STATE_LOST = "state_lost"
    NOT_ACCEPTED = "not_accepted"
    BAD_REQUEST = "bad_request"


class SwitchwiseError(Exception):
    """Base of all errors that switchwise reports to its user."""


class ConfigurationError(SwitchwiseError, ValueError):
    """Invalid configuration: the message names the field and the remedy, and never contains a key."""

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))


class NoTarget(SwitchwiseError):
    """The requirements left no target; the message names each target and the note that ruled it out."""


class BudgetExceeded(NoTarget, RuntimeError):
    """No target is affordable: the message says what was spent, on what, and the limit.

    Retrying is useless: it is a `RuntimeError`, which LangGraph does not retry; for LangChain, `is_retryable` is False.
    """


class Interrupted(SwitchwiseError):
    """A live reply broke off after part of it was shown, so it cannot fall back. `__cause__` is the provider's error."""


class AllTargetsFailed(SwitchwiseError, ExceptionGroup[Exception]):
    """Every target that could be tried failed: a group of the providers' own errors, each with a note naming its target.

    It is an instance of their common classes, with the attributes of the last one (`status_code`, `response`, ...).
    """

    def __new__(cls, message: str, errors: Sequence[Exception]) -> AllTargetsFailed:
        return super().__new__(cls, message, errors)

    def derive(self, errors: Sequence[Exception]) -> AllTargetsFailed:  # type: ignore[override]  # only Exceptions get in
        return AllTargetsFailed(self.message, errors)


_STALE = ("Event loop is closed", "Server disconnected without sending a response")
"""What asyncio and httpx report for a pooled connection that was closed."""


_BILLABLE = frozenset({FailureKind.TIMEOUT, FailureKind.REFUSED, FailureKind.CONNECTION})


class Broken(NamedTuple):
    """A reply that broke off after a reader saw part of it, and that another call replaces or continues.

    Parameters:
        target: name of the target that broke off.
        kind: why.
        text: the text shown so far, which the next call continues; empty: the next call starts again.
    """

    target: str
    kind: FailureKind
    text: str = ""

    @property
    def signal(self) -> str:
        """Name of the signal: `switchwise_restarted` (discard the shown text) or `switchwise_continued`."""
        return "switchwise_continued" if self.text else "switchwise_restarted"

    @property
    def details(self) -> dict[str, str]:
        """The details of the signal, in JSON types: `target` and `kind` of the failure."""
        return {"target": self.target, "kind": self.kind.value}


class TargetError(Exception):
    """Failure of the target, not of the caller: another target may be tried.

    The code that performs a call raises it `from` the provider's exception.

    Parameters:
        kind: what went wrong; `switchwise.engine.recovery` decides what follows.
        message: the provider's message, shortened.
        retry_after: seconds that the provider asks to wait; None if it does not say.
        billable: whether the provider may bill the failed call: not where it never arrived or got an HTTP error status, possibly otherwise.
            None: the kind decides.

    `partial`: part of a reply arrived before it failed, so it may be billed; set by `Run.failed`. `own_doing`: caused by what the caller supplied for
    this call (a key, a timeout, a model name), so nothing is learned from it for other callers. `soft`: the target was slow, not dead. `broken`: what
    a reader saw of the reply, where the next target takes over all the same (`Router(on_broken=...)`); else None.
    """

    def __init__(
        self, kind: FailureKind, message: str = "", retry_after: float | None = None, billable: bool | None = None
    ) -> None:
        super().__init__(message or kind.value)
        self.kind = kind
        self.retry_after = retry_after
        self.partial = False
        self.own_doing = False
        self.soft = False
        self.broken: Broken | None = None
        self.billable = billable

    @property
    def may_be_billed(self) -> bool:
        """Whether the provider may have produced an answer, or part of one, and bill it."""
        return self.partial or (self.kind in _BILLABLE if self.billable is None else self.billable)

    @property
    def is_stale(self) -> bool:
        """Whether the connection was dead before use: closed by the server while idle, or left by an event loop that ended."""
        error: BaseException | None = self if self.kind is FailureKind.CONNECTION else None
        while error is not None and not str(error).startswith(_STALE):
            error = error.__cause__
        return error is not None

    @property
    def own(self) -> Exception:
        """The provider's own exception, or this one if there is none."""
        return self.__cause__ if isinstance(self.__cause__, Exception) else self


def failed_as(cls: type[E], errors: Sequence[Exception], *args: Any) -> E:
    """Return an error of `cls` that is also an instance of the common classes of all `errors`, with the attributes of the last.

    Parameters:
        cls: `AllTargetsFailed` or `Interrupted`.
        errors: the providers' own.
        args: of `cls`.

    >>> error = failed_as(Interrupted, [TimeoutError("too slow")], "opus broke off: too slow")
    >>> isinstance(error, Interrupted), isinstance(error, TimeoutError), str(error)
    (True, True, 'opus broke off: too slow')
    """
    made = _as_well_as(cls, errors)(*args)
    for error in errors:
        for name, value in vars(error).items():
            if name != "__notes__" and not hasattr(cls, name):  # a group has its own message
                setattr(made, name, value)
    if any(getattr(error, "is_retryable", False) for error in errors):  # LangChain's attribute; False on its classes by default
        made.is_retryable = True  # type: ignore[attr-defined]
    return made


def _as_well_as(cls: type[E], errors: Sequence[Exception]) -> type[E]:
    shared = [base for base in type(errors[0]).__mro__ if all(isinstance(error, base) for error in errors)]
    own = [base for base in shared if not issubclass(cls, base) and not issubclass(base, (TargetError, SwitchwiseError))]
    bases = [base for base in own if not any(other is not base and issubclass(other, base) for other in own)]
    return _joined((cls, *bases)) if bases else cls


@lru_cache(maxsize=128)
def _joined(classes: tuple[type, ...]) -> Any:
    """Return a class that inherits from all of these; the first alone where Python cannot combine them."""
    cls = classes[0]
    body = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__init__": Exception.__init__,  # theirs require a response
        "__str__": cls.__str__,
        "__reduce__": lambda self: (cls, (self.message, self.exceptions) if issubclass(cls, ExceptionGroup) else self.args),
    }
    try:
        return type(cls.__name__, classes, body)
    except TypeError:  # some built-in classes, such as OSError's, cannot be combined with a group
        return cls
