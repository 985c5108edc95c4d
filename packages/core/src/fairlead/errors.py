"""The exceptions of fairlead, and the kinds of failure that a target can have.

    FairleadError
    ├── ConfigurationError   a router that cannot work, found when it is built
    ├── NoTarget             the requirements left nothing to call
    │   └── BudgetExceeded   ... and the reason is money
    ├── AllTargetsFailed     an ExceptionGroup of the providers' own errors
    └── Interrupted          a live reply broke off after part of it was shown

    TargetError              raised by whoever performs a call, consumed by the engine

Only `TargetError` means "try another". Any other exception is a bug or the framework's own control flow, and passes
through untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class FailureKind(StrEnum):
    """What went wrong at a target, by what should happen next (see `fairlead.recovery`)."""

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
    BAD_REQUEST = "bad_request"


class FairleadError(Exception):
    """Anything that fairlead itself reports to its user."""


class ConfigurationError(FairleadError, ValueError):
    """A router that cannot work: the message names the field and the remedy."""


class NoTarget(FairleadError):
    """A requirement left nothing to call; the message names each target and the note that ruled it out."""


class BudgetExceeded(NoTarget):
    """No target is affordable any more: the message says what was spent, on what, and the limit."""


class Interrupted(FairleadError):
    """A live reply broke off after part of it was shown: too late to fall back. `__cause__` is the provider's error."""


class AllTargetsFailed(FairleadError, ExceptionGroup[Exception]):
    """Every target that could be tried failed: the group of the providers' own errors, each with a note naming its target."""

    def __new__(cls, message: str, errors: Sequence[Exception]) -> AllTargetsFailed:
        return super().__new__(cls, message, errors)

    def derive(self, errors: Sequence[Exception]) -> AllTargetsFailed:  # type: ignore[override]  # only Exceptions get in
        return AllTargetsFailed(self.message, errors)


class TargetError(Exception):
    """The target's failure, not the caller's: another target may be tried.

    Whoever performs a call raises it `from` the provider's own exception.

    Parameters:
        kind: what went wrong; `fairlead.recovery` says what follows.
        message: the provider's words, shortened.
        retry_after: seconds that the provider asks to wait; None: it does not say.

    `partial` says that part of a reply had come before it failed, so that it may be billed; `Run.failed` sets it.
    """

    def __init__(self, kind: FailureKind, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message or kind.value)
        self.kind = kind
        self.retry_after = retry_after
        self.partial = False

    @property
    def own(self) -> Exception:
        """The provider's own exception, or this one where there is none."""
        return self.__cause__ if isinstance(self.__cause__, Exception) else self
