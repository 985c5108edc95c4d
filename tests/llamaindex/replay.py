"""Recorded answers of providers, given to a native LlamaIndex LLM, bare and inside `Switchwise`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from llama_index.core.base.llms.types import ChatMessage

from llama_index.llms.switchwise import Switchwise
from switchwise import AllTargetsFailed, Interrupted, Pool, Router, Target
from switchwise.engine.recovery import Recovery
from switchwise.failures import IncompleteStream
from switchwise.nouns.secrets import masked

from ..traffic import Recorded

HELLO = [ChatMessage(role="user", content="hello")]
_NOT_SENT = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def transport(recorded: Recorded) -> httpx.Client:
    """Answers every request with the recording."""

    def answer(_: httpx.Request) -> httpx.Response:
        headers = [
            (name, value) for name, values in recorded.headers.items() for value in values if name.lower() not in _NOT_SENT
        ]
        return httpx.Response(recorded.status, headers=headers, content=recorded.body.encode())

    return httpx.Client(transport=httpx.MockTransport(answer))


def outcome(llm: Any, streamed: bool) -> tuple[list[Any], BaseException | None]:
    """What an LLM gave, chunk by chunk, and what it raised.

    The chunks are read at the end: `Switchwise` holds tool calls until they are whole, and the integration puts into all chunks of
    a stream one list of calls that it goes on filling.
    """
    given: list[Any] = []
    raised: BaseException | None = None
    try:
        for response in llm.stream_chat(HELLO) if streamed else [llm.chat(HELLO)]:
            given.append(response)  # noqa: PERF402  (what came before an error counts)
    except Exception as error:  # noqa: BLE001  (whatever the integration raises is what is compared)
        raised = error
    return [_essence(response) for response in given], raised


def check(recorded: Recorded, make: Callable[[], Any]) -> None:
    """The routed LLM gives what the bare one gives; where that fails, it fails with the same error, or says what was silent."""
    chunks, error = outcome(make(), recorded.streamed)
    routed, routed_error = outcome(_routed(make()), recorded.streamed)
    if isinstance(routed_error, AllTargetsFailed):
        routed_error = routed_error.exceptions[0]
    elif isinstance(routed_error, Interrupted):
        routed_error = routed_error.__cause__
    if error is None and isinstance(routed_error, IncompleteStream):
        assert recorded.stream_error is not None or not _terminated(recorded), "a complete answer was taken for a broken one"
        return
    assert type(routed_error) is type(error)
    assert routed_error is error or str(routed_error) == masked(str(error)), (
        "but for keys, which are hidden, the error is the bare one's"
    )
    assert routed == chunks or (error is not None and routed == chunks[: len(routed)])


def _routed(llm: Any) -> Switchwise:
    """An LLM that waits for nobody: a recorded `retry-after` is not worth its seconds."""
    return Switchwise({"only": llm}, router=Router(Pool([Target("only")]), recovery=Recovery(patience=0)))


def _terminated(recorded: Recorded) -> bool:
    markers = ('"finish_reason":"', '"finish_reason": "', "message_stop")
    return any(marker in recorded.body for marker in markers)


def _essence(response: Any) -> Any:
    kwargs = {key: value for key, value in response.additional_kwargs.items() if key != "switchwise"}
    return response.message.model_dump(), response.delta, kwargs
