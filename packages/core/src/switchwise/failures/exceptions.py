"""Map a provider's exception to `TargetError`; None if it is not a failure of a provider.

No SDK is imported: classes are recognised by name and module over their MRO, and by the attributes they carry. That holds for
openai 2 and 3, anthropic 0, 1 and 2, LangChain's `ModelError` classes (subclasses of both the SDK's and its own), raw
httpx and httpx2 errors, which the SDKs let through once a stream has begun, and any client with a `status_code`.

An SDK's connection error wraps *whatever* went wrong underneath, bugs included, so its cause decides: a missing
recording in a test, or a broken transport, must not look like an outage.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from switchwise.failures.brought import mark_own_doing
from switchwise.failures.evidence import Evidence, gather, quoted
from switchwise.failures.retry_after import retry_after
from switchwise.failures.scrub import scrub_all
from switchwise.failures.table import kind_of
from switchwise.failures.unreadable import unreadable
from switchwise.nouns.errors import FailureKind as Kind
from switchwise.nouns.errors import TargetError

_TRANSPORTS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "h11", "h2", "aiohttp", "requests", "urllib3", "anyio"})
_CALLERS_FAULT = frozenset(
    {"LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "CookieConflict", "StreamError", "TooManyRedirects"}
)
_BUGS = (ValueError, TypeError, LookupError, AttributeError, NameError, AssertionError, ArithmeticError, ImportError)
_LANGCHAIN = {
    "ContextOverflowError": Kind.CONTEXT_OVERFLOW,
    "ModelAuthenticationError": Kind.AUTHENTICATION,
    "ModelPermissionDeniedError": Kind.AUTHENTICATION,
    "ModelInvalidRequestError": Kind.NOT_ACCEPTED,
    "ModelNotFoundError": Kind.NOT_FOUND,
    "ModelRateLimitError": Kind.RATE_LIMIT,
    "ModelAPIError": Kind.SERVER_ERROR,
    "ModelTimeoutError": Kind.TIMEOUT,
    "ModelRefusalError": Kind.REFUSED,
}
_REFUSALS = frozenset({"ContentFilterFinishReasonError", "OpenAIRefusalError", "ModelRefusalError"})
_NO_CREDENTIALS = frozenset(
    """CredentialsError SubjectTokenProviderError DefaultCredentialsError RefreshError NoCredentialsError PartialCredentialsError
    CredentialRetrievalError TokenRetrievalError SSOTokenLoadError UnauthorizedSSOTokenError""".split()
)
_BOTOCORE = frozenset({"HTTPClientError", "ConnectionError", "ResponseStreamingError"})
_STALE = "Event loop is closed"
_NEVER_SENT = (
    frozenset(
        """ConnectError ConnectTimeout PoolTimeout ConnectTimeoutError EndpointConnectionError NewConnectionError NameResolutionError
        ClientConnectorError ConnectionRefusedError gaierror ProxyConnectionError""".split()
    )
    | _NO_CREDENTIALS
)
"""What is raised before a connection is made."""
_GAVE_UP = frozenset({408, 504, 524})
"""A gateway's word for a server that did not answer in time: it may answer yet."""
_FAILED_RESPONSE = re.compile(
    r"ResponseError\(code='(?P<code>\w+)', message=(?P<message>.*)\)$|(?P<event>[a-z]+(?:_[a-z]+)+): (?P<text>.+)", re.DOTALL
)
_NUMBERED = re.compile(r"\[(?P<status>[45]\d\d)\] ")
"""How ChatNVIDIA reports an error: a plain Exception with the status at its head."""
_NAMELESS_RESPONSE = re.compile(r"Response \w* ?failed\.")


class IncompleteStream(Exception):
    """A stream ended without its terminal marker, silently. For adapters to raise; `target_error` makes it a CONNECTION.

    The markers: a `finish_reason` and `[DONE]` (chat completions), `response.completed` (Responses), `message_stop` (Messages).
    """


class Refusal(Exception):
    """Raised if the model declined, for safety, in an otherwise good answer. For adapters configured to fall back then."""


def target_error(error: BaseException, clock: Callable[[], float] = time.time) -> TargetError | None:
    """Return the target's failure behind `error`; None if there is none: let `error` propagate.

    Parameters:
        error: exception of performing a call.
        clock: seconds since the epoch, for a `retry-after` that is a date.

    >>> failure = target_error(ConnectionResetError("reset by peer"))
    >>> failure.kind, failure.own
    (<FailureKind.CONNECTION: 'connection'>, ConnectionResetError('reset by peer'))
    >>> target_error(KeyError("messages")) is None
    True
    """
    if isinstance(error, TargetError):
        return error
    seen = _behind(error, frozenset())
    if seen is None:
        evidence_text = unreadable(error)
        if evidence_text is None:
            return None
        seen = Kind.SERVER_ERROR, Evidence(text=evidence_text)
    kind, evidence = seen
    secrets = scrub_all(error)
    failure = TargetError(kind, quoted(evidence.text, secrets) or type(error).__name__, retry_after(evidence, clock))
    failure.__cause__ = error
    failure.billable = _billable(error)
    return failure


@dataclass(frozen=True, slots=True)
class translated:  # noqa: N801  (used as a statement: `with translated():`)
    """Context manager that raises a provider's failures as `TargetError`, from the provider's exception; others propagate.

    Parameters:
        settings: those that the caller gave for this call alone; failures that they explain are marked `own_doing`.
        clock: seconds since the epoch, for a `retry-after` that is a date.

    >>> from switchwise.nouns.errors import TargetError
    >>> try:
    ...     with translated():
    ...         raise TimeoutError("slow")
    ... except TargetError as failure:
    ...     print(failure.kind, repr(failure.own))
    timeout TimeoutError('slow')
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raise the failure behind the exception, if there is one."""
        if not isinstance(error, Exception) or (failure := target_error(error, self.clock)) is None:
            return
        mark_own_doing(failure, self.settings)
        if failure is not error:
            raise failure from error


def _billable(error: BaseException) -> bool | None:
    """Return whether the provider may bill the call that raised `error`; None if unknown: its kind decides.

    Not where it answered with the status of an error (but for a gateway that gave up waiting), nor where there never was a connection. An
    answer with a good status is paid for, whatever became of it, and so is what was sent to a server that then fell silent.
    """
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        each = each.__cause__ or each.__context__
    statuses = [status for one in seen if isinstance(one, Exception) and (status := _status(one)) is not None]
    if statuses:
        return statuses[0] < 400 or statuses[0] in _GAVE_UP
    for one in seen:
        if _names(one) & _NEVER_SENT or str(one) == _STALE:
            return False
    named = _names(error) & _LANGCHAIN.keys()
    return None if named and len(seen) == 1 else True


def _behind(error: BaseException | None, passed: frozenset[int]) -> tuple[Kind, Evidence] | None:
    """Kind and evidence of the first exception along `__cause__` that is a provider's."""
    if not isinstance(error, Exception) or id(error) in passed:
        return None
    names = _names(error)
    status = _status(error)
    if _says_something(error, names, status):
        return _by_answer(error, names, status)
    if names & {"APIConnectionError", "ModelConnectionError"}:
        text = Evidence(text=str(error))
        kind = Kind.TIMEOUT if any("Timeout" in name for name in names) else Kind.CONNECTION
        if error.__cause__ is None:
            return kind, text
        inner = _behind(error.__cause__, passed | {id(error)})
        return inner and (inner[0] if kind is Kind.CONNECTION else kind, text)
    if (kind_or_none := _unheard(error, names)) is not None:
        return kind_or_none, Evidence(text=str(error))
    if isinstance(error, _BUGS):
        return _failed_response(error)
    return _behind(error.__cause__, passed | {id(error)})


def _says_something(error: Exception, names: frozenset[str], status: int | None) -> bool:
    if status is not None or names & _LANGCHAIN.keys() - {"ModelTimeoutError"} or _of_aws(error) is not None:
        return True
    return "APIError" in names and not names & {"APIConnectionError"} and getattr(error, "body", None) is not None


def _by_answer(error: Exception, names: frozenset[str], status: int | None) -> tuple[Kind, Evidence]:
    """The kind by the provider's response, else by LangChain's class."""
    if "APIResponseValidationError" in names:  # a good status, but what came was no answer: a proxy's page
        return Kind.SERVER_ERROR, Evidence(text=str(error))
    response = getattr(error, "response", None)
    headers: Any = getattr(response, "headers", None)
    body = getattr(error, "body", None)
    if (aws := _of_aws(error)) is not None:
        body, headers = {"code": aws.get("Code"), "message": aws.get("Message")}, None
    elif body is None and "HTTPStatusError" in names:  # ChatMistralAI's, with the body at the end of its words
        body = str(error)[str(error).find("{") :] if "{" in str(error) else None
    elif body is None and isinstance(details := getattr(error, "details", None), Mapping):  # google-genai
        body = details
    text = getattr(error, "message", None)
    evidence = gather(status, body, headers, text if isinstance(text, str) else str(error))
    words = {word.lower() for name in ("type", "code", "error_code") if isinstance(word := getattr(error, name, None), str)}
    evidence = Evidence(evidence.status, evidence.words | words, evidence.text, evidence.headers)
    named = next((_LANGCHAIN[name] for name in _LANGCHAIN if name in names), None)
    if named is not None and (named is Kind.CONTEXT_OVERFLOW or (status is None and not evidence.words)):
        if (
            named is not Kind.CONTEXT_OVERFLOW
            and isinstance(cause := error.__cause__, Exception)
            and _status(cause) is not None
        ):
            return _by_answer(
                cause, _names(cause), _status(cause)
            )  # ChatGoogleGenerativeAI's says less than what it is raised from
        return named, evidence
    return kind_of(evidence) or Kind.SERVER_ERROR, evidence


def _unheard(error: Exception, names: frozenset[str]) -> Kind | None:
    """The kind of a failure without a response of the provider."""
    if isinstance(error, IncompleteStream):
        return Kind.CONNECTION
    if isinstance(error, Refusal) or names & _REFUSALS:
        return Kind.REFUSED
    if names & _NO_CREDENTIALS:
        return Kind.AUTHENTICATION
    if isinstance(error, TimeoutError) or "ModelTimeoutError" in names:
        return Kind.TIMEOUT
    if isinstance(error, (ConnectionError, EOFError)) or names & {"gaierror", "SSLError"}:
        return Kind.CONNECTION
    if isinstance(error, RuntimeError) and str(error) == _STALE:  # a pooled connection of a loop that is gone
        return Kind.CONNECTION
    if any(cls.__module__ == "botocore.exceptions" and cls.__name__ in _BOTOCORE for cls in type(error).__mro__):
        return Kind.TIMEOUT if any("Timeout" in name for name in names) else Kind.CONNECTION
    if "TransportError" in names and type(error).__module__.startswith("google.auth"):
        return Kind.CONNECTION
    if names & _CALLERS_FAULT or not any(cls.__module__.split(".")[0] in _TRANSPORTS for cls in type(error).__mro__):
        return None
    return Kind.TIMEOUT if any("Timeout" in name for name in names) else Kind.CONNECTION


def _failed_response(error: Exception) -> tuple[Kind, Evidence] | None:
    """A failed answer that LangChain reports as a plain ValueError: an error object, or `code: message`."""
    if type(error) is not ValueError or not error.args:
        return None
    detail = error.args[0]
    if isinstance(detail, str):
        if _NAMELESS_RESPONSE.fullmatch(detail):
            return Kind.SERVER_ERROR, Evidence(text=detail)
        if not (found := _FAILED_RESPONSE.match(detail)):
            return None
        detail = {"code": found["code"] or found["event"], "message": found["message"] or found["text"]}
    elif not isinstance(detail, dict) and not hasattr(detail, "code"):
        return None
    evidence = gather(None, detail, None, "")
    kind = kind_of(evidence)
    return (kind, evidence) if kind else None


def _of_aws(error: Exception) -> Mapping[str, Any] | None:
    """The error in a response that botocore keeps as a dictionary; None: it is no such exception."""
    response = getattr(error, "response", None)
    detail = response.get("Error") if isinstance(response, dict) else None
    return detail if isinstance(detail, Mapping) else None


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in type(error).__mro__)


def _status(error: Exception) -> int | None:
    """The HTTP status of the answer that the exception stands for, however the client keeps it.

    A good answer that merely hangs on an exception does not count: LangChain gives the answer that could not be read to
    the parser's own exception.
    """
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        answered = getattr(getattr(error, "response", None), "status_code", None)
        status = answered if isinstance(answered, int) and answered >= 400 else None
    if _of_aws(error) is not None:
        met: Any = getattr(error, "response", {}).get("ResponseMetadata") or {}
        status = met.get("HTTPStatusCode")
    if type(error) is Exception and (found := _NUMBERED.match(str(error))):
        status = int(found["status"])
    code = getattr(error, "code", None)  # google-genai
    return code if status is None and isinstance(code, int) and 400 <= code < 600 else status
