"""Injected failures, with the bodies and headers that the real APIs sent in such failures.

`NOT_STREAMED` maps faults of streams to their effect on other requests.

Rules:
1. Faults are kept in the order of injection; the first matching fault with uses left applies to a request.
2. A fault comes before validation: an overloaded server does not read the body.
3. Faults with `after` let that many pieces of content pass first.

Source: recorded 429, 500, 503 and 529 responses and mid-stream errors of both APIs; quota, permission and content
filters of Anthropic, and the first-event error of OpenAI, are from documentation and issues.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..nouns.errors import Reject


class Fault(Enum):
    """A failure that can be injected."""

    RATE_LIMIT = "rate_limit"
    """429. With `retry_after` it sends the header(s), without it does not."""
    CONCURRENCY = "concurrency"
    """429: too many concurrent connections; no retry-after (OpenAI: `slow_down`)."""
    QUOTA = "quota"
    """429 `insufficient_quota`; Anthropic: 400 "credit balance is too low"."""
    TOO_LARGE = "too_large"
    """429: this one request is larger than the tokens-per-minute limit. remaining == limit."""
    OVERLOADED = "overloaded"
    """529 `overloaded_error`; OpenAI: 503 `server_error`."""
    SERVER_ERROR = "server_error"
    """500 with `x-should-retry: false`."""
    UNAVAILABLE = "unavailable"
    """503, text/plain, from a proxy; no request id."""
    AUTHENTICATION = "authentication"
    """401."""
    PERMISSION = "permission"
    """403."""
    NOT_FOUND = "not_found"
    """The model does not exist: 404 (Responses: 400)."""
    CONTEXT_OVERFLOW = "context_overflow"
    """400: the prompt is longer than the window."""
    BAD_REQUEST = "bad_request"
    """400: an invalid parameter."""
    STREAM_ERROR_FIRST = "stream_error_first"
    """200, and an error is the very first event."""
    STREAM_ERROR_MID = "stream_error_mid"
    """200, content, then an error event (OpenAI chat: then a usage chunk of zeros and `[DONE]`, as recorded)."""
    STREAM_QUOTA = "stream_quota"
    """200, the stream starts, then it dies of `insufficient_quota` before any content (recorded on Responses)."""
    STREAM_FAILED = "stream_failed"
    """Responses: a `response.failed` event, which SDKs do not raise. Elsewhere as STREAM_ERROR_MID."""
    STREAM_CUT = "stream_cut"
    """200, content, then a clean end without the terminal marker: silent in SDKs and frameworks."""
    RESET = "reset"
    """The connection is reset before any header."""
    RESET_MID_STREAM = "reset_mid_stream"
    """200, content, then the connection is reset."""
    STALL = "stall"
    """Nothing is sent for `seconds`; then the connection is reset."""
    STALL_MID_STREAM = "stall_mid_stream"
    """200, content, then nothing for `seconds`; then the connection is reset."""
    PINGS = "pings"
    """200, then only pings for `seconds`; then the connection is reset. Not streamed: as STALL."""
    PINGS_MID_STREAM = "pings_mid_stream"
    """200, content, then only pings for `seconds`; then the connection is reset."""
    REFUSAL = "refusal"
    """200, and the model refuses (Anthropic `stop_reason: refusal`, OpenAI `message.refusal`)."""
    CONTENT_FILTER = "content_filter"
    """200, cut off by the content filter (OpenAI `finish_reason: content_filter`; Anthropic as REFUSAL)."""
    ERROR_BODY = "error_body"
    """200 with an error in the body, as JSON whether streamed or not."""
    EMPTY_OBJECT = "empty_object"
    """200 with `{}`."""
    NO_CHOICES = "no_choices"
    """200 with `choices: []` (Responses `output: []`, Messages `content: null`)."""
    NULL_CHOICES = "null_choices"
    """200 with `choices: null` (Responses `output`, Messages `content`)."""
    TRUNCATED = "truncated"
    """200, and the JSON breaks off in its middle; streamed: in the first event with content."""
    EMPTY_BODY = "empty_body"
    """200 and nothing."""
    BAD_UTF8 = "bad_utf8"
    """200 with bytes that are no UTF-8."""
    HTML_PAGE = "html_page"
    """200 with the page of a proxy."""
    LONE_STOP = "lone_stop"
    """200 with nothing but the end of a stream (`message_stop`, `[DONE]`)."""
    OTHER_PROTOCOL = "other_protocol"
    """200 with what another API would send."""
    FINISH_ERROR = "finish_error"
    """200 with `finish_reason: "error"` and no content (Responses `status: failed`)."""


NOT_STREAMED: Mapping[Fault, Fault] = {
    Fault.STREAM_ERROR_FIRST: Fault.OVERLOADED,
    Fault.STREAM_ERROR_MID: Fault.SERVER_ERROR,
    Fault.STREAM_QUOTA: Fault.QUOTA,
    Fault.STREAM_FAILED: Fault.SERVER_ERROR,
    Fault.STREAM_CUT: Fault.RESET,
    Fault.RESET_MID_STREAM: Fault.RESET,
    Fault.STALL_MID_STREAM: Fault.STALL,
    Fault.PINGS: Fault.STALL,
    Fault.PINGS_MID_STREAM: Fault.STALL,
}

ANSWERED = frozenset({Fault.REFUSAL, Fault.CONTENT_FILTER})
"""Faults that are an answer of status 200."""


@dataclass(slots=True)
class Injected:
    """A fault and its scope. `times` None: until cleared."""

    fault: Fault
    times: int | None = 1
    model: str | None = None
    provider: str | None = None
    retry_after: float | None = None
    seconds: float = 30.0
    after: int = 1
    api: str | None = None

    def strikes(self, provider: str, model: str, api: str) -> bool:
        """Return whether it matches and has uses left."""
        alive = self.times is None or self.times > 0
        return alive and self.provider in (None, provider) and self.model in (None, model) and self.api in (None, api)


class FaultBook:
    """The injected faults. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._book: list[Injected] = []

    def add(self, injected: Injected) -> None:
        """Append a fault."""
        with self._lock:
            self._book.append(injected)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._book.clear()

    def take(self, provider: str, model: str, api: str) -> Injected | None:
        """Return the first fault that applies to this request, with one use less, or None."""
        with self._lock:
            for injected in self._book:
                if injected.strikes(provider, model, api):
                    if injected.times is not None:
                        injected.times -= 1
                    return injected
        return None


def rejection(injected: Injected, fault: Fault, provider: str, api: str, model: str) -> Reject:
    """The error response of `fault` (one that is a plain HTTP error), in the words of `provider`."""
    make = _ANTHROPIC if provider == "anthropic" else _OPENAI
    status, message, kind, param, code, headers = make[fault]
    message = message.format(model=model)
    headers = dict(headers)
    if fault is Fault.RATE_LIMIT and injected.retry_after is not None:
        headers["retry-after"] = f"{injected.retry_after:g}"
        if provider != "anthropic":
            headers["retry-after-ms"] = str(round(injected.retry_after * 1000))
            message += f" Please try again in {injected.retry_after:g}s."
    if api == "responses" and fault is Fault.CONTEXT_OVERFLOW:
        message, param = (
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "input",
        )
    if api == "responses" and fault is Fault.NOT_FOUND:
        status, message, param = 400, f"The requested model '{model}' does not exist.", "model"
    if provider == "typesafe" and fault is Fault.OVERLOADED:
        status = 529
    if fault is Fault.SERVER_ERROR:
        headers["x-should-retry"] = "false"
    return Reject(status, message, kind, param, code, headers, fault is Fault.UNAVAILABLE, injected.fault.name)


_Row = tuple[int, str, str | None, str | None, str | None, Mapping[str, str]]
_RETRY = {"x-should-retry": "true"}
_NO_RETRY = {"x-should-retry": "false"}
_PROXY = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"


def _anthropic_limits(left: int) -> dict[str, str]:
    return {
        "anthropic-ratelimit-input-tokens-limit": "50000",
        "anthropic-ratelimit-input-tokens-remaining": str(left),
        "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:00Z",
    }


_OPENAI: Mapping[Fault, _Row] = {
    Fault.RATE_LIMIT: (
        429,
        "Rate limit reached for {model} in organization org-loopback on requests per min (RPM): "
        "Limit 500, Used 500, Requested 1.",
        "requests",
        None,
        "rate_limit_exceeded",
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "120ms",
        },
    ),
    Fault.CONCURRENCY: (429, "Too many requests at once. Please slow down.", "requests", None, "slow_down", {}),
    Fault.QUOTA: (
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
        "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        None,
        "insufficient_quota",
        {},
    ),
    Fault.TOO_LARGE: (
        429,
        "Request too large for {model} in organization org-loopback on tokens per min (TPM): Limit 400000, Requested 2500013. "
        "The input or output tokens must be reduced in order to run successfully. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
        "tokens",
        None,
        "rate_limit_exceeded",
        {
            "x-ratelimit-limit-tokens": "400000",
            "x-ratelimit-remaining-tokens": "400000",
            "x-ratelimit-reset-tokens": "0s",
        },
    ),
    Fault.OVERLOADED: (
        503,
        "The engine is currently overloaded, please try again later.",
        "server_error",
        None,
        None,
        {},
    ),
    Fault.SERVER_ERROR: (
        500,
        "An error occurred while processing your request. You can retry your request, or contact us through our help center "
        "at help.openai.com if the error persists.",
        "server_error",
        None,
        "server_error",
        {},
    ),
    Fault.UNAVAILABLE: (503, _PROXY, None, None, None, {}),
    Fault.AUTHENTICATION: (
        401,
        "Incorrect API key provided: bad-key. You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        None,
        "invalid_api_key",
        {},
    ),
    Fault.PERMISSION: (
        403,
        "Project `proj_loopback` does not have access to model `{model}`",
        "invalid_request_error",
        None,
        "model_not_found",
        {},
    ),
    Fault.NOT_FOUND: (
        404,
        "The model `{model}` does not exist or you do not have access to it.",
        "invalid_request_error",
        None,
        "model_not_found",
        {},
    ),
    Fault.CONTEXT_OVERFLOW: (
        400,
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 150008 tokens. "
        "Please reduce the length of the messages.",
        "invalid_request_error",
        "messages",
        "context_length_exceeded",
        {},
    ),
    Fault.BAD_REQUEST: (
        400,
        "Invalid value for 'temperature'.",
        "invalid_request_error",
        "temperature",
        "invalid_value",
        {},
    ),
}

_ANTHROPIC: Mapping[Fault, _Row] = {
    Fault.RATE_LIMIT: (
        429,
        "This request would exceed the rate limit for your organization (loopback) of 50,000 input tokens per minute. "
        "For details, refer to: https://docs.claude.com/en/api/rate-limits. "
        "You can see the response headers for current usage.",
        None,
        None,
        None,
        {**_RETRY, **_anthropic_limits(0)},
    ),
    Fault.CONCURRENCY: (
        429,
        "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at "
        "https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase.",
        None,
        None,
        None,
        _RETRY,
    ),
    Fault.QUOTA: (
        400,
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits.",
        None,
        None,
        None,
        _NO_RETRY,
    ),
    Fault.TOO_LARGE: (
        429,
        "This request would exceed your organization's rate limit of 50,000 input tokens per minute (org: loopback, "
        "model: {model}). For details, refer to: https://docs.claude.com/en/api/rate-limits.",
        None,
        None,
        None,
        {**_NO_RETRY, **_anthropic_limits(50000)},
    ),
    Fault.OVERLOADED: (529, "Overloaded", None, None, None, _RETRY),
    Fault.SERVER_ERROR: (500, "Internal server error", None, None, None, {}),
    Fault.UNAVAILABLE: (503, _PROXY, None, None, None, {}),
    Fault.AUTHENTICATION: (401, "invalid x-api-key", None, None, None, _NO_RETRY),
    Fault.PERMISSION: (
        403,
        "Your API key does not have permission to use the specified resource",
        None,
        None,
        None,
        _NO_RETRY,
    ),
    Fault.NOT_FOUND: (404, "model: {model}", None, None, None, _NO_RETRY),
    Fault.CONTEXT_OVERFLOW: (400, "prompt is too long: 3333404 tokens > 200000 maximum", None, None, None, _NO_RETRY),
    Fault.BAD_REQUEST: (400, "max_tokens: Input should be greater than or equal to 1", None, None, None, _NO_RETRY),
}
