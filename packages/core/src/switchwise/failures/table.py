"""The table: status, words and text of a provider's error -> kind. The first row that matches decides.

A row applies to its statuses (errors inside a stream have none: every row with words or a text applies to them). It matches by one of the
error's words, by its text, by its test, or, without these, by the status alone. So the *message* has priority over the status: OpenAI's
429 is a rate limit, a request that never fits, or an empty account; Anthropic's 400 may be an empty account too.

Source: errors recorded from both APIs from 2023 to 2026 ("recorded"), their documentation and public issues ("documented").
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from switchwise.failures.evidence import Evidence, gather
from switchwise.failures.retry_after import retry_after
from switchwise.nouns.errors import FailureKind as Kind

_OPENAI_LIMIT = re.compile(r"limit:? (\d{1,15})\b.{0,120}?requested:? (\d{1,15})\b", re.IGNORECASE | re.DOTALL)
_ANTHROPIC_LIMIT = re.compile(
    r"would exceed (?P<whose>your organization's|the) rate limit.{0,120}? of [\d,]{1,20} (?P<what>[a-z ]{1,40}?) per minute",
    re.IGNORECASE,
)
_CLIENT_SIDE = frozenset({400, 404, 413, 422})


@dataclass(frozen=True, slots=True)
class Row:
    """One rule that recognises a kind of failure.

    Parameters:
        kind: kind of failure.
        example: a provider's error, shortened, and whether it was recorded or only documented.
        at: HTTP statuses of the row; empty: any.
        words: pattern that one of the error's type and codes must match fully.
        text: pattern to find in its message. All patterns are bounded, so that no text of a server makes them slow.
        unless: pattern that the message must not contain.
        test: function of the whole evidence.
    """

    kind: Kind
    example: str
    at: frozenset[int] = frozenset()
    words: str = ""
    text: str = ""
    unless: str = ""
    test: Callable[[Evidence], bool] | None = None

    def matches(self, seen: Evidence) -> bool:
        """Return whether the row matches."""
        if self.at and seen.status is not None and seen.status not in self.at:
            return False
        if self.words and any(re.fullmatch(self.words, word) for word in seen.words):
            return True
        if self.text and re.search(self.text, seen.text, re.IGNORECASE):
            return not (self.unless and re.search(self.unless, seen.text, re.IGNORECASE))
        if self.test is not None:
            return self.test(seen)
        return not self.words and not self.text and seen.status in self.at


def never_fits(seen: Evidence) -> bool:
    """Return whether the request is larger than the whole limit per minute, so that waiting does not help.

    OpenAI names both numbers. Anthropic shows it by an untouched limit: what remains of it is all of it; where the
    headers are missing, by its wording.
    """
    if (openai := _OPENAI_LIMIT.search(seen.text)) and int(openai[2]) > int(openai[1]):
        return True
    if not (limit_text := _ANTHROPIC_LIMIT.search(seen.text)):
        return False
    name = f"anthropic-ratelimit-{limit_text['what'].strip().replace(' ', '-').lower()}"
    remaining, limit = seen.header(f"{name}-remaining"), seen.header(f"{name}-limit")
    if remaining is not None and limit is not None:
        return remaining == limit
    return limit_text["whose"].lower() != "the"


ROWS: tuple[Row, ...] = (
    Row(
        Kind.QUOTA,
        "Gemini 429 with the quotaId '...PerDay...'; Bedrock 'Too many tokens per day'; OpenRouter 'free-models-per-day'; "
        "Cohere '... 1000 API calls / month' (documented); not where it says when to try again (Groq)",
        at=frozenset({429}),
        words=r"[\w-]*perday[\w-]*",
        text=r"\bper[ -]day\b|/ month\b",
        unless="try again in",
    ),
    Row(
        Kind.RATE_LIMIT,
        "Gemini 429 RESOURCE_EXHAUSTED 'You exceeded your current quota ...' (documented)",
        words="resource_exhausted",
    ),
    Row(
        Kind.QUOTA,
        "OpenAI 429 insufficient_quota (recorded); Anthropic 400 'Your credit balance is too low' (documented)",
        at=frozenset({400, 402, 403, 412, 429}),
        words=r"insufficient_(quota|credits?|balance|funds)|credit_balance_\w+|\w*(spend|usage)_limit_(exceeded|reached)|billing_\w+"
        r"|servicequotaexceededexception",
        text=r"credit balance is too low|reached your specified api usage limits|exceeded your current quota"
        r"|insufficient (balance|credits|funds)|(all available|have any) credits|monthly spending limit|out of call volume quota",
    ),
    Row(Kind.QUOTA, "Anthropic 402 billing_error (documented)", at=frozenset({402})),
    Row(
        Kind.TOO_LARGE,
        "OpenAI 429 'Request too large for gpt-5-nano ...: Limit 200000, Requested 2500013' (recorded)",
        words="request_too_large",
        text=r"\brequest too large\b|usage is required for long context",
        test=never_fits,
    ),
    Row(
        Kind.CONTEXT_OVERFLOW,
        "OpenAI 400 context_length_exceeded; Anthropic 400 'prompt is too long: 3333404 tokens > 200000 maximum' (recorded)",
        at=_CLIENT_SIDE | {500},  # some gateways wrap it as 500
        words=r"context_length_exceeded|context_?window_?exceeded\w*|exceed_context_size_error|model_max_prompt_tokens_exceeded",
        text=r"maximum context length|exceed\w{0,3} .{0,40}context (window|length|size|limit)|prompt is too long|input is too long"
        r"|input tokens exceed the configured limit|contextwindowexceeded|(input|prompt) token count.{0,60}exceeds the (maximum|limit)"
        r"|maximum prompt length|`inputs` tokens \+ `max_new_tokens` must be|^too many tokens:|prompt token limit",
    ),
    Row(Kind.TOO_LARGE, "413 from a proxy (documented)", at=frozenset({413})),
    Row(
        Kind.REFUSED,
        "Azure 400 content_filter; Anthropic 400 'Output blocked by content filtering policy' (documented)",
        at=_CLIENT_SIDE | {403},
        words=r"content_filter|content_policy_violation|moderation_blocked|responsibleaipolicyviolation|\w*refusal\w*",
        text=r"content (filtering|management) policy|flagged as potentially violating|violat\w{1,4} (our|the) usage polic|input was flagged",
    ),
    Row(
        Kind.OVERLOADED,
        "Anthropic 529 overloaded_error, also as an event in a 200 stream (recorded)",
        words=r"\w*overloaded\w*|\w*capacity_exceeded|nocapacity|(modelnotready|serviceunavailable)exception",
    ),
    Row(
        Kind.OVERLOADED,
        "503 'The engine is currently overloaded'; Groq 498 'Flex tier capacity exceeded'; Ollama 503 'server busy' (documented)",
        at=frozenset({429, 498, 500, 503}),
        text=r"overloaded|over capacity|capacity exceeded|server busy|high demand",
    ),
    Row(Kind.OVERLOADED, "529 of any wording", at=frozenset({529})),
    Row(
        Kind.RATE_LIMIT,
        "OpenAI 429 rate_limit_exceeded; Anthropic 429 rate_limit_error (recorded)",
        words=r"rate_limit\w*|slow_down|ramp_limit_exceeded|too_many_requests|throttl\w+",
    ),
    Row(Kind.RATE_LIMIT, "429 of any wording", at=frozenset({429})),
    Row(
        Kind.AUTHENTICATION,
        "OpenAI 401 invalid_api_key; Anthropic 401 authentication_error (recorded)",
        words=r"authentication_error|invalid_api_key|invalid_authentication|api_key_invalid|(unrecognizedclient|expiredtoken)exception"
        r"|organization_restricted",
        text=r"\borganization has been (disabled|restricted)|incorrect api key|user location is not supported",
    ),
    Row(Kind.AUTHENTICATION, "401 of any wording: 'Could not parse your authentication token' (recorded)", at=frozenset({401})),
    Row(
        Kind.STATE_LOST,
        "OpenAI 404 'Item with id rs_... not found': state kept at the provider (documented); 400 \"Item 'rs_...' of type 'reasoning' was "
        'provided without its required following item" (recorded)',
        at=_CLIENT_SIDE,
        words="previous_response_not_found|invalid_encrypted_content",
        text=r"\b(item|response|container|conversation) with id .{0,120}not found|^file .{0,120}not found"
        r"|^item '[^']{1,120}' of type '\w{1,40}' was provided without|encrypted content .{0,120}could not be (verified|decrypted)"
        r"|previous response .{0,120}not found",
    ),
    Row(
        Kind.UNSUPPORTED,
        "OpenRouter 404 'No endpoints found that support tool use' (documented)",
        text="no endpoints found that support",
    ),
    Row(
        Kind.NOT_FOUND,
        "OpenAI chat 404, responses 400 model_not_found; Anthropic 404 'model: x' (recorded)",
        at=frozenset({400, 403, 404, 410}),
        words=r"model_not_found|not_found_error|deploymentnotfound|model_decommissioned|invalid_model",
        text=r"\bmodel\b.{0,120}(does not exist|not found|has been deprecated)|(not|n't) have access to (the )?model"
        r"|model identifier is invalid|with on-demand throughput isn|not a valid model|must be verified to use the model",
    ),
    Row(
        Kind.NOT_FOUND, "404 of any wording, or a redirect: the address is wrong", at=frozenset({301, 302, 303, 307, 308, 404})
    ),
    Row(Kind.AUTHENTICATION, "Anthropic 403 permission_error (documented)", words="permission_error"),
    Row(Kind.AUTHENTICATION, "403 of any wording", at=frozenset({403})),
    Row(
        Kind.TIMEOUT,
        "Anthropic 504 timeout_error (documented)",
        words=r"timeout_error|\w*_timeout|deadline_exceeded|modeltimeoutexception",
    ),
    Row(Kind.TIMEOUT, "408 and 504 of any wording", at=frozenset({408, 504})),
    Row(
        Kind.UNSUPPORTED,
        "OpenAI 400 unsupported_parameter, unsupported_value; 'Web search options not supported with this model' (recorded)",
        at=_CLIENT_SIDE,
        words="unsupported_(parameter|value|model)|integer_above_max_value",
        text=r"(not support(ed)?|deprecated|cannot .{0,60}) (with|by|for|in|on) ((this|the|your) model|'?(gpt|claude|gemini)-)"
        r"|\b(model|gpt|claude|gemini|o\d)\b.{0,80}(does not|doesn't) support|only supported (by|in|with) certain models"
        r"|(does not|doesn't) (support (this )?(tool|image|function)|work with the specified model)"
        r"|max_(completion_|output_|new_)?tokens.{0,80}(is too large|maximum allowed number of output tokens|less than or equal|must be at most)"
        r"|range of max_(completion_|output_|new_)?tokens|supported values are",
    ),
    Row(
        Kind.SERVER_ERROR,
        "OpenAI 500 server_error; Anthropic 500 api_error (recorded); Groq 400 tool_use_failed: what the model wrote is no call (documented)",
        words=r"(internal_)?server_error|api_error|service_unavailable|tool_use_failed|json_validate_failed"
        r"|(model|modelstream)errorexception|internalserverexception",
    ),
    Row(
        Kind.SERVER_ERROR,
        "503 'upstream connect error ...' as plain text (recorded); 409; 5xx",
        at=frozenset({409, 425, *range(500, 600)}),
    ),
    Row(Kind.CONNECTION, "499 of a proxy that lost its client", at=frozenset({499})),
    Row(
        Kind.BAD_REQUEST,
        "400 missing_required_parameter, invalid_value, ... (recorded); 'Input should be greater than ...': no provider would take it",
        at=_CLIENT_SIDE,
        words=r"invalid_value|missing_required_parameter|invalid_type|invalid_(image|file|base64)\w*|unsupported_file|\w+_below_min\w*",
        text=r"input should be (greater|less) than|\bfield required|could not process image|invalid base64|error while downloading",
    ),
    Row(
        Kind.NOT_ACCEPTED,
        "any other 4xx: 'property ... is unsupported', 'Extra inputs are not permitted', 'Provider returned error', a dialect of schemas: "
        "another provider may take it (recorded, documented)",
        at=frozenset(range(400, 500)),
    ),
    Row(
        Kind.NOT_ACCEPTED,
        "invalid_request_error and its kin without a status (recorded)",
        words=r"\w*invalid_\w+|badrequesterror|validationexception|unprocessable_\w+",
    ),
)


def classify(
    status: int | None = None,
    body: object = None,
    headers: Mapping[str, Any] | None = None,
    message: str = "",
    clock: Callable[[], float] = time.time,
) -> tuple[Kind, float | None]:
    """The kind of a failure, and the seconds that the provider asks to wait (None: it does not say).

    Parameters:
        status: HTTP status; None, or 200, for an error that came inside a stream.
        body: the error as sent or as the SDK keeps it: a mapping, JSON or plain text, or nothing.
        headers: of the response, names in any case; values may be lists.
        message: the error's text, where there is no body.
        clock: seconds since the epoch, for a `retry-after` that is a date.

    >>> classify(429, {"error": {"type": "requests", "code": "rate_limit_exceeded"}}, {"Retry-After": "20"})
    (<FailureKind.RATE_LIMIT: 'rate_limit'>, 20.0)
    >>> classify(429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}})
    (<FailureKind.QUOTA: 'quota_exhausted'>, None)
    >>> classify(200, {"type": "error", "error": {"type": "overloaded_error"}}, {"retry-after": "63"})
    (<FailureKind.OVERLOADED: 'overloaded'>, None)
    """
    seen = gather(status, body, headers, message)
    return kind_of(seen) or Kind.SERVER_ERROR, retry_after(seen, clock)


def kind_of(seen: Evidence) -> Kind | None:
    """The kind that the first matching row gives; None if none does."""
    return next((row.kind for row in ROWS if row.matches(seen)), None)
