"""Build the view of a call from its caller and messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ImageBlock

from llama_index.llms.switchwise.models.messages import turn_of
from switchwise import View
from switchwise.adapting.views import Caller, ViewBuilder, longest_of
from switchwise.nouns.scope import Key
from switchwise.reading import token_estimate as tokens
from switchwise.state.in_process import Memory

_UNKNOWN = 120  # assumed tokens of a tool without a readable definition


class ChatViews:
    """Build the view of each call; caches read messages per thread, so that only new ones are read.

    Parameters:
        size: most threads kept.
        fetchers: names of the providers whose integration downloads images given by URL.
        providers: names of all providers in the pool.
    """

    def __init__(
        self, size: int = 2_000, fetchers: frozenset[str] = frozenset(), providers: frozenset[str] = frozenset()
    ) -> None:
        self._builder = ViewBuilder(turn_of, measured, _tool_identity, size, self._number, lambda tool: _tool_identity(tool)[0])
        self._steps: Memory[Key, Iterator[int]] = Memory(size)
        self._passing_on = providers - fetchers if fetchers else frozenset()

    def view(
        self,
        caller: Caller,
        messages: Sequence[ChatMessage],
        tools: Sequence[Any] | None,
        kwargs: Mapping[str, Any],
        structured: bool = False,
        streamed: bool = False,
    ) -> View:
        """The view of a call.

        Parameters:
            caller: the caller.
            messages: the whole prompt.
            tools: the offered tools.
            kwargs: settings of the call.
            structured: the answer must follow a schema.
            streamed: the answer is streamed.
        """
        return self._builder.view(
            messages,
            caller,
            tools=tools,
            structured=structured or (bool(kwargs) and kwargs.get("response_format") is not None),
            max_output=longest_of(kwargs) if kwargs else None,
            tier=kwargs.get("service_tier") if kwargs else None,
            image_providers=lambda: self._reachable(messages),
            streamed=streamed,
        )

    def _number(self, key: Key) -> int:
        return next(self._steps.get(key) or self._steps.update(key, _counting))

    def _reachable(self, messages: Sequence[ChatMessage]) -> frozenset[str]:
        """The only providers that may serve the images: routing must not cause a download that another provider avoids."""
        if self._passing_on and any(isinstance(b, ImageBlock) and b.url for message in messages for b in message.blocks):
            return self._passing_on
        return frozenset()


def measured(tool: Any) -> int:
    """Tokens of a tool definition, by its schema; a flat number for one that only its own target can read."""
    try:
        schema = json.dumps(
            tool.metadata.to_openai_tool(skip_length_check=True), ensure_ascii=False, separators=(",", ":"), default=str
        )
    except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError):
        return _UNKNOWN
    return tokens.tools(schema)


def _tool_identity(tool: Any) -> tuple[str, int]:
    """Name and length of the description."""
    return str(tool.metadata.name), len(str(tool.metadata.description or ""))


def _counting(counter: Iterator[int] | None) -> Iterator[int]:
    return counter or count()
