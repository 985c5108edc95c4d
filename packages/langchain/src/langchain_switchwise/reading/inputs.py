"""What a caller gives to a chat model, read: the prompt, the config, and what is a setting of the call and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

from langchain_switchwise.policies.follow_decision import FOLLOW
from langchain_switchwise.porting.tools import Tools

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


def take_tools(kwargs: dict[str, Any]) -> None:
    """Tools of the call become `Tools`, with the choice that goes with them, however they were given."""
    tools = kwargs.get("tools")
    if not tools:
        kwargs.pop("tools", None)
        return
    if not isinstance(tools, Tools):
        kwargs["tools"] = Tools(tools, kwargs.pop("tool_choice", None), kwargs.pop("parallel_tool_calls", None))
    elif "tool_choice" in kwargs or "parallel_tool_calls" in kwargs:
        parallel = kwargs.pop("parallel_tool_calls", tools.parallel)
        kwargs["tools"] = Tools(tools.raw, kwargs.pop("tool_choice", tools.choice), parallel, tools.options)


def forget_seen(kwargs: dict[str, Any]) -> None:
    """Drop what is no setting: what stood there for the policies to see, and is bound with the tools."""
    kwargs.pop(FOLLOW, None)
    tools = kwargs.get("tools")
    if tools and kwargs.get("response_format") is tools.options.get("response_format"):
        kwargs.pop("response_format", None)
