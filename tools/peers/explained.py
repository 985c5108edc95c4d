"""The tests that pass with the bare model and fail through switchwise, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """An explained difference.

    Parameters:
        test: the test's id, or the beginning of several.
        says: words of its failure; another failure of the same test is not explained.
        because: the reason.
    """

    test: str
    says: str
    because: str


_PRIVATE = "the test calls a private method of the native class, which a router has no reason to have"
_RECORD = (
    "the test compares whole metadata; an answer through switchwise carries its decision there, with an id of its own as the provider's "
    "answers have one. It stays: feedback comes later, from a stored message, and what a checkpoint keeps is what equality compares"
)
_GROUP = (
    "once the failed target has been tried again, the error is AllTargetsFailed, a group that holds the model's own: what looks "
    "at the class of the error alone, or counts the calls, sees the difference"
)
_OPENAI = "tests/integration_tests/chat_models/"
_AGENTS = "tests/unit_tests/agents/"

EXPLAINED: Mapping[str, tuple[Explained, ...]] = {
    "OpenAI: its own tests": (
        Explained(f"{_OPENAI}test_base.py::test_streaming_tool_call_v1_v2_parity", "'switchwise': {'decision'", _RECORD),
        Explained(f"{_OPENAI}test_responses_api.py::test_reasoning_text_v1_v2_parity", "'switchwise': {'decision'", _RECORD),
    ),
    "Anthropic: its own tests": (
        Explained("tests/integration_tests/test_chat_models.py::test_skills", "_get_request_payload", _PRIVATE),
    ),
    "create_agent: structured output": (
        Explained(f"{_AGENTS}test_response_format_integration.py::test_strict_mode", "_get_request_payload", _PRIVATE),
    ),
    "create_agent and its middleware": (
        Explained(
            f"{_AGENTS}middleware/core/test_framework.py::test_create_agent_invoke[memory]", "assert {'messages'", _RECORD
        ),
        Explained(
            f"{_AGENTS}middleware/core/test_wrap_model_call.py::TestErrorHandling::test_selective_error_handling",
            "AllTargetsFailed",
            _GROUP,
        ),
        Explained(
            f"{_AGENTS}middleware/implementations/test_model_retry.py::test_model_retry_retries_retryable_errors",
            "assert 6 == 3",
            _GROUP,
        ),
        Explained(
            f"{_AGENTS}middleware/implementations/test_model_refusal.py::test_stream_surfaces_refusal",
            "the stream ended without its terminal marker",
            "the fake says that its stream is OpenAI's, but ends it without a finish reason, as OpenAI does not: to switchwise it is a "
            "stream that was cut after its first words were shown",
        ),
    ),
    "LLMs and function calling": (
        Explained(
            "tests/llms/test_function_calling.py::test_tool_required_compatibility",
            "cannot unpack non-iterable NoneType",
            "the test replaces the private `_prepare_chat_with_tools`; through switchwise each target prepares its own tools",
        ),
        Explained(
            "tests/llms/test_callbacks.py::test_",
            'has no field "api_key"',
            "the test sets an attribute that only its mock has",
        ),
        Explained(
            "tests/llms/test_mock.py::test_mock_function_calling_llm_tool_calls",
            "'tool_calls'",
            "the test reads an attribute that only the mock has",
        ),
    ),
}
