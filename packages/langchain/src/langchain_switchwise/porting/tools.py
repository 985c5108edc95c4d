"""Bind tools late: to the chosen target, in that target's form."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_switchwise.models.dialect import must_think
from langchain_switchwise.models.native import Native
from langchain_switchwise.porting.settings import settings
from switchwise.dialects.table import ANTHROPIC, BEDROCK, COHERE, OPENAI_RESPONSES
from switchwise.dialects.tool_choice import Choice, fitting, neutral
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.prompt_cache.breakpoints import marked_tools
from switchwise.reading import token_estimate as tokens

Tool = dict[str, Any] | type | Callable[..., Any] | BaseTool
ToolChoice = dict[str, Any] | str | bool | None

_ANTHROPIC_SERVER_TOOL = re.compile(r".+_20\d{6}$")
_OPENAI_SERVER_TOOLS = frozenset(
    [
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "custom",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "web_search_2025_08_26",
    ]
)
_GOOGLE_SERVER_TOOLS = frozenset(["google_search", "code_execution", "url_context", "google_maps"])
_OPENAI = frozenset(["openai", "azure"])
_ANTHROPIC = frozenset(["anthropic"])
_GOOGLE = frozenset(["google_genai", "google_vertexai"])
_UNKNOWN = 120
"""Assumed tokens of a tool with an unreadable definition: about the mean of deep agents' tools and of recorded sessions."""


class Tools(Sequence[dict[str, Any]]):
    """Tools before a model is chosen.

    It also behaves as the list of OpenAI tool dictionaries that frameworks expect in a binding.

    Parameters:
        raw: the user's tools.
        choice: tool choice in any provider's form.
        parallel: whether several tools may be called at once; None: the provider's default.
        options: further arguments for the target's own `bind_tools`.
    """

    __slots__ = ("_bound", "_shown", "choice", "options", "parallel", "providers", "raw")

    def __init__(
        self,
        raw: Sequence[Tool],
        choice: ToolChoice = None,
        parallel: bool | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.raw = list(raw)
        self.choice, alone = neutral(choice)
        self.parallel = False if alone else parallel
        self.options = dict(options or {})
        self.providers = server_side(self.raw)
        self._shown: list[dict[str, Any]] | None = None
        self._bound: dict[str, Runnable[LanguageModelInput, AIMessage]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the bound models, which have keys."""
        return Tools, (self.raw, self.choice, self.parallel, self.options)

    def bound_to(self, native: Native, mark: dict[str, str] | None = None) -> Runnable[LanguageModelInput, AIMessage]:
        """The target with these tools, by its own `bind_tools`; built once per target.

        Parameters:
            native: the target.
            mark: cache mark at the end of the tools.
        """
        key = native.name if mark is None else f"{native.name} {mark}"
        bound = self._bound.get(key)
        if bound is None:
            bound = native.model.bind_tools(self.raw_for(native), **self._bind_options(native))
            if mark is not None and isinstance(bound, RunnableBinding) and bound.kwargs.get("tools"):
                tools = marked_tools(bound.kwargs["tools"], mark) or bound.kwargs["tools"]
                bound = bound.model_copy(update={"kwargs": {**bound.kwargs, "tools": tools}})
            self._bound[key] = bound
        return bound

    def raw_for(self, native: Native) -> list[Tool]:
        """The user's tools, with those in the words of Responses put as the target's own `bind_tools` reads them; `raw` itself if there are none."""
        if native.dialect is OPENAI_RESPONSES:
            return self.raw
        nested = [_nested(tool) for tool in self.raw]
        return self.raw if all(map(operator.is_, nested, self.raw)) else nested

    def choosing(self, choice: ToolChoice) -> Tools:
        """Return these tools with another choice."""
        return Tools(self.raw, choice, self.parallel, self.options)

    def choice_for(self, native: Native) -> Choice:
        """The choice in the form of the target's own `bind_tools`.

        Raises:
            TargetError: the target does not support it.
        """
        dialect = native.dialect
        choice = fitting(self.choice, dialect, len(self.raw))
        if dialect is BEDROCK:
            _check_converse(choice, native)
        if dialect is COHERE:
            return None if choice in (None, "auto") else "NONE" if choice == "none" else "REQUIRED"
        return {"type": "none"} if choice == "none" and dialect is ANTHROPIC else choice

    def _bind_options(self, native: Native) -> dict[str, Any]:
        dialect = native.dialect
        prepared = dict(settings(native, self.options, tools=True))
        if self.choice is not None and ((choice := self.choice_for(native)) is not None or dialect is not COHERE):
            prepared["tool_choice"] = choice
        if self.parallel is not None and dialect.tools.one_by_one and not (self.choice == "none" and dialect is ANTHROPIC):
            prepared["parallel_tool_calls"] = self.parallel
        return prepared

    def _dicts(self) -> list[dict[str, Any]]:
        if self._shown is None:
            self._shown = [shown(tool) for tool in self.raw]
        return self._shown

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._dicts()[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._dicts())

    def __repr__(self) -> str:
        return f"Tools({self._dicts()!r})"


def measured(tool: Tool) -> int:
    """Tokens of a tool definition, by its schema; a flat number for one that only its own target can read."""
    try:
        schema = json.dumps(shown(tool), ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError, NotImplementedError):
        return _UNKNOWN
    return tokens.tools(schema)


def tool_identity(tool: Tool) -> tuple[str, int]:
    """Name and length of the description of any kind of tool."""
    if isinstance(tool, Mapping):
        function = tool.get("function")
        prepared = function if isinstance(function, Mapping) else tool
        return str(prepared.get("name") or prepared.get("type")), len(
            str(prepared.get("description") or prepared.get("parameters") or "")
        )
    name = getattr(tool, "name", None) or getattr(tool, "__name__", None) or type(tool).__name__
    return str(name), len(str(getattr(tool, "description", None) or getattr(tool, "__doc__", None) or ""))


def server_side(tools: Sequence[Tool]) -> frozenset[str]:
    """The only providers that can serve these tools, because they define or run some of them; empty: any."""
    homes = {homes for tool in tools if isinstance(tool, dict) and (homes := _homes(tool))}
    if not homes:
        return frozenset()
    common = frozenset.intersection(*homes)
    return common or frozenset(
        ["one that has the tools of " + " and of ".join(sorted(name for home in homes for name in home))]
    )


def shown(tool: Tool) -> dict[str, Any]:
    """A tool as the dictionary that frameworks read: OpenAI's form, except for provider-defined tools."""
    return dict(tool) if isinstance(tool, dict) and _homes(tool) else convert_to_openai_tool(_nested(tool))


def _check_converse(choice: dict[str, Any] | str | None, native: Native) -> None:
    """Check that a Converse model supports the choice.

    Raises:
        TargetError: it does not.
    """
    if choice is None:
        return
    kind = choice if choice in ("auto", "any") else next(iter(choice)) if isinstance(choice, dict) else "tool"
    known = getattr(native.model, "supports_tool_choice_values", None)
    if (
        known is not None and kind not in known and not must_think(native.model)
    ):  # with thinking, ChatBedrockConverse sends a weaker choice
        problem = f"tool_choice={choice!r:.80}: {native.model_name} cannot be forced to call one tool"
        raise TargetError(FailureKind.UNSUPPORTED, f"{problem}; use 'auto', or add a target that can")


def _nested(tool: Tool) -> Tool:
    """A function in the words of Responses in those of Chat Completions, which every integration translates; others as they are."""
    if not isinstance(tool, dict) or tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _homes(tool: Mapping[str, Any]) -> frozenset[str]:
    kind = None if "input_schema" in tool else tool.get("type")  # Anthropic's own form of a function may be of type `custom`
    if not isinstance(kind, str):
        return _GOOGLE if tool.keys() & _GOOGLE_SERVER_TOOLS else frozenset()
    if kind in _OPENAI_SERVER_TOOLS:
        return _OPENAI
    return _ANTHROPIC if kind == "mcp_toolset" or _ANTHROPIC_SERVER_TOOL.match(kind) else frozenset()
