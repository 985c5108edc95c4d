"""A request that any provider can be asked: OpenAI's message and tool formats, which most people already have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A neutral request.

    Parameters:
        messages: `{"role": "user", "content": "..."}` and so on, with `tool_calls` and `tool_call_id` as in OpenAI's chat
            completions. An answer of `Clients` may carry a `native` part; it goes back to the model that it came from only.
        tools: `{"type": "function", "function": {"name", "description", "parameters"}}`.
        tool_choice: `auto`, `required`, `none`, or the name of a tool.
        parallel_tool_calls: False: at most one call at a time.
        schema: a JSON schema that the answer must follow.
        max_tokens: the longest answer, in tokens.
        temperature, top_p: as everywhere; left out for models that are known to take none.
        stop: as everywhere.
        stream: ask for the answer in chunks.
        extra: provider -> parameters in its own words.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str = ""
    parallel_tool_calls: bool | None = None
    schema: Schema | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: Sequence[str] = ()
    stream: bool = False
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def arguments_of(text: str | None) -> dict[str, Any]:
    """The arguments of a tool call. Broken JSON is kept as `{"_raw": text}`: a verifier may look at it."""
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):  # a model that loops may open brackets without end
        return {"_raw": text}
    return arguments if isinstance(arguments, dict) else {"_raw": text}
