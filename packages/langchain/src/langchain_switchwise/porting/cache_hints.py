"""Add cache hints to a call: see `switchwise.prompt_cache.cache_hints` and `switchwise.prompt_cache.breakpoints`.

| hint | place |
|---|---|
| key of affinity | a setting of the call, for models that are built on OpenAI's SDK, and those of Fireworks, Mistral and OpenRouter |
| end of the prompt | the setting `cache_control`, which ChatAnthropic puts where its transport wants it |
| end of the system prompt, end of the tools | a mark on the last block, on the last tool |
| end of the previous prompt, if it is out of reach | a mark on that message |

Inside an agent only the first three rows are used, and not the tools: LangChain's own caching middleware may stand further in, and
sets its marks at the same places, so that both agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_switchwise.models.native import Native
from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES
from switchwise.prompt_cache.breakpoints import LOOKBACK, control, last_block, out_of_reach
from switchwise.prompt_cache.cache_hints import CacheHints, Hint, key_of, with_hint
from switchwise.state.in_process import Memory

MARK = "cache_control"
_ADDRESSES = (
    # clients that are not built on OpenAI's: type of the model, where its address is, and what it is if not set
    ("fireworks-chat", "fireworks_api_base", "https://api.fireworks.ai"),
    ("mistralai-chat", "endpoint", "https://api.mistral.ai"),
    ("openrouter-chat", "openrouter_api_base", "https://openrouter.ai"),
)


class HintWriter:
    """Add the hints of `CacheHints` to the calls of a `ChatSwitchwise`.

    Parameters:
        hints: the configured hints.
        natives: the chat models by target name.
        size: most pairs of thread and target remembered.

    `idle`: no target needs hints.
    """

    __slots__ = ("_asked", "_hints", "_marked", "idle")

    def __init__(self, hints: CacheHints, natives: Mapping[str, Native], size: int = 256) -> None:
        self._hints = {name: hint for name, native in natives.items() if (hint := _hint(hints, native)) is not None}
        marks = hints.breakpoints and {name: native for name, native in natives.items() if _markable(native)}
        self._marked = {name: control(hints.breakpoints) for name in marks} if marks else {}
        self._marked |= {
            native.thinkless.name: self._marked[name] for name, native in (marks or {}).items() if native.thinkless
        }
        self.idle = not (self._hints or self._marked)
        self._asked: Memory[tuple[tuple[str, ...], str], tuple[Sequence[BaseMessage], bool]] = Memory(size)

    def settings(self, native: Native, thread: tuple[str, ...], named: bool, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of a call, with the key of its thread if the target accepts one.

        Parameters:
            native: the target.
            thread: key of the conversation.
            named: whether the caller named the session.
            kwargs: the settings; a given key is not changed.
        """
        hint = self._hints.get(native.name) if named else None
        return kwargs if hint is None else with_hint(kwargs, hint, key_of(thread))

    def mark(self, native: Native, kwargs: Mapping[str, Any]) -> dict[str, str] | None:
        """The mark for a call to this target; None if it accepts none, none are configured, or the caller sets them."""
        return None if MARK in kwargs else self._marked.get(native.name)

    def messages(
        self,
        native: Native,
        thread: tuple[str, ...],
        messages: Sequence[BaseMessage],
        mark: dict[str, str],
        *,
        whole: bool,
        end: bool,
    ) -> list[BaseMessage] | None:
        """The messages with marks; None if they have marks of the caller.

        Parameters:
            native: the target.
            thread: key of the conversation.
            messages: adapted to the target.
            mark: what to set.
            whole: no other code sets marks, so distant ones may be set too.
            end: the end of the prompt is marked here, since no setting reaches the model.
        """
        key = (thread, native.name)
        kept = self._asked.get(key)
        seen = len(kept[0]) if kept is not None and _goes_on(kept[0], messages) else 0
        theirs = (kept is not None and bool(seen) and kept[1]) or any(_is_marked(message) for message in messages[seen:])
        self._asked.put(key, (messages, theirs))
        if theirs:
            return None
        new = list(messages)
        if new and isinstance(new[0], SystemMessage):
            new[0] = _with(new[0], mark) or new[0]
        for place in [*([len(new) - 1] if end else []), *(_far(messages, seen) if whole else [])]:
            new[place] = _with(messages[place], mark) or new[place]
        return new


def marked_tools(tools: Sequence[Any]) -> bool:
    """Return whether the caller has marked any of these tools."""
    return any(MARK in (tool if isinstance(tool, Mapping) else getattr(tool, "extras", None) or ()) for tool in tools)


def _hint(hints: CacheHints, native: Native) -> Hint | None:
    """Place of the key at the model's endpoint, unless the model has its own key."""
    model: Any = native.model
    address, usual = next(
        ((getattr(model, name), usual) for kind, name, usual in _ADDRESSES if kind == model._llm_type),
        (getattr(getattr(model, "root_client", None), "base_url", None), None),
    )
    if address is None and usual is None:
        return None
    hint = hints.hint(str(address or usual), responses=native.dialect is OPENAI_RESPONSES)
    if hint is not None and model._llm_type == "openrouter-chat":  # its client takes no headers, but has a setting for this one
        hint = None if getattr(model, "session_id", None) else Hint("session_id")
    own = [getattr(model, name, None) or {} for name in ("model_kwargs", "extra_body", "default_headers")]
    return None if hint is None or any(hint.name == name.lower() for each in own for name in each) else hint


def _markable(native: Native) -> bool:
    marks_itself = MARK in (getattr(native.model, "model_kwargs", None) or {})
    older = native.model._llm_type == "amazon_bedrock_chat"  # sends settings as they are, and Bedrock refuses this one
    return native.dialect is ANTHROPIC and not (marks_itself or older)


def _goes_on(before: Sequence[BaseMessage], messages: Sequence[BaseMessage]) -> bool:
    """Whether `messages` begin as `before` did; its ends are looked at, for a mark at a wrong place does no harm."""
    count = len(before)
    return 0 < count <= len(messages) and messages[0] is before[0] and messages[count - 1] is before[-1]


def _far(messages: Sequence[BaseMessage], seen: int) -> list[int]:
    """Where a prompt ended that the mark at the end of this one does not reach."""
    last = len(messages) - 1
    start = seen - 1 if 0 < seen <= last else 0
    sizes = [_size(message) for message in messages[start:]]
    if sum(sizes) <= LOOKBACK:
        return []
    if start or seen == 1:
        ends = [0, last - start]
    else:
        ends = [i for i, message in enumerate(messages) if not isinstance(message, AIMessage | SystemMessage) or i == last]
    return [start + place for place in out_of_reach(sizes, ends, most=2)[1:]]


def _size(message: BaseMessage) -> int:
    """Blocks that it becomes, or more."""
    calls = len(message.tool_calls) if isinstance(message, AIMessage) else 0
    return calls + (1 if isinstance(message.content, str) else len(message.content))


def _is_marked(message: BaseMessage) -> bool:
    content = message.content
    return not isinstance(content, str) and any(isinstance(block, dict) and MARK in block for block in content)


def _with(message: BaseMessage, mark: dict[str, str]) -> BaseMessage | None:
    """The message with a mark at its end, otherwise rendered as it would be; None: no place for one."""
    content: Any = message.content
    if isinstance(content, str):
        if isinstance(message, ToolMessage):
            failed = message.status == "error"
            block = {"type": "tool_result", "content": content, "tool_use_id": message.tool_call_id, "is_error": failed}
        elif isinstance(message, HumanMessage | SystemMessage) and content.strip():
            block = {"type": "text", "text": content}
        else:
            return None
        return message.model_copy(update={"content": [{**block, MARK: mark}]})
    place = last_block(content)
    if place is None or isinstance(message, AIMessage):
        return None
    return message.model_copy(update={"content": [*content[:place], {**content[place], MARK: mark}, *content[place + 1 :]]})
