"""Parse the arguments of a call once: the prompt, the config, the tools, the schema and the settings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import CONFIG_KEYS, ensure_config, var_child_runnable_config

from langchain_switchwise.porting.schema import AnswerSchema
from langchain_switchwise.porting.tools import Tools
from switchwise import ConfigurationError, Limits
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.validation import meant
from switchwise.policies.follow_decision import FOLLOW

OURS = "switchwise_"
DEADLINE, LIMITS = "switchwise_deadline", "switchwise_limits"
_CONFIGURABLE_ONLY = tuple(f"{OURS}{word}" for word in ("target", "task", "tenant", "labels"))
"""Arguments of a call, and names in `configurable`, by field of `Scope`."""
_MESSAGES = frozenset([HumanMessage, AIMessage, ToolMessage, SystemMessage, AIMessageChunk])
_KEYS = frozenset(CONFIG_KEYS)
_MOVED = frozenset(["model", "checkpoint_ns"])
"""Keys that LangChain copies from a config's `configurable` to its metadata."""


def messages_of(prompt: LanguageModelInput) -> list[BaseMessage]:
    """Convert the input to a new list of messages.

    Raises:
        ValueError: it is not an input of a chat model.
    """
    if type(prompt) is list and _MESSAGES.issuperset(map(type, prompt)):  # by far the most frequent, checked first
        return prompt.copy()
    if isinstance(prompt, PromptValue):
        return prompt.to_messages()
    if isinstance(prompt, str):
        return [HumanMessage(prompt)]
    if isinstance(prompt, Sequence):
        return convert_to_messages(prompt)
    raise ValueError(f"Invalid input type {type(prompt)}. Must be a PromptValue, str, or list of BaseMessages.")


def settled(config: RunnableConfig | None) -> RunnableConfig:
    """Same as `ensure_config`, without the recursion limit; read-only, a base for other configs.

    Without a surrounding config, its parts are not copied, in a third of the time.
    """
    given = config or {}
    if var_child_runnable_config.get() or not _KEYS.issuperset(given) or None in given.values():
        return ensure_config(config)
    if not _MOVED.isdisjoint(given.get("configurable", ())):
        return ensure_config(config)
    return {"tags": [], "metadata": {}, "callbacks": None, "configurable": {}, **given}


def surrounding() -> RunnableConfig:
    """Same as `ensure_config()`, not copied; read-only, a base for other configs.

    LangChain copies it again before a model sees it; to copy the callbacks alone takes 4 us.
    """
    around = var_child_runnable_config.get()
    if around is None:
        return ensure_config()
    config: RunnableConfig = {"tags": [], "metadata": {}, "callbacks": None, "configurable": {}, **around}
    if config["tags"] is None or config["metadata"] is None or config["configurable"] is None:
        return ensure_config()
    return config


@dataclass(frozen=True, slots=True)
class Request:
    """Parsed arguments of a call; never changed afterwards.

    Parameters:
        messages: the prompt.
        config: result of `ensure_config`.
        settings: the caller's settings; each attempt sends a translated copy.
        tools: tools to bind to the target; None: no tools.
        schema: schema of the answer; None: free text.
        pin: the only target or role that may answer; empty: the router chooses.
        follow: target preferred by a decision in a graph's state; empty: none.
        formatted: the caller asks for a provider's own response format.
        deadline, limits: as in `Scope`; default: those of the config.
    """

    messages: list[BaseMessage]
    config: RunnableConfig
    settings: dict[str, Any]
    tools: Tools | None = None
    schema: AnswerSchema | None = None
    pin: str = ""
    follow: str = ""
    formatted: bool = False
    deadline: float | None = None
    limits: Limits | None = None


def parsed(
    prompt: LanguageModelInput,
    config: RunnableConfig,
    given: Mapping[str, Any],
    stop: list[str] | None = None,
    schema: AnswerSchema | None = None,
) -> Request:
    """Parse a caller's arguments to a request.

    Parameters:
        prompt: a string, messages, or a prompt value.
        config: result of `settled` or `surrounding`.
        given: keyword arguments of the call.
        stop: stop sequences.
        schema: schema of the answer.

    Raises:
            ValueError: the prompt is invalid.
    """
    messages = messages_of(prompt)
    if not given:
        return Request(messages, config, {} if stop is None else {"stop": stop}, None, schema)
    settings = dict(given)
    pin, follow = settings.pop("model", None) or "", settings.pop(FOLLOW, None) or ""
    refuse_unknown(settings, (DEADLINE, LIMITS, FOLLOW), _CONFIGURABLE_ONLY)
    deadline, limits = settings.pop(DEADLINE, None), Limits.read(settings.pop(LIMITS, None))
    tools = _tools(settings)
    response_format = settings.get("response_format")
    if tools and response_format is tools.options.get("response_format"):
        settings.pop("response_format", None)  # bound with the tools
    if stop is not None:
        settings["stop"] = stop
    return Request(messages, config, settings, tools, schema, pin, follow, response_format is not None, deadline, limits)


def refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> None:
    """Refuse misspelled names of ours.

    Parameters:
        given: given values by name.
        known: names allowed here.
        elsewhere: names allowed only in the config.

    Raises:
        ConfigurationError: the message names the probable one.
    """
    for name in given:
        if name.startswith(OURS) and name not in known:
            close = get_close_matches(name, (*known, *elsewhere), 1, 0.7)
            where = ", in config={'configurable': {...}}" if close and close[0] in elsewhere else ""
            raise ConfigurationError(f"{name!r}: {meant(name, (*known, *elsewhere), 'names')}{where}")


def _tools(settings: dict[str, Any]) -> Tools | None:
    """Remove the tools of a call and their choice from `settings`, in any form, and return them."""
    tools = settings.pop("tools", None)
    if not tools:
        return None
    if not isinstance(tools, Tools):
        return Tools(tools, settings.pop("tool_choice", None), settings.pop("parallel_tool_calls", None))
    if "tool_choice" in settings or "parallel_tool_calls" in settings:
        parallel = settings.pop("parallel_tool_calls", tools.parallel)
        return Tools(tools.raw, settings.pop("tool_choice", tools.choice), parallel, tools.options)
    return tools


def run_config(
    callbacks: Callbacks, tags: list[str] | None, metadata: dict[str, Any] | None, run_name: str | None
) -> RunnableConfig:
    """The config from the separate arguments of `generate`."""
    given = RunnableConfig(callbacks=callbacks, tags=tags or [], metadata=metadata or {})
    if run_name is not None:
        given["run_name"] = run_name
    return ensure_config(given)


def for_prompt(config: RunnableConfig, run_id: uuid.UUID | None, number: int) -> RunnableConfig:
    """The config of a prompt: a run id is unique, so only the first prompt has it."""
    return config if run_id is None or number else {**config, "run_id": run_id}
