"""What a caller passes to a chat model, parsed once: the prompt, the config, the tools, the schema and the settings of the call."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.validation import meant
from switchwise.policies.follow_decision import FOLLOW

OURS = "switchwise_"
DEADLINE, LIMITS = "switchwise_deadline", "switchwise_limits"
_CONFIGURABLE_ONLY = tuple(f"{OURS}{word}" for word in ("target", "task", "tenant", "labels"))
"""Arguments of a call, and names in `configurable`, for what `Scope` calls so."""
_MESSAGES = frozenset([HumanMessage, AIMessage, ToolMessage, SystemMessage, AIMessageChunk])
_KEYS = frozenset(CONFIG_KEYS)
_MOVED = frozenset(["model", "checkpoint_ns"])
"""What LangChain copies from a config's `configurable` to its metadata."""


def messages_of(prompt: LanguageModelInput) -> list[BaseMessage]:
    """The input as a list of messages of its own.

    Raises:
        ValueError: it is no input of a chat model.
    """
    if type(prompt) is list and _MESSAGES.issuperset(map(type, prompt)):  # by far the most frequent, and quickly seen
        return prompt.copy()
    if isinstance(prompt, PromptValue):
        return prompt.to_messages()
    if isinstance(prompt, str):
        return [HumanMessage(prompt)]
    if isinstance(prompt, Sequence):
        return convert_to_messages(prompt)
    raise ValueError(f"Invalid input type {type(prompt)}. Must be a PromptValue, str, or list of BaseMessages.")


def settled(config: RunnableConfig | None) -> RunnableConfig:
    """What `ensure_config` gives, but for the recursion limit; only to be read, and to make others of.

    Where nothing is around and nothing has to be moved, its parts are not copied: that takes a third of the time.
    """
    given = config or {}
    if var_child_runnable_config.get() or not _KEYS.issuperset(given) or None in given.values():
        return ensure_config(config)
    if not _MOVED.isdisjoint(given.get("configurable", ())):
        return ensure_config(config)
    return {"tags": [], "metadata": {}, "callbacks": None, "configurable": {}, **given}


def surrounding() -> RunnableConfig:
    """What `ensure_config()` gives, not copied: only to be read, and to make others of.

    LangChain copies it again before a model sees it; to copy the callbacks alone takes 4 us.
    """
    around = var_child_runnable_config.get()
    if around is None:
        return ensure_config()
    config: RunnableConfig = {"tags": [], "metadata": {}, "callbacks": None, "configurable": {}, **around}
    if config["tags"] is None or config["metadata"] is None or config["configurable"] is None:
        return ensure_config()
    return config


@fast_init
@dataclass(frozen=True, slots=True)
class Request:
    """What a caller passes, parsed once; nothing of it is changed afterwards.

    Parameters:
        messages: the prompt.
        config: what `ensure_config` gives.
        settings: of the call, as the caller writes them; each attempt sends a translated copy.
        tools: to bind to the target; None: no tools.
        schema: that the answer must follow; None: free text.
        pin: the only target or role that may answer; empty: the router chooses.
        follow: the target that a decision in a graph's state prefers; empty: no decision stands.
        formatted: the caller asks for a response format of the provider's own.
        deadline, limits: of this call, as in `Scope`; those of the config count where it says nothing.
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
    """The request that a caller's arguments make.

    Parameters:
        prompt: a string, messages, or a prompt value.
        config: what `settled` or `surrounding` gives.
        given: the keyword arguments of the call.
        stop: stop sequences.
        schema: that the answer must follow.

    Raises:
        ValueError: the prompt is not one.
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
        settings.pop("response_format", None)  # it is bound with the tools
    if stop is not None:
        settings["stop"] = stop
    return Request(messages, config, settings, tools, schema, pin, follow, response_format is not None, deadline, limits)


def refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> None:
    """Refuse names that are nearly ours.

    Parameters:
        given: by name.
        known: the names that mean something here.
        elsewhere: names that mean something in the config only.

    Raises:
        ConfigurationError: the message says which was meant.
    """
    for name in given:
        if name.startswith(OURS) and name not in known:
            close = get_close_matches(name, (*known, *elsewhere), 1, 0.7)
            where = ", in config={'configurable': {...}}" if close and close[0] in elsewhere else ""
            raise ConfigurationError(f"{name!r}: {meant(name, (*known, *elsewhere), 'names')}{where}")


def _tools(settings: dict[str, Any]) -> Tools | None:
    """The tools of a call with the choice that goes with them, in whichever way they are given; taken out of `settings`."""
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
    """The config that a caller of `generate` gives in pieces."""
    given = RunnableConfig(callbacks=callbacks, tags=tags or [], metadata=metadata or {})
    if run_name is not None:
        given["run_name"] = run_name
    return ensure_config(given)


def for_prompt(config: RunnableConfig, run_id: uuid.UUID | None, number: int) -> RunnableConfig:
    """The config of a prompt: the id of a run is unique, so the first one has it."""
    return config if run_id is None or number else {**config, "run_id": run_id}
