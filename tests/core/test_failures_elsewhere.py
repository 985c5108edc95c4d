"""What providers other than OpenAI and Anthropic say when they fail, by their documentation and public issues; none of it was recorded by us.

The same bodies were sent to the integrations of LangChain (versions in docs/reference/providers.md) by a loopback server, whole and streamed: each
raised what is classified here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors as genai
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError

from switchwise.failures import classify, target_error
from switchwise.nouns.errors import FailureKind as Kind

BODIES: list[tuple[str, int, Any, Kind]] = [
    (who, status, body, Kind[kind])
    for who, status, body, kind in json.loads((Path(__file__).parents[1] / "data" / "failures_elsewhere.json").read_text())[
        "bodies"
    ]
]
CODES = [(body["code"], status, body["message"], kind) for who, status, body, kind in BODIES if who == "bedrock"]


@pytest.mark.parametrize(("who", "status", "body", "kind"), BODIES)
def test_the_error_of_a_provider_determines_the_kind(who: str, status: int, body: Any, kind: Kind) -> None:
    assert classify(status, body)[0] is kind


class ClientError(Exception):
    """As botocore raises it: the response is a dictionary."""

    def __init__(self, code: str, message: str, status: int | None) -> None:
        self.response: dict[str, Any] = {"Error": {"Code": code, "Message": message}}
        if status is not None:
            self.response["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": {}}
        super().__init__(f"An error occurred ({code}) when calling the Converse operation: {message}")


@pytest.mark.parametrize(("code", "status", "said", "kind"), CODES)
def test_aws_says_it_in_a_code_and_in_words(code: str, status: int, said: str, kind: Kind) -> None:
    failure = target_error(ClientError(code, said, status))
    assert failure is not None
    assert failure.kind is kind
    assert str(failure) == said


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("throttlingException", Kind.RATE_LIMIT),
        ("serviceUnavailableException", Kind.OVERLOADED),
        ("modelStreamErrorException", Kind.SERVER_ERROR),
        ("internalServerException", Kind.SERVER_ERROR),
    ],
)
def test_an_error_in_the_middle_of_a_stream_of_bedrock_has_no_status(code: str, kind: Kind) -> None:
    failure = target_error(ClientError(code, "It broke off.", None))
    assert failure is not None
    assert failure.kind is kind


@pytest.mark.parametrize(
    ("name", "base", "kind"),
    [
        ("EndpointConnectionError", "ConnectionError", Kind.CONNECTION),
        ("ReadTimeoutError", "HTTPClientError", Kind.TIMEOUT),
        ("ConnectTimeoutError", "ConnectionError", Kind.TIMEOUT),
        ("NoCredentialsError", "BotoCoreError", Kind.AUTHENTICATION),
        ("ParamValidationError", "BotoCoreError", None),
    ],
)
def test_what_botocore_raises_without_an_answer(name: str, base: str, kind: Kind | None) -> None:
    parent = type(base, (Exception,), {"__module__": "botocore.exceptions"})
    failure = target_error(type(name, (parent,), {"__module__": "botocore.exceptions"})("no answer"))
    assert (failure and failure.kind) is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RefreshError", Kind.AUTHENTICATION),
        ("DefaultCredentialsError", Kind.AUTHENTICATION),
        ("TransportError", Kind.CONNECTION),
    ],
)
def test_what_google_s_authentication_raises(name: str, kind: Kind) -> None:
    failure = target_error(type(name, (Exception,), {"__module__": "google.auth.exceptions"})("no token"))
    assert failure is not None
    assert failure.kind is kind


def test_what_langchain_says_of_gemini_counts_less_than_what_gemini_said() -> None:
    body = next(body for who, status, body, kind in BODIES if who == "gemini" and kind is Kind.QUOTA)
    own = genai.ClientError(429, body, None)
    wrapped = type("ModelRateLimitError", (ChatGoogleGenerativeAIError,), {})("Error calling model")
    wrapped.__cause__ = own
    for error in (own, wrapped):
        failure = target_error(error)
        assert failure is not None
        assert failure.kind is Kind.QUOTA


def test_a_plain_exception_of_chatnvidia_has_its_status_in_its_words() -> None:
    failure = target_error(Exception("[429] Too Many Requests"))
    assert failure is not None
    assert failure.kind is Kind.RATE_LIMIT
    assert target_error(Exception("429 apples")) is None
    assert target_error(ValueError("[429] Too Many Requests")) is None


def test_the_words_of_chatmistralai_end_with_the_body() -> None:
    error = type("HTTPStatusError", (Exception,), {"status_code": 400})
    body = '{"object": "error", "message": "Invalid model: foo", "type": "invalid_model", "code": "1500"}'
    failure = target_error(error(f"Error response 400 while fetching https://api.mistral.ai/v1/chat/completions: {body}"))
    assert failure is not None
    assert failure.kind is Kind.NOT_FOUND
    assert str(failure) == "Invalid model: foo"


def test_what_another_provider_said_is_heard_through_openrouter() -> None:
    failure = classify(
        400, next(body for who, _, body, kind in BODIES if who == "openrouter" and kind is Kind.CONTEXT_OVERFLOW)
    )
    assert failure[0] is Kind.CONTEXT_OVERFLOW
