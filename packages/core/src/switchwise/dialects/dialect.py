"""The type of a row of the table: what one API accepts in a request, and how its answers end.

A row is data. Pure functions on small facts (an id, a role, the name of a setting) apply it, one module per subject; adapters apply the result to their
own objects. So every adapter adapts a request in the same way, and a target gets its own earlier answers back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from switchwise.nouns.exchange.reply import EndReason

DATA, ADDRESS = "data", "address"
"""How an image or a file can be sent: inside the request (base64), or by its URL."""


class Thoughts(StrEnum):
    """The form in which an API accepts its own reasoning back."""

    NONE = "none"
    """Not accepted."""
    SIGNED = "signed"
    """Signed blocks, from the same model, unchanged."""
    ITEMS = "items"
    """Items that the provider stores, or that were returned encrypted."""
    FIELDS = "fields"
    """Message fields besides the text (`reasoning_content`, `reasoning_details`), from the same model."""


@dataclass(frozen=True, slots=True, eq=False)
class CallIdRules:
    """Rules for the ids of tool calls.

    Parameters:
        longest: maximum number of characters; 0: no limit.
        pattern: regular expression for the whole id; empty: anything.
        once: ids must be unique within a conversation.
        made: length of the ids that we generate; 0: `call_` and a digest.
    """

    longest: int = 0
    pattern: str = ""
    once: bool = False
    made: int = 0

    def accept(self, given: str) -> bool:
        """Return whether the API accepts an id unchanged."""
        if not given or (self.longest and len(given) > self.longest):
            return False
        return not self.pattern or re.fullmatch(self.pattern, given) is not None


@dataclass(frozen=True, slots=True, eq=False)
class TurnRules:
    """Rules for the order of turns.

    Parameters:
        user_first: the first turn must be a user turn, and there must be one.
        one_system: system messages at the start must be merged into one.
        system_in_place: a system message in mid-conversation is refused, dropped or moved, so it is sent as a user message.
        answer_between: an assistant turn must stand between a tool result and a user turn.
        no_prefill: the conversation must not end with another model's answer.
    """

    user_first: bool = False
    one_system: bool = False
    system_in_place: bool = False
    answer_between: bool = False
    no_prefill: bool = False

    @property
    def any(self) -> bool:
        """Return whether any rule applies."""
        return self.user_first or self.one_system or self.system_in_place or self.answer_between or self.no_prefill


@dataclass(frozen=True, slots=True, eq=False)
class SettingRules:
    """Rules for the settings of a call.

    Parameters:
        takes: settings that the API accepts, of those listed in `settings.KNOWN`. Unlisted settings are passed on: they may be new.
        words: setting -> its name in the API.
        longest: the API's name for the limit of output tokens.
        stop: the API's name for stop sequences.
        options: setting -> its name among the `options` of a request (Ollama).
        json_mode: JSON without a schema can be requested.
        hottest: the highest accepted `temperature`.
        ours: setting that another provider also has -> the values that this API understands.
        nested_effort: the effort is part of `reasoning` (Responses).
    """

    takes: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)
    longest: str = "max_tokens"
    stop: str = "stop"
    options: Mapping[str, str] = field(default_factory=dict)
    json_mode: bool = True
    hottest: float = 2.0
    ours: Mapping[str, frozenset[str]] = field(default_factory=dict)
    nested_effort: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ToolRules:
    """Rules for tools and tool choice.

    Parameters:
        longest_name: maximum length of a tool's name; 0: any length and any characters.
        none: tool calls can be forbidden.
        named: one of several tools can be forced.
        subset: the choice can be limited to some tools (`allowed_tools`).
        one_by_one: parallel calls can be disabled.
    """

    longest_name: int = 64
    none: bool = True
    named: bool = True
    subset: bool = False
    one_by_one: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class EndRules:
    """Rules for the end of an answer.

    Parameters:
        fields: fields of an answer, or of the last chunk of its stream, that say why it ended. Empty: unknown.
        words: their values -> the neutral reason.
        marked: a stream without any of these fields was truncated.
        usage_ends: a usage record, which the API sends last, also ends a stream.
    """

    fields: tuple[str, ...] = ()
    words: Mapping[str, EndReason] = field(default_factory=dict)
    marked: bool = True
    usage_ends: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What one API accepts and returns.

    Parameters:
        name: of the row.
        title: name of the API in documents and messages.
        protocol: name of the row whose requests have the same shape.
        ids, turns, settings, tools, ends: the rules of each subject.
        blank_user: a user message may be empty.
        blank_answer: an answer without text and tool calls may be sent back.
        media: `image`, `audio`, `video`, `file` -> how it can be sent (`DATA`, `ADDRESS`); missing: it cannot. None: unknown.
        media_in_results: tool results may hold more than text.
        cache_marks: blocks may carry `cache_control`.
        thoughts: the form in which the API accepts its reasoning back.
    """

    name: str
    title: str
    protocol: str
    ids: CallIdRules = CallIdRules()
    turns: TurnRules = TurnRules()
    settings: SettingRules = SettingRules()
    tools: ToolRules = ToolRules()
    ends: EndRules = EndRules()
    blank_user: bool = True
    blank_answer: bool = True
    media: Mapping[str, frozenset[str]] | None = None
    media_in_results: bool = True
    cache_marks: bool = False
    thoughts: Thoughts = Thoughts.NONE

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<dialect {self.name}>"

    def __copy__(self) -> Dialect:
        return self

    def __deepcopy__(self, memo: object) -> Dialect:
        return self
