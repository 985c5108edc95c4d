"""What providers other than OpenAI and Anthropic say when they fail, by their documentation and public issues; none of it was recorded by us.

The same bodies were sent to the integrations of LangChain (versions in docs/providers.md) by a loopback server, whole and streamed: each
raised what is classified here.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import errors as genai
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError

from fairlead.errors import FailureKind as Kind
from fairlead.failures import classify, target_error

BODIES: list[tuple[str, int, Any, Kind]] = [
    (
        "gemini",
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing details. * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 2\nPlease retry in 34.07s.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                        "violations": [
                            {
                                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                                "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                                "quotaDimensions": {"model": "gemini-2.5-pro"},
                                "quotaValue": "50",
                            }
                        ],
                    },
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
                ],
            }
        },
        Kind.RATE_LIMIT,
    ),
    (
        "gemini",
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                        "violations": [
                            {
                                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                                "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                                "quotaDimensions": {"model": "gemini-2.5-pro"},
                                "quotaValue": "50",
                            }
                        ],
                    },
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
                ],
            }
        },
        Kind.QUOTA,
    ),
    (
        "gemini",
        429,
        {"error": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).", "status": "RESOURCE_EXHAUSTED"}},
        Kind.RATE_LIMIT,
    ),
    (
        "gemini",
        503,
        {"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}},
        Kind.OVERLOADED,
    ),
    (
        "gemini",
        400,
        {
            "error": {
                "code": 400,
                "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                "status": "INVALID_ARGUMENT",
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "gemini",
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "API_KEY_INVALID",
                        "domain": "googleapis.com",
                    }
                ],
            }
        },
        Kind.AUTHENTICATION,
    ),
    (
        "gemini",
        400,
        {"error": {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}},
        Kind.AUTHENTICATION,
    ),
    (
        "gemini",
        403,
        {"error": {"code": 403, "message": "Method doesn't allow unregistered callers", "status": "PERMISSION_DENIED"}},
        Kind.AUTHENTICATION,
    ),
    (
        "gemini",
        404,
        {
            "error": {
                "code": 404,
                "message": "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.",
                "status": "NOT_FOUND",
            }
        },
        Kind.NOT_FOUND,
    ),
    (
        "gemini",
        500,
        {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}},
        Kind.SERVER_ERROR,
    ),
    (
        "gemini",
        504,
        {"error": {"code": 504, "message": "The request timed out. Please try again.", "status": "DEADLINE_EXCEEDED"}},
        Kind.TIMEOUT,
    ),
    (
        "gemini",
        400,
        {
            "error": {
                "code": 400,
                "message": "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
                "status": "INVALID_ARGUMENT",
            }
        },
        Kind.BAD_REQUEST,
    ),
    (
        "mistral",
        429,
        {"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300"},
        Kind.RATE_LIMIT,
    ),
    (
        "mistral",
        429,
        {
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "service_tier_capacity_exceeded",
            "param": None,
            "code": "3505",
        },
        Kind.OVERLOADED,
    ),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "mistral",
        400,
        {"object": "error", "message": "Invalid model: foo", "type": "invalid_model", "code": "1500"},
        Kind.NOT_FOUND,
    ),
    ("mistral", 401, {"detail": "Unauthorized"}, Kind.AUTHENTICATION),
    ("mistral", 402, {"detail": "x"}, Kind.QUOTA),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Unexpected role 'user' after role 'tool'",
            "type": "invalid_request_message_order",
            "code": "3230",
        },
        Kind.BAD_REQUEST,
    ),
    ("mistral", 503, {"message": "no healthy upstream"}, Kind.SERVER_ERROR),
    (
        "groq",
        413,
        {
            "error": {
                "message": "Request too large for model `llama-3.3-70b-versatile` in organization `org` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 8000, please reduce your message size and try again.",
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
        Kind.TOO_LARGE,
    ),
    (
        "groq",
        429,
        {
            "error": {
                "message": "Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99900, Requested 400. Please try again in 4m19s.",
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
        Kind.RATE_LIMIT,
    ),
    ("groq", 498, {"error": {"message": "Flex tier capacity exceeded", "type": "capacity_exceeded"}}, Kind.OVERLOADED),
    (
        "groq",
        503,
        {
            "error": {
                "message": "x is currently over capacity. Please try again and back off exponentially.",
                "type": "internal_server_error",
            }
        },
        Kind.OVERLOADED,
    ),
    (
        "groq",
        400,
        {
            "error": {
                "message": "Please reduce the length of the messages or completion.",
                "type": "invalid_request_error",
                "code": "context_length_exceeded",
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "groq",
        400,
        {
            "error": {
                "message": "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
                "type": "invalid_request_error",
                "code": "tool_use_failed",
                "failed_generation": "<function>",
            }
        },
        Kind.SERVER_ERROR,
    ),
    (
        "groq",
        400,
        {
            "error": {
                "message": "Failed to generate JSON. Please adjust your prompt.",
                "type": "invalid_request_error",
                "code": "json_validate_failed",
                "failed_generation": "{",
            }
        },
        Kind.SERVER_ERROR,
    ),
    (
        "groq",
        400,
        {
            "error": {
                "message": "The model `x` has been decommissioned and is no longer supported.",
                "type": "invalid_request_error",
                "code": "model_decommissioned",
            }
        },
        Kind.NOT_FOUND,
    ),
    (
        "fireworks",
        412,
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "code": "PRECONDITION_FAILED",
                "message": "Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices. Please go to https://fireworks.ai/account/billing",
            }
        },
        Kind.QUOTA,
    ),
    (
        "fireworks",
        400,
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "message": "The prompt is too long: 140000, model maximum context length: 131071",
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    ("fireworks", 429, {"error": {"message": "rate limit"}}, Kind.RATE_LIMIT),
    (
        "fireworks",
        404,
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "code": "NOT_FOUND",
                "message": "Model not found, inaccessible, and/or not deployed",
            }
        },
        Kind.NOT_FOUND,
    ),
    ("fireworks", 503, {"error": {"message": "overloaded"}}, Kind.OVERLOADED),
    (
        "together",
        422,
        {
            "error": {
                "message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 512 `max_new_tokens`",
                "type": "invalid_request_error",
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    ("together", 402, {"error": {"message": "Credit limit exceeded", "type": "credit_limit"}}, Kind.QUOTA),
    (
        "together",
        503,
        {"error": {"message": "The server is overloaded or not ready yet.", "type": "service_unavailable"}},
        Kind.OVERLOADED,
    ),
    (
        "deepseek",
        402,
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}},
        Kind.QUOTA,
    ),
    (
        "deepseek",
        400,
        {
            "error": {
                "message": "The `reasoning_content` in the thinking mode must be passed back to the API.",
                "type": "invalid_request_error",
                "code": "invalid_request_error",
            }
        },
        Kind.BAD_REQUEST,
    ),
    (
        "deepseek",
        400,
        {
            "error": {
                "message": "deepseek-reasoner does not support this tool_choice",
                "type": "invalid_request_error",
                "code": "invalid_request_error",
            }
        },
        Kind.UNSUPPORTED,
    ),
    (
        "xai",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "xai",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: x***x. You can obtain an API key from https://console.x.ai.",
        },
        Kind.AUTHENTICATION,
    ),
    (
        "xai",
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created teams doesn't have any credits yet. You can purchase credits on https://console.x.ai/",
        },
        Kind.QUOTA,
    ),
    (
        "xai",
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Your team x has either used all available credits or reached its monthly spending limit.",
        },
        Kind.QUOTA,
    ),
    (
        "xai",
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model grok-9 does not exist or your team does not have access to it.",
        },
        Kind.NOT_FOUND,
    ),
    ("ollama", 404, {"error": 'model "x" not found, try pulling it first'}, Kind.NOT_FOUND),
    ("ollama", 400, {"error": "registry.ollama.ai/library/gemma:2b does not support tools"}, Kind.UNSUPPORTED),
    ("ollama", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, Kind.OVERLOADED),
    ("ollama", 500, {"error": "llama runner process has terminated"}, Kind.SERVER_ERROR),
    (
        "openrouter",
        402,
        {"error": {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "code": 402}},
        Kind.QUOTA,
    ),
    (
        "openrouter",
        402,
        {
            "error": {
                "message": "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 1200.",
                "code": 402,
            }
        },
        Kind.QUOTA,
    ),
    (
        "openrouter",
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
                "code": 429,
            }
        },
        Kind.QUOTA,
    ),
    (
        "openrouter",
        429,
        {
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {"raw": "x is temporarily rate-limited upstream. Please retry shortly", "provider_name": "P"},
            }
        },
        Kind.RATE_LIMIT,
    ),
    (
        "openrouter",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum","type":"invalid_request_error"}}',
                    "provider_name": "Anthropic",
                },
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "openrouter",
        400,
        {
            "error": {
                "message": "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens",
                "code": 400,
            }
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    (
        "openrouter",
        403,
        {
            "error": {
                "message": "Your chosen model requires moderation and your input was flagged",
                "code": 403,
                "metadata": {"reasons": ["x"], "flagged_input": "y"},
            }
        },
        Kind.REFUSED,
    ),
    ("openrouter", 404, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}, Kind.UNSUPPORTED),
    ("openrouter", 502, {"error": {"message": "Provider returned error", "code": 502}}, Kind.SERVER_ERROR),
    ("openrouter", 401, {"error": {"message": "User not found.", "code": 401}}, Kind.AUTHENTICATION),
    ("openrouter", 400, {"error": {"message": "x is not a valid model ID", "code": 400}}, Kind.NOT_FOUND),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 10 API calls / minute."}, Kind.RATE_LIMIT),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, Kind.QUOTA),
    (
        "cohere",
        400,
        {
            "message": "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs. The limit for this model is 128000 tokens."
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    ("cohere", 401, {"message": "invalid api token"}, Kind.AUTHENTICATION),
    ("cohere", 404, {"message": "model 'x' not found, make sure the correct model ID was used"}, Kind.NOT_FOUND),
    ("cohere", 422, {"message": "bad"}, Kind.BAD_REQUEST),
    ("nvidia", 429, {"status": 429, "title": "Too Many Requests"}, Kind.RATE_LIMIT),
    (
        "nvidia",
        402,
        {"title": "Payment Required", "detail": "Account 'x': Cloud credits expired - Please contact NVIDIA representatives"},
        Kind.QUOTA,
    ),
    ("nvidia", 401, {"status": 401, "title": "Unauthorized"}, Kind.AUTHENTICATION),
    ("nvidia", 404, {"status": 404, "title": "Not Found", "detail": "Function 'x': Not found for account 'y'"}, Kind.NOT_FOUND),
    (
        "nvidia",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
            "type": "BadRequestError",
            "code": 400,
        },
        Kind.CONTEXT_OVERFLOW,
    ),
    ("nvidia", 500, {"detail": "Inference error"}, Kind.SERVER_ERROR),
    (
        "azure",
        429,
        {
            "error": {
                "code": "429",
                "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds.",
            }
        },
        Kind.RATE_LIMIT,
    ),
    (
        "azure",
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}},
        Kind.NOT_FOUND,
    ),
    (
        "azure",
        401,
        {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}},
        Kind.AUTHENTICATION,
    ),
    (
        "azure",
        429,
        {
            "error": {
                "code": "NoCapacity",
                "message": "The system is currently experiencing high demand and cannot process your request.",
            }
        },
        Kind.OVERLOADED,
    ),
    (
        "azure",
        403,
        {"error": {"code": "403", "message": "Out of call volume quota. Quota will be replenished in 12 days."}},
        Kind.QUOTA,
    ),
    (
        "azure",
        400,
        {
            "error": {
                "code": "OperationNotSupported",
                "message": "The chatCompletion operation does not work with the specified model, gpt-5-codex.",
            }
        },
        Kind.UNSUPPORTED,
    ),
]
CODES: list[tuple[str, int, str, Kind]] = [
    # of AWS, with Bedrock's words
    ("ThrottlingException", 429, "Too many requests, please wait before trying again.", Kind.RATE_LIMIT),
    ("ThrottlingException", 429, "Too many tokens per day, please wait before trying again.", Kind.QUOTA),
    ("ServiceUnavailableException", 503, "Bedrock is unable to process your request.", Kind.OVERLOADED),
    ("ModelNotReadyException", 429, "Model is not ready for inference.", Kind.OVERLOADED),
    ("ModelTimeoutException", 408, "timed out", Kind.TIMEOUT),
    ("ModelErrorException", 424, "The system encountered an unexpected error during processing.", Kind.SERVER_ERROR),
    ("ValidationException", 400, "Input is too long for requested model.", Kind.CONTEXT_OVERFLOW),
    (
        "ValidationException",
        400,
        "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
        Kind.CONTEXT_OVERFLOW,
    ),
    ("ServiceQuotaExceededException", 400, "Your account quota is exceeded.", Kind.QUOTA),
    ("AccessDeniedException", 403, "You don't have access to the model with the specified model ID.", Kind.NOT_FOUND),
    (
        "AccessDeniedException",
        403,
        "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
        Kind.AUTHENTICATION,
    ),
    ("UnrecognizedClientException", 403, "The security token included in the request is invalid.", Kind.AUTHENTICATION),
    ("ResourceNotFoundException", 404, "Could not resolve the foundation model", Kind.NOT_FOUND),
    ("ValidationException", 400, "The provided model identifier is invalid.", Kind.NOT_FOUND),
    (
        "ValidationException",
        400,
        "Invocation of model ID anthropic.claude-sonnet-4-5 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
        Kind.NOT_FOUND,
    ),
    ("ValidationException", 400, "messages.1.content.0: unexpected", Kind.BAD_REQUEST),
    ("ValidationException", 400, "This model doesn't support tool use.", Kind.UNSUPPORTED),
    ("InternalServerException", 500, "internal", Kind.SERVER_ERROR),
]


@pytest.mark.parametrize(("who", "status", "body", "kind"), BODIES)
def test_what_a_provider_says_tells_the_kind(who: str, status: int, body: Any, kind: Kind) -> None:
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
