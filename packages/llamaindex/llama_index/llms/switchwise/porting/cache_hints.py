"""Add cache hints to a call: see `switchwise.prompt_cache.cache_hints` and `switchwise.prompt_cache.breakpoints`.

| hint | place |
|---|---|
| key of affinity | a setting of the call, for LLMs that are built on OpenAI's SDK |
| end of the prompt | the setting `cache_control` of a call to Anthropic |
| end of the previous prompt, if it is out of reach | a cache point in the message after it |

LlamaIndex's Anthropic integration has no place for a mark on the system prompt, on tools, or on a tool's result: what is kept is
kept with the conversation that follows it. Anthropic finds the end of the prompt by itself, but not on Bedrock or Vertex: there,
nothing is marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import CacheControl, CachePoint, ChatMessage, MessageRole

from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.models.request import ChatRequest, CompletionRequest
from llama_index.llms.switchwise.porting.messages import MARKABLE
from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES
from switchwise.prompt_cache.breakpoints import control, out_of_reach
from switchwise.prompt_cache.cache_hints import CacheHints, Hint, key_of, with_hint
from switchwise.state.in_process import Memory

Prepared = tuple[list[ChatMessage], dict[str, Any]]
_MARK = "cache_control"
_MOST = 3
_TOOLS = (MessageRole.TOOL, MessageRole.FUNCTION)
_CLOUDS = ("AnthropicBedrock", "AnthropicVertex")


class HintWriter:
    """Add the hints of `CacheHints` to the calls of a `Switchwise`. Thread-safe.

    Parameters:
        hints: the configured hints.
        natives: the LLMs by target name.
        size: most pairs of thread and target remembered.

    `idle`: no target needs hints.
    """

    __slots__ = ("_asked", "_control", "_hints", "_marked", "_point", "idle")

    def __init__(self, hints: CacheHints, natives: Mapping[str, Native], size: int = 256) -> None:
        self._hints = {name: hint for name, native in natives.items() if (hint := _hint(hints, native)) is not None}
        self._marked = frozenset([name for name, native in natives.items() if hints.breakpoints and _markable(native)])
        self._control = control(hints.breakpoints)
        self._point = CachePoint(cache_control=CacheControl(type="ephemeral", ttl=hints.breakpoints or "5m"))
        self._asked: Memory[tuple[str, ...], Sequence[ChatMessage]] = Memory(size)
        self.idle = not self._hints and not self._marked

    def hinted(
        self, native: Native, thread: tuple[str, ...], named: bool, request: ChatRequest, prepared: Prepared
    ) -> Prepared:
        """Messages and settings of a call, with what lets its prompt cache be found again; the same objects where there is nothing to add.

        Parameters:
            native: the target.
            thread: key of the conversation.
            named: the caller named the session: only then does its thread have a key.
            request: what is asked, in the caller's words: where those hold marks, somebody else decides.
            prepared: messages and settings in the words of the target.
        """
        messages, settings = prepared
        if isinstance(request, CompletionRequest):  # it has no thread, and no messages
            return prepared
        hint = self._hints.get(native.name) if named else None
        if hint is not None:
            settings = with_hint(settings, hint, key_of(thread))
        if native.name not in self._marked or request.structured or asks_to_cache(native, request):
            return messages, settings
        key = (*thread, native.name)
        kept = self._asked.get(key)
        seen = len(kept) if kept is not None and _goes_on(kept, request.messages) else 0
        self._asked.put(key, request.messages)
        marked = list(messages)
        for place in _far(messages, seen):
            marked[place] = self._with_point(messages[place])
        return marked, {**settings, _MARK: self._control}

    def asked(self, native: Native, request: ChatRequest) -> bool:
        """Whether something was to be cached by Anthropic: for the caller, or for us."""
        return native.name in self._marked or asks_to_cache(native, request)

    def _with_point(self, message: ChatMessage) -> ChatMessage:
        """The message with a cache point after its first block that can have one."""
        blocks = message.blocks
        place = next((i for i, block in enumerate(blocks, 1) if isinstance(block, MARKABLE)), None)
        if place is None:
            return message
        return message.model_copy(update={"blocks": [*blocks[:place], self._point, *blocks[place:]]})


def asks_to_cache(native: Native, request: ChatRequest) -> bool:
    """Whether the caller, or the LLM's own settings, ask Anthropic to cache something: nothing is, unasked."""
    if native.marks or _MARK in request.kwargs or _MARK in (getattr(native.llm, "additional_kwargs", None) or ()):
        return True
    return any(
        message.additional_kwargs.get(_MARK) or any(isinstance(block, CachePoint) for block in message.blocks)
        for message in request.messages
    )


def _hint(hints: CacheHints, native: Native) -> Hint | None:
    """Where the LLM's endpoint takes a key, unless the LLM has one of its own."""
    address = getattr(native.llm, "api_base", None)
    if native.integration != "openai" or not isinstance(address, str):
        return None
    hint = hints.hint(address, responses=native.dialect is OPENAI_RESPONSES)
    own = [getattr(native.llm, name, None) or {} for name in ("additional_kwargs", "default_headers")]
    return None if hint is None or any(hint.name == name.lower() for each in own for name in each) else hint


def _goes_on(before: Sequence[ChatMessage], messages: Sequence[ChatMessage]) -> bool:
    """Whether `messages` begin as `before` did; its ends are looked at, for a mark at a wrong place does no harm."""
    count = len(before)
    return 0 < count <= len(messages) and messages[0] is before[0] and messages[count - 1] is before[-1]


def _far(messages: Sequence[ChatMessage], seen: int) -> list[int]:
    """The messages to mark, so that the prompts before them are found, which the mark at the end does not reach."""
    last = len(messages) - 1
    if 0 < seen <= last:
        ends = [seen - 1, last]
    else:
        ends = [
            i for i, each in enumerate(messages) if each.role not in (MessageRole.ASSISTANT, MessageRole.SYSTEM) or i == last
        ]
    found = out_of_reach([len(message.blocks) for message in messages], ends, _MOST)[1:]
    return [end + 1 for end in found if messages[end + 1].role not in _TOOLS]


def _markable(native: Native) -> bool:
    return native.dialect is ANTHROPIC and type(getattr(native.llm, "_client", None)).__name__ not in _CLOUDS
