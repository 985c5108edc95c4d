"""Caller and messages, as the policies see them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole

from llama_index.llms.switchwise.models.messages import turn_of
from llama_index.llms.switchwise.reading.scope import Caller, Moment
from switchwise import Needs, Scope, StepKind, View
from switchwise.nouns.scope import Key
from switchwise.reading import token_estimate as tokens
from switchwise.reading.reader import NO_FRONT, ConversationReader, Front, fingerprint
from switchwise.state.in_process import Memory

_UNKNOWN = 120  # tokens of a tool that cannot be shown as others are
_MAIN = "main"
_NO_NEEDS = Needs()
_OPENING = 4
_FINALIZE = Moment.FINALIZE  # asked at every call, and a class of enumerations takes long to tell its members


class Views:
    """Builds the view of each call; keeps per thread what it has read, so that only new messages are read.

    Parameters:
        size: how many threads are kept.
        fetchers: names of the providers whose integration downloads an image that is given by its address.
        providers: names of all providers in the pool.
    """

    def __init__(
        self, size: int = 2_000, fetchers: frozenset[str] = frozenset(), providers: frozenset[str] = frozenset()
    ) -> None:
        self._reader = ConversationReader(turn_of, size=size)
        self._sizes: tokens.Lengths[Any] = tokens.Lengths(measured, _told_by)
        self._steps: Memory[Key, Iterator[int]] = Memory(size)
        self._passing_on = providers - fetchers if fetchers else frozenset()

    def view(
        self,
        caller: Caller,
        messages: Sequence[ChatMessage],
        tools: Sequence[Any] | None,
        kwargs: Mapping[str, Any],
        structured: bool = False,
    ) -> View:
        """The view of a call.

        Parameters:
            caller: who makes it.
            messages: the whole prompt.
            tools: those that are offered.
            kwargs: settings of the call.
            structured: the answer must follow a schema.
        """
        session, agent, task, pin, deadline, labels, moment, _, tenant = caller
        session = session or opening(messages)
        agent = agent or _MAIN
        front = self._front(tools) if tools else NO_FRONT
        reading = self._reader.read((tenant, session, agent), messages, None if tools is None else bool(tools), front)
        signals = reading.signals
        if moment is _FINALIZE:
            signals = replace(signals, step=StepKind.FINAL_ANSWER, because="the agent finishes its run")
        task = task or signals.phase or ""
        key = (tenant, session, agent, task)
        step = next(self._steps.get(key) or self._steps.update(key, _counting))
        needs = _NO_NEEDS
        if tools or structured or kwargs or reading.modalities:
            needs = Needs(
                bool(tools),
                structured or kwargs.get("response_format") is not None,
                reading.modalities,
                kwargs.get("max_tokens"),
                self._reachable(messages) if "image" in reading.modalities else frozenset(),
            )
        scope = Scope(session, agent, task, step, labels, deadline, tenant)
        return View(scope, reading.tokens, needs, signals, pin, prefix=reading.prefix)

    def _front(self, tools: Sequence[Any]) -> Front:
        """Whether the same tools are offered as before, told by their names; and how long their definitions are."""
        return hash(tuple([str(tool.metadata.name) for tool in tools])), self._sizes.of(tools)

    def _reachable(self, messages: Sequence[ChatMessage]) -> frozenset[str]:
        """The only providers that can serve the images: a route must not make us download what another passes on."""
        if self._passing_on and any(isinstance(b, ImageBlock) and b.url for message in messages for b in message.blocks):
            return self._passing_on
        return frozenset()


def measured(tool: Any) -> int:
    """Tokens of one definition, by its schema; a flat number for one that only its own target can read."""
    try:
        schema = json.dumps(
            tool.metadata.to_openai_tool(skip_length_check=True), ensure_ascii=False, separators=(",", ":"), default=str
        )
    except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError):
        return _UNKNOWN
    return tokens.tools(schema)


def _told_by(tool: Any) -> tuple[str, int]:
    """Name and length of the description."""
    return str(tool.metadata.name), len(str(tool.metadata.description or ""))


def opening(messages: Sequence[ChatMessage]) -> str:
    """What stands for the session where nobody names one: a hash of how the conversation began."""
    system = first_user = ""
    for message in messages[:_OPENING]:
        if message.role is MessageRole.SYSTEM and not system:
            system = message.content or ""
        elif message.role is MessageRole.USER:
            first_user = message.content or ""
            break
    return fingerprint(system, first_user)


def _counting(counter: Iterator[int] | None) -> Iterator[int]:
    return counter or count()
