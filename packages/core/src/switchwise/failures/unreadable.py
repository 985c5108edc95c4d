"""Distinguish an unreadable answer from a bug: both raise TypeError, IndexError, JSONDecodeError or ValidationError.

It is the target's failure when the code of an SDK or of an integration raised it, and an answer had come already: the frames of the
traceback say whose code it was, and hold the answer. Standard library, pydantic and the frameworks' own cores are neutral: whoever called
them counts. Anything else, such as a callback, a tool, a model class of the user's own, or a request that could not be built, is a bug.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any

from switchwise.failures.evidence import gather, quoted
from switchwise.failures.table import kind_of
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.reply import EndReason, Reply

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError)
"""Exceptions of reading an invalid answer; JSONDecodeError, UnicodeDecodeError and pydantic's ValidationError are ValueErrors."""
_SDKS = frozenset(
    """openai anthropic httpx httpx2 httpcore httpcore2 h11 h2 google groq mistralai cohere ollama boto3 botocore aiohttp requests urllib3
    together fireworks cerebras xai_sdk ibm_watsonx_ai huggingface_hub zai dashscope jiter""".split()
)
_NEUTRAL = frozenset(
    "pydantic pydantic_core langchain_core langgraph tenacity anyio typing_extensions wrapt opentelemetry".split()
)
_OURS = ("switchwise", "langchain_switchwise", "langchain_core", "langchain_tests")
_ANSWERS = (
    "response",
    "raw_response",
    "http_response",
    "completion",
    "chunk",
    "sse",
    "event",
    "raw_data",
    "response_dict",
    "resp",
    "result",
)
"""What SDKs and integrations call an answer, or a piece of one, while they read it."""
_READERS = (
    "switchwise.clients.",
    "switchwise.protocols.",
    "switchwise.dialects.",
    "switchwise.nouns.usage",
    "langchain_switchwise.answering.",
    "llama_index.llms.switchwise.answering.",
)
"""Our own code that reads answers, and nothing of the user's."""


def unreadable(error: BaseException, trace: TracebackType | None = None) -> str | None:
    """Describe what could not be read of an answer; None if `error` is something else.

    Parameters:
        error: exception of performing a call.
        trace: its traceback, where the error does not carry it yet.
    """
    if not isinstance(error, UNREADABLE):
        return None
    frames = _frames(error.__traceback__ or trace)
    if _breaks_a_rule_of_the_users(error):
        return None
    if not frames or not _raised_by_an_sdk(frames):
        return None
    sdk_frames = [frame for frame in frames if _is_sdk(frame)]
    if not any(map(_holds_an_answer, sdk_frames)) and not _read_from_nothing(error, sdk_frames[-1]):
        return None
    return f"its answer could not be read ({type(error).__name__})"


def _breaks_a_rule_of_the_users(error: BaseException) -> bool:
    """Whether a validator that is no SDK's refused what was read: pydantic's ValidationError keeps what its validators raised."""
    if type(error).__module__.partition(".")[0] != "pydantic_core" or not hasattr(error, "errors"):
        return False
    raised = [(detail.get("ctx") or {}).get("error") for detail in error.errors()]
    frames = [_frames(one.__traceback__) for one in raised if isinstance(one, BaseException)]
    return any(trace and not _raised_by_an_sdk(trace) for trace in frames)


def _raised_by_an_sdk(frames: list[FrameType]) -> bool:
    for frame in reversed(frames):
        if _is_sdk(frame):
            return True
        if not _is_neutral(frame):
            return False
    return False


def _frames(trace: TracebackType | None) -> list[FrameType]:
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames[-200:]  # a recursion has many


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "")


def _is_sdk(frame: FrameType) -> bool:
    module = _module(frame)
    root = module.partition(".")[0]
    if module.startswith(_READERS) or root in _SDKS or (root.startswith("langchain_") and not module.startswith(_OURS)):
        return True
    return module.startswith("llama_index.llms.") and not module.startswith("llama_index.llms.switchwise")


def _is_neutral(frame: FrameType) -> bool:
    module = _module(frame)
    root = module.partition(".")[0]
    return root in _NEUTRAL or root in sys.stdlib_module_names or module.startswith("llama_index.core") or not module


def _holds_an_answer(frame: FrameType) -> bool:
    held = frame.f_locals
    return any(_is_something(held.get(name)) for name in _ANSWERS)


def _read_from_nothing(error: BaseException, frame: FrameType) -> bool:
    """Whether the code of `frame` reads an answer whose body is `null`."""
    nothing = (
        error.obj is None if isinstance(error, AttributeError) else isinstance(error, TypeError) and "NoneType" in str(error)
    )
    return nothing and any(name in frame.f_locals and frame.f_locals[name] is None for name in _ANSWERS)


def _is_something(value: Any) -> bool:
    return value is not None and not isinstance(value, (bool, type))


def check_answer(reply: Reply, error: object = None, content: bool = False) -> None:
    """Check that a complete reply is an answer at all.

    Parameters:
        reply: what was read of it.
        error: what the body holds as its error; None or empty: nothing.
        content: it has content other than text and calls of tools.

    Raises:
        TargetError: it is a failure with a good status, or empty.
    """
    if error:
        seen = gather(None, {"error": error} if not isinstance(error, str) else error, None, str(error))
        raise TargetError(
            kind_of(seen) or FailureKind.SERVER_ERROR, quoted(seen.text) or "an error in a good answer", billable=True
        )
    has_content = bool(reply.text or reply.tool_calls or reply.answers or content)
    if reply.end is EndReason.ERROR:
        raise TargetError(FailureKind.SERVER_ERROR, "the provider reports that its answer failed", billable=True)
    if not has_content and reply.end is EndReason.UNKNOWN:
        raise TargetError(FailureKind.SERVER_ERROR, "an answer without content and without an end", billable=True)
