"""A provider's failure gets the kind that says what should happen next, and a bug is never taken for one."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_anthropic import ChatAnthropic
from langchain_core import exceptions as langchain
from langchain_openai import ChatOpenAI
from pydantic import AfterValidator, BaseModel, ValidationError

from switchwise import Target
from switchwise.failures import ROWS, IncompleteStream, Refusal, classify, effort_refused, target_error
from switchwise.nouns.errors import FailureKind as Kind
from switchwise.nouns.errors import TargetError
from switchwise_loopback import Fault, LoopbackProvider

from .. import traffic

REQUEST = httpx.Request("POST", "https://api.openai.com/v1/chat/completions")


# -- what providers really said ------------------------------------------------------------------------------------

RECORDED = [  # beginning of the file name, interaction, kind, seconds to wait
    ("history__cassettes__anthropic_completion_tools_part_2", 0, Kind.RATE_LIMIT, 7),
    ("history__cassettes__anthropic_completion_tools_part_2", 1, Kind.OVERLOADED, None),
    ("history__langchain_community__lcel_openai_chain_batch", 0, Kind.RATE_LIMIT, 20),
    ("history__anthropic__async", 1, Kind.SERVER_ERROR, None),
    ("history__image_gif__openai_gpt_4o_responses", 0, Kind.BAD_REQUEST, None),
    ("history__vcr_cassettes__chat_real_error_scenarios_anthropic_claude-haiku-4-5_handles_context", 0, Kind.TOO_LARGE, ...),
    ("history__vcr_cassettes__chat_real_error_scenarios_openai_gpt-4_1-nano", 0, Kind.TOO_LARGE, None),
    ("history__vcr_cassettes__chat_real_error_scenarios_openai_gpt-4_1-nano", 1, Kind.SERVER_ERROR, None),
    ("history__vcr_cassettes__chat_streaming_responses_anthropic", 0, Kind.OVERLOADED, None),
    ("history__vcr_cassettes__chat_with_failover", 3, Kind.RATE_LIMIT, 65),
    ("vcr_cassettes__chat_real_error_scenarios_anthropic", 0, Kind.CONTEXT_OVERFLOW, None),
    ("vcr_cassettes__chat_real_error_scenarios_openai", 0, Kind.CONTEXT_OVERFLOW, None),
    ("history__cassettes__test_openai_test_responses_async_api", 0, Kind.SERVER_ERROR, None),
    ("history__test_context_window_exceeded", 0, Kind.CONTEXT_OVERFLOW, None),
    ("history__test_tool_choice__test_tool_choice_none_live", 0, Kind.RATE_LIMIT, 4),
    ("history___vcr__content_image_url", 0, Kind.QUOTA, None),
    ("history__testdata__TestClient_WithAnthropicBetaHeader", 0, Kind.RATE_LIMIT, None),
    ("history__test_structured_outputs", 0, Kind.SERVER_ERROR, None),
    ("test_model_not_found__openai_gpt_4o_completions", 0, Kind.NOT_FOUND, None),
    ("test_model_not_found_stream__openai_gpt_4o_responses", 0, Kind.NOT_FOUND, None),
    ("test_model_not_found_stream__anthropic", 0, Kind.NOT_FOUND, None),
    ("test_authentication_error__anthropic", 0, Kind.AUTHENTICATION, None),
    ("test_authentication_error_stream__openai", 0, Kind.AUTHENTICATION, None),
    ("test_llm_call_when_stop_is_unsupported.yaml", 0, Kind.UNSUPPORTED, None),
    ("test_openai__test_openai_web_search_tool_model_not_supported", 0, Kind.UNSUPPORTED, None),
    ("test_anthropic__test_anthropic_explicit_effort_xhigh", 0, Kind.UNSUPPORTED, None),
]


def kind_and_wait(recorded: traffic.Recorded) -> tuple[Kind, float | None]:
    return classify(recorded.status, recorded.stream_error or recorded.body, recorded.headers)


@pytest.mark.parametrize(("name", "index", "kind", "wait"), RECORDED, ids=[f"{name[:60]}#{i}" for name, i, *_ in RECORDED])
def test_each_recorded_failure_is_of_its_kind(name: str, index: int, kind: Kind, wait: float | None) -> None:
    found = [one for one in traffic.recordings(traffic.SAMPLE) if one.file.name.startswith(name) and one.index == index]
    assert found
    for one in found:
        assert kind_and_wait(one)[0] is kind
        assert wait is ... or kind_and_wait(one)[1] == wait


def plainly(recorded: traffic.Recorded) -> Kind:
    """The kind by a reading of its own, much shorter than the table: enough for what was recorded."""
    said = json.dumps(recorded.stream_error) if recorded.stream_error else recorded.body
    status = {401: Kind.AUTHENTICATION, 403: Kind.AUTHENTICATION, 404: Kind.NOT_FOUND, 529: Kind.OVERLOADED}
    if kind := status.get(recorded.status):
        return kind
    if "overloaded" in said:
        return Kind.OVERLOADED
    if recorded.status >= 500:
        return Kind.SERVER_ERROR
    if "insufficient_quota" in said:
        return Kind.QUOTA
    if recorded.status == 429:
        never = "Request too large" in said or "your organization's rate limit" in said
        return Kind.TOO_LARGE if never else Kind.RATE_LIMIT
    if "context_length_exceeded" in said or "prompt is too long" in said:
        return Kind.CONTEXT_OVERFLOW
    if "model_not_found" in said:
        return Kind.NOT_FOUND
    if any(words in said for words in ("unsupported_parameter", "unsupported_value", "with this model", "This model does not")):
        return Kind.UNSUPPORTED
    if "without its required" in said:
        return Kind.STATE_LOST
    callers = (
        "invalid_value",
        "invalid_type",
        "_below_min",
        "missing_required",
        "invalid_image",
        "unsupported_file",
        "Input should be",
        "Could not process",
    )
    return Kind.BAD_REQUEST if any(words in said for words in callers) else Kind.NOT_ACCEPTED


def test_every_recorded_failure_is_of_the_kind_that_a_plain_reading_gives() -> None:
    failed = [one for one in traffic.recordings(traffic.traffic()) if one.failed]
    assert len(failed) >= 30
    assert {one.id: kind_and_wait(one)[0] for one in failed} == {one.id: plainly(one) for one in failed}


def test_a_good_answer_that_carries_retry_after_asks_for_no_pause() -> None:
    """Anthropic sends the header on answers of status 200; an error inside such a stream must not take it over."""
    assert classify(200, {"error": {"type": "overloaded_error"}}, {"retry-after": "63"}) == (Kind.OVERLOADED, None)


# -- what they document or what was reported -----------------------------------------------------------------------


def limits(what: str, limit: int, remaining: int) -> dict[str, str]:
    return {f"Anthropic-RateLimit-{what}-Limit": str(limit), f"Anthropic-RateLimit-{what}-Remaining": str(remaining)}


ANTHROPIC_LIMIT = "This request would exceed {} rate limit {} of 450,000 input tokens per minute."
YOURS = ANTHROPIC_LIMIT.format("your organization's", "")
THE = ANTHROPIC_LIMIT.format("the", "for your organization (abc)")

SAID: list[tuple[Kind, int | None, Any, dict[str, str]]] = [
    (Kind.QUOTA, 429, {"code": "organization_spend_limit_exceeded", "type": "insufficient_quota"}, {}),
    (Kind.QUOTA, 429, {"error": {"code": "credit_balance_exhausted"}}, {}),
    (Kind.QUOTA, 429, {"error": {"code": "organization_usage_limit_exceeded"}}, {}),
    (Kind.QUOTA, 429, {"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}}, {}),
    (Kind.QUOTA, 400, {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access"}}, {}),
    (Kind.QUOTA, 400, {"error": {"message": "You have reached your specified API usage limits."}}, {}),
    (Kind.QUOTA, 402, {"error": {"type": "billing_error", "message": "billing"}}, {}),
    (Kind.QUOTA, 402, "Insufficient Balance", {}),
    (Kind.QUOTA, None, {"type": "error", "error": {"type": "insufficient_quota", "message": "You exceeded"}}, {}),
    (Kind.RATE_LIMIT, 429, {"error": {"type": "rate_limit_error", "details": {"error_code": "ramp_limit_exceeded"}}}, {}),
    (Kind.RATE_LIMIT, 503, {"error": {"code": "slow_down", "message": "Slow Down"}}, {}),
    (
        Kind.RATE_LIMIT,
        429,
        [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "exceeded your current quota"}}],
        {},
    ),
    (Kind.RATE_LIMIT, 429, None, {}),
    (Kind.RATE_LIMIT, 429, {"error": {"message": THE}}, limits("Input-Tokens", 450_000, 0)),
    (Kind.RATE_LIMIT, 429, {"error": {"message": YOURS}}, limits("Input-Tokens", 450_000, 1_000)),
    (Kind.RATE_LIMIT, 429, {"error": {"message": THE}}, limits("Requests", 5, 5)),
    (
        Kind.RATE_LIMIT,
        429,
        {"message": "Rate limit reached on tokens per min (TPM): Limit 400000, Used 390000, Requested 20000"},
        {},
    ),
    (Kind.TOO_LARGE, 429, {"error": {"message": YOURS}}, {}),
    (Kind.TOO_LARGE, 429, {"error": {"message": YOURS}}, limits("Input-Tokens", 450_000, 450_000)),
    (Kind.TOO_LARGE, 429, {"error": {"message": THE}}, limits("Input-Tokens", 450_000, 450_000)),
    (Kind.TOO_LARGE, 429, {"message": "Rate limit reached on tokens per min (TPM): Limit 30000, Used 0, Requested 40000"}, {}),
    (Kind.TOO_LARGE, 413, {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}, {}),
    (Kind.TOO_LARGE, 413, "<html>413 Payload Too Large</html>", {}),
    (
        Kind.CONTEXT_OVERFLOW,
        400,
        {"message": "input length and `max_tokens` exceed context limit: 189136 + 20000 > 204648"},
        {},
    ),
    (Kind.CONTEXT_OVERFLOW, None, {"error": {"code": "context_length_exceeded", "message": "Your input exceeds"}}, {}),
    (Kind.CONTEXT_OVERFLOW, 400, {"message": "Input is too long for requested model."}, {}),
    (Kind.CONTEXT_OVERFLOW, 400, {"message": "This endpoint's maximum context length is 32768 tokens."}, {}),
    (Kind.REFUSED, 400, {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, {}),
    (
        Kind.REFUSED,
        400,
        {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}},
        {},
    ),
    (
        Kind.REFUSED,
        400,
        {"error": {"code": "invalid_prompt", "message": "your prompt was flagged as potentially violating"}},
        {},
    ),
    (Kind.OVERLOADED, 503, {"error": {"message": "The engine is currently overloaded, please try again later"}}, {}),
    (Kind.OVERLOADED, 200, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, {}),
    (Kind.OVERLOADED, 529, None, {}),
    (Kind.AUTHENTICATION, 401, {"detail": "Could not parse your authentication token."}, {}),
    (Kind.AUTHENTICATION, 403, {"error": {"type": "permission_error"}}, {}),
    (Kind.AUTHENTICATION, 403, {"error": {"code": "unsupported_country_region_territory"}}, {}),
    (Kind.NOT_FOUND, 403, {"code": "model_not_found", "message": "Project does not have access to model gpt-6"}, {}),
    (Kind.NOT_FOUND, 404, {"error": "model 'llama9' not found, try pulling it first"}, {}),
    (Kind.NOT_FOUND, 404, "404 page not found", {}),
    (Kind.STATE_LOST, 404, {"message": "Item with id 'rs_1' not found. Items are not persisted when `store` is false"}, {}),
    (Kind.STATE_LOST, 400, {"code": "previous_response_not_found", "message": "Previous response not found."}, {}),
    (Kind.TIMEOUT, 504, {"error": {"type": "timeout_error"}}, {}),
    (Kind.TIMEOUT, 408, None, {}),
    (Kind.UNSUPPORTED, 400, {"message": "'response_format' of type 'json_schema' is not supported with this model"}, {}),
    (
        Kind.UNSUPPORTED,
        400,
        {"message": "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens"},
        {},
    ),
    (
        Kind.UNSUPPORTED,
        400,
        {"message": "max_tokens is too large: 99999. This model supports at most 16384 completion tokens"},
        {},
    ),
    (Kind.UNSUPPORTED, 400, {"message": "claude-3-haiku-20240307 does not support thinking."}, {}),
    (Kind.UNSUPPORTED, 400, {"message": "Function tools with reasoning_effort are not supported for gpt-5.9 in this API"}, {}),
    (Kind.UNSUPPORTED, 400, {"message": "Invalid content type. image_url is only supported by certain models."}, {}),
    (Kind.BAD_REQUEST, 400, {"code": "unsupported_file", "message": "The file type you uploaded is not supported."}, {}),
    (Kind.BAD_REQUEST, 400, {"code": "invalid_value", "message": "got unsupported MIME type 'audio/mpeg'"}, {}),
    (
        Kind.AUTHENTICATION,
        400,
        {"error": {"type": "invalid_request_error", "message": "This organization has been disabled."}},
        {},
    ),
    (Kind.SERVER_ERROR, 409, {"error": {"message": "conflict"}}, {}),
    (Kind.SERVER_ERROR, 502, "<html>502 Bad Gateway</html>", {}),
    (Kind.SERVER_ERROR, None, {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}}}, {}),
    (Kind.SERVER_ERROR, None, {"message": "An error occurred during streaming"}, {}),
    (Kind.NOT_ACCEPTED, None, {"object": "error", "type": "BadRequestError", "code": 400, "message": "bad"}, {}),
    (Kind.BAD_REQUEST, 422, {"detail": [{"msg": "field required"}]}, {}),
]


@pytest.mark.parametrize(("kind", "status", "body", "headers"), SAID)
def test_what_is_said_stands_before_the_status_it_is_said_with(kind: Kind, status: int | None, body: Any, headers: Any) -> None:
    assert classify(status, body, headers)[0] is kind
    if not isinstance(body, str):
        assert classify(status, json.dumps(body), headers)[0] is kind, "the body as text"


WAITS: list[tuple[float | None, dict[str, Any], str]] = [
    (20.0, {"retry-after": "20"}, ""),
    (0.25, {"Retry-After": "9", "retry-after-ms": "250"}, ""),
    (30.0, {"retry-after": formatdate(1_000_030, usegmt=True)}, ""),
    (5.0, {"retry-after": formatdate(2_000_005, usegmt=True), "date": formatdate(2_000_000, usegmt=True)}, ""),
    (0.0, {"retry-after": formatdate(999_000, usegmt=True)}, ""),
    (None, {"retry-after": "-1"}, ""),
    (None, {"retry-after": "nan"}, ""),
    (None, {"retry-after": "soon"}, ""),
    (7.0, {"retry-after": ["7"]}, ""),
    (23.03, {}, "Limit 40000, Requested 9000. Please try again in 23.03s. Visit https://example.com"),
    (23.03, {"retry-after": "-1"}, "Please try again in 23.03s."),
    (0.812, {}, "Please try again in 812ms."),
    (432.5, {}, "Please try again in 7m12.5s."),
    (10.0, {}, "Please retry after 10 seconds."),
    (None, {}, "Please try again later"),
    (None, {}, "try again after 2026-11-20"),
]


@pytest.mark.parametrize(("seconds", "headers", "message"), WAITS)
def test_the_pause_asked_for_is_read_in_every_way_it_is_said(
    seconds: float | None, headers: dict[str, str], message: str
) -> None:
    _, wait = classify(429, {"error": {"message": message}}, headers, clock=lambda: 1_000_000.0)
    assert wait == (None if seconds is None else pytest.approx(seconds))


@given(
    st.none() | st.integers(100, 599),
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date", "x"]), st.text()),
)
def test_no_answer_is_so_odd_that_it_cannot_be_classified(status: int | None, body: Any, headers: dict[str, str]) -> None:
    kind, wait = classify(status, body, headers)
    assert kind in Kind
    assert wait is None or wait >= 0


def test_the_table_covers_every_kind_that_a_provider_can_name() -> None:
    assert {row.kind for row in ROWS} == set(Kind)


# -- exceptions ----------------------------------------------------------------------------------------------------


def kind_of(error: BaseException) -> Kind | None:
    failure = target_error(error)
    if failure is None:
        return None
    assert failure.own is error
    return failure.kind


def chained(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("lib", [httpx, httpx2])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ConnectError", Kind.CONNECTION),
        ("ReadError", Kind.CONNECTION),
        ("WriteError", Kind.CONNECTION),
        ("CloseError", Kind.CONNECTION),
        ("RemoteProtocolError", Kind.CONNECTION),
        ("ProxyError", Kind.CONNECTION),
        ("ReadTimeout", Kind.TIMEOUT),
        ("ConnectTimeout", Kind.TIMEOUT),
        ("WriteTimeout", Kind.TIMEOUT),
        ("PoolTimeout", Kind.TIMEOUT),
        ("LocalProtocolError", None),
        ("UnsupportedProtocol", None),
        ("InvalidURL", None),
    ],
)
def test_transport_errors_of_both_generations_of_httpx(lib: Any, name: str, kind: Kind | None) -> None:
    assert kind_of(getattr(lib, name)("boom")) is kind


class Model(BaseModel):
    number: int


def invalid() -> ValidationError:
    try:
        Model(number="x")  # type: ignore[arg-type]
    except ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError("reset"), Kind.CONNECTION),
        (ConnectionRefusedError("refused"), Kind.CONNECTION),
        (socket.gaierror("name"), Kind.CONNECTION),
        (ssl.SSLError("handshake"), Kind.CONNECTION),
        (TimeoutError("slow"), Kind.TIMEOUT),
        (IncompleteStream("no [DONE]"), Kind.CONNECTION),
        (Refusal("I cannot help with that"), Kind.REFUSED),
        (RuntimeError("Event loop is closed"), Kind.CONNECTION),
        (langchain.ContextOverflowError("long"), Kind.CONTEXT_OVERFLOW),
        (langchain.ModelRateLimitError("slow"), Kind.RATE_LIMIT),
        (langchain.ModelTimeoutError("slow"), Kind.TIMEOUT),
        (langchain.ModelConnectionError("gone"), Kind.CONNECTION),
        (ValueError("insufficient_quota: You exceeded your current quota"), Kind.QUOTA),
        (ValueError({"code": "server_error", "message": "The server had an error"}), Kind.SERVER_ERROR),
        (ValueError("ResponseError(code='rate_limit_exceeded', message='slow')"), Kind.RATE_LIMIT),
        (ValueError("Response resp_1 failed."), Kind.SERVER_ERROR),
        (ValueError("bad"), None),
        (ValueError(["bad"]), None),
        (ValueError("not_a_code: said by a bug"), None),
        (TypeError("bad"), None),
        (KeyError("code"), None),
        (RuntimeError("bad"), None),
        (FileNotFoundError("cassette.json"), None),
        (json.JSONDecodeError("bad", "", 0), None),
        (invalid(), None),
        (asyncio.CancelledError(), None),
        (KeyboardInterrupt(), None),
        (GeneratorExit(), None),
        (openai.OpenAIError("The api_key client option must be set"), None),
        (chained(RuntimeError("wrapped"), httpx.ReadError("boom")), Kind.CONNECTION),
        (chained(ValueError("a bug while it was handled"), httpx.ReadError("boom")), None),
    ],
    ids=repr,
)
def test_only_what_a_provider_stands_behind_is_a_failure(error: BaseException, kind: Kind | None) -> None:
    assert kind_of(error) is kind


@pytest.mark.parametrize(
    "cause", [ValueError("bug"), RuntimeError("sockets are blocked"), traffic.CassetteMiss("not recorded")]
)
@pytest.mark.parametrize("wrap", [openai.APIConnectionError, anthropic.APIConnectionError, openai.APITimeoutError])
def test_a_bug_inside_an_sdk_s_connection_error_is_a_bug(wrap: Any, cause: BaseException) -> None:
    assert kind_of(chained(wrap(request=REQUEST), cause)) is None


def test_a_connection_error_without_a_cause_is_taken_at_its_word() -> None:
    assert kind_of(openai.APIConnectionError(request=REQUEST)) is Kind.CONNECTION
    assert kind_of(openai.APITimeoutError(request=REQUEST)) is Kind.TIMEOUT


def test_a_chain_of_causes_that_runs_in_a_circle_ends() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert target_error(one) is None


def test_any_client_with_a_status_code_is_understood() -> None:
    class SDKError(Exception):
        status_code = 429
        body: str | bytes = '{"error": {"code": "insufficient_quota"}}'

    class Raw(SDKError):
        body = b'{"error": {"code": "insufficient_quota"}}'

    class GoogleError(Exception):
        code = 503
        status = "UNAVAILABLE"

    assert kind_of(SDKError()) is kind_of(Raw()) is Kind.QUOTA
    assert kind_of(GoogleError()) is Kind.SERVER_ERROR


def test_a_target_error_is_returned_as_it_is() -> None:
    error = TargetError(Kind.QUOTA)
    assert target_error(error) is error


def test_a_proxy_s_page_instead_of_an_answer_is_a_server_error() -> None:
    response = httpx.Response(200, text="<html>", request=REQUEST)
    assert kind_of(openai.APIResponseValidationError(response, "<html>")) is Kind.SERVER_ERROR


@pytest.mark.parametrize(
    "said", ["Incorrect API key provided: sk-proj-abc123def.", "bad sk-ant-api03-xyz123 here", "Bearer abcdef0123456789"]
)
def test_no_key_is_repeated(said: str) -> None:
    response = httpx.Response(401, request=REQUEST)
    body = {"message": said, "details": [{"reason": said}]}
    failure = target_error(openai.AuthenticationError(said, response=response, body=body))
    assert failure is not None
    assert said not in str(vars(failure.own)), "nor in the exception's body"
    assert not {"sk-proj-abc123def", "sk-ant-api03-xyz123", "abcdef0123456789"} & set(str(failure).replace(".", "").split())


def test_what_a_rule_of_the_standard_library_refuses_in_a_model_of_the_users_is_no_failure_of_the_target() -> None:
    class Host(BaseModel):
        address: Annotated[str, AfterValidator(ip_address)]

    sdk: dict[str, Any] = {"__name__": "openai.lib", "Host": Host}
    exec("def parse(response): return Host.model_validate(response)", sdk)
    with pytest.raises(ValidationError, match="localhost") as refused:
        sdk["parse"]({"address": "localhost"})
    assert target_error(refused.value) is None
    with pytest.raises(ValidationError) as unreadable:
        sdk["parse"]({"address": 5})
    assert kind_of(unreadable.value) is Kind.SERVER_ERROR


def test_a_refused_effort_of_another_target_or_of_nothing_listed_stays_the_failure_that_it_is() -> None:
    target = Target("sol", model="gpt-5.6-sol", effort="low")
    for said in ("Unsupported value: 'temperature'", "Unsupported value: 'x'. Supported values are: 'none', 'low'."):
        failure = TargetError(Kind.UNSUPPORTED, said)
        assert effort_refused(failure, target) is failure


def test_a_long_message_is_shortened() -> None:
    body = {"error": {"message": "x" * 5000}}
    failure = target_error(openai.BadRequestError("x", response=httpx.Response(400, request=REQUEST), body=body))
    assert failure is not None
    assert len(str(failure)) <= 300


# -- the real classes, from a real server --------------------------------------------------------------------------

NOT_STREAMED = {  # what an OpenAI, and what an Anthropic failure is
    Fault.RATE_LIMIT: (Kind.RATE_LIMIT, Kind.RATE_LIMIT),
    Fault.CONCURRENCY: (Kind.RATE_LIMIT, Kind.RATE_LIMIT),
    Fault.QUOTA: (Kind.QUOTA, Kind.QUOTA),
    Fault.TOO_LARGE: (Kind.TOO_LARGE, Kind.TOO_LARGE),
    Fault.SERVER_ERROR: (Kind.SERVER_ERROR, Kind.SERVER_ERROR),
    Fault.UNAVAILABLE: (Kind.SERVER_ERROR, Kind.SERVER_ERROR),
    Fault.AUTHENTICATION: (Kind.AUTHENTICATION, Kind.AUTHENTICATION),
    Fault.PERMISSION: (Kind.NOT_FOUND, Kind.AUTHENTICATION),  # "does not have access to model": others may be open
    Fault.NOT_FOUND: (Kind.NOT_FOUND, Kind.NOT_FOUND),
    Fault.CONTEXT_OVERFLOW: (Kind.CONTEXT_OVERFLOW, Kind.CONTEXT_OVERFLOW),
    Fault.BAD_REQUEST: (Kind.BAD_REQUEST, Kind.BAD_REQUEST),
    Fault.RESET: (Kind.CONNECTION, Kind.CONNECTION),
}
STREAMED = {
    Fault.RESET_MID_STREAM: (Kind.CONNECTION, Kind.CONNECTION),
    Fault.STREAM_ERROR_MID: (Kind.SERVER_ERROR, Kind.OVERLOADED),
}


def ask_openai(url: str, stream: bool) -> None:
    client = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
    answer = client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi"}], stream=stream)  # type: ignore[call-overload]
    list(answer)


def ask_anthropic(url: str, stream: bool) -> None:
    client = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
    message = {"role": "user", "content": "hi"}
    answer = client.messages.create(model="claude", max_tokens=9, messages=[message], stream=stream)  # type: ignore[call-overload]
    list(answer)


def ask_langchain(model: Any, stream: bool) -> None:
    list(model.stream("hi")) if stream else model.invoke("hi")


ASK = {
    "openai": lambda at, stream: ask_openai(at.openai_url, stream),
    "anthropic": lambda at, stream: ask_anthropic(at.anthropic_url, stream),
    "ChatOpenAI": lambda at, stream: ask_langchain(
        ChatOpenAI(base_url=at.openai_url, api_key="x", model="gpt", max_retries=0), stream
    ),
    "ChatAnthropic": lambda at, stream: ask_langchain(
        ChatAnthropic(base_url=at.anthropic_url, api_key="x", model="claude", max_retries=0, max_tokens=9), stream
    ),
}


@pytest.mark.parametrize("who", ASK)
@pytest.mark.parametrize(
    ("fault", "kinds", "stream"),
    [*((fault, kinds, False) for fault, kinds in NOT_STREAMED.items()), *((f, kinds, True) for f, kinds in STREAMED.items())],
    ids=lambda value: getattr(value, "value", ""),
)
def test_a_failing_server_seen_through_the_sdks_and_langchain(who: str, fault: Fault, kinds: Any, stream: bool) -> None:
    with LoopbackProvider() as provider:
        provider.inject(fault)
        with pytest.raises(Exception) as caught:  # noqa: PT011  # the class differs from case to case; its kind is asserted
            ASK[who](provider, stream)
    assert kind_of(caught.value) is kinds["nthropic" in who]


def test_an_adapter_s_response_that_only_looks_like_one_is_no_failure() -> None:
    class Odd(Exception):
        response = SimpleNamespace(headers={})

    assert target_error(Odd()) is None


def test_no_sdk_is_imported_to_classify_failures() -> None:
    heavy = {"openai", "anthropic", "httpx", "httpx2", "langchain_core"}
    code = f"import sys, switchwise.failures; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_table_in_the_docs_is_the_table_that_decides() -> None:
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, root / "tools" / "draw_failures.py", "--check"], check=True)
