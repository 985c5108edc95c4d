"""The shape of a row of the table: what one API takes in a request, and what its answers end with.

A row is data. What follows from it is decided by pure functions on small facts (an id, a role, a name of a setting), one module for each subject;
adapters apply the result to their own objects. So every adapter adapts a request in the same way, and a target still gets its own answers back as
they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from switchwise.nouns.exchange.reply import EndReason

DATA, ADDRESS = "data", "address"
"""How a picture or a file reaches an API: inside the request (base64), or by its URL."""


class Thoughts(StrEnum):
    """How an API wants its own reasoning back."""

    NONE = "none"
    """It takes none."""
    SIGNED = "signed"
    """Blocks with a signature, from the same model, unchanged."""
    ITEMS = "items"
    """Items that it keeps itself, or that came encrypted."""
    FIELDS = "fields"
    """Fields of the message besides its text (`reasoning_content`, `reasoning_details`), from the same model."""


@dataclass(frozen=True, slots=True, eq=False)
class CallIdRules:
    """What the ids of tool calls must look like.

    Parameters:
        longest: characters; 0: any number.
        pattern: what the whole id must match; empty: anything.
        once: an id may stand for one call of a conversation only.
        made: how many characters an id has that we make; 0: `call_` and a digest.
    """

    longest: int = 0
    pattern: str = ""
    once: bool = False
    made: int = 0

    def accept(self, given: str) -> bool:
        """Whether the API takes an id as it is."""
        if not given or (self.longest and len(given) > self.longest):
            return False
        return not self.pattern or re.fullmatch(self.pattern, given) is not None


@dataclass(frozen=True, slots=True, eq=False)
class TurnRules:
    """Who may speak when.

    Parameters:
        user_first: the first turn must be a user's, and there must be one.
        one_system: several system messages at the start must be one.
        system_in_place: a system message in mid-conversation is refused, dropped or moved; a user must say it.
        answer_between: an answer must stand between a tool's result and a user's words.
        no_prefill: another model's answer must not end the conversation.
    """

    user_first: bool = False
    one_system: bool = False
    system_in_place: bool = False
    answer_between: bool = False
    no_prefill: bool = False

    @property
    def any(self) -> bool:
        """Whether there is any rule."""
        return self.user_first or self.one_system or self.system_in_place or self.answer_between or self.no_prefill


@dataclass(frozen=True, slots=True, eq=False)
class SettingRules:
    """The settings of a call.

    Parameters:
        takes: of the settings that `settings.KNOWN` lists, those that the API has. Any other is passed on: it may be new.
        words: setting -> what the API calls it.
        longest: what it calls the limit of the answer's length in tokens.
        stop: what it calls stop sequences.
        options: setting -> its name among the `options` of a request (Ollama).
        json_mode: it can be asked for JSON without a schema.
        hottest: the highest `temperature`.
        ours: setting of another provider with the same name -> the values that this API understands.
        nested_effort: the effort of reasoning is part of `reasoning` (Responses).
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
    """Tools, and the choice among them.

    Parameters:
        longest_name: characters of a tool's name; 0: any number and any characters.
        none: it can be told to call no tool.
        named: it can be told which of several tools to call.
        subset: it can be told which tools are allowed (`allowed_tools`).
        one_by_one: it can be told to make one call at a time.
    """

    longest_name: int = 64
    none: bool = True
    named: bool = True
    subset: bool = False
    one_by_one: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class EndRules:
    """How an answer ends.

    Parameters:
        fields: the fields of an answer, or of the last part of its stream, that say why it ended. Empty: unknown.
        words: what they say -> the neutral reason.
        marked: a stream without any of these fields was cut.
        usage_ends: a usage record, which the API sends last, ends a stream too.
    """

    fields: tuple[str, ...] = ()
    words: Mapping[str, EndReason] = field(default_factory=dict)
    marked: bool = True
    usage_ends: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What one API takes and gives.

    Parameters:
        name: of the row.
        title: of the API, for people.
        protocol: name of the row whose requests have the same shape.
        ids, turns, settings, tools, ends: the rules of each subject.
        blank_user: a user may say nothing.
        blank_answer: an answer that says nothing and calls nothing may be sent back.
        media: `image`, `audio`, `video`, `file` -> how the API can be shown one (`DATA`, `ADDRESS`); missing: it cannot. None: unknown.
        media_in_results: results of tools may hold more than text.
        cache_marks: blocks may carry `cache_control`.
        thoughts: how it wants its reasoning back.
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
