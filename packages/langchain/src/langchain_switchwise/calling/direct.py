"""What a native model's own `invoke` does, less what has been done already.

`BaseChatModel.invoke` reads the config, makes a prompt value of its input and takes the messages out of that again; then it
calls `generate`. All that counts is below that line: the one run, its callbacks, the response cache, the rate limiter. A
request has config and messages at hand, and what stands above the line is a tenth of a call.

Rules:
1. Only where LangChain's own methods are as they were read. In a version in which they do more, in a class with ways of its
   own, or where somebody has put himself in their place (instrumentation, a test), the public `invoke` is called.
2. `generate` is given the keywords that those methods give, so a class that overrides it hears what it would have heard.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config

from langchain_switchwise.porting.port import as_prompt

_INVOKE, _AINVOKE = BaseChatModel.invoke, BaseChatModel.ainvoke
_PROMPT, _APROMPT = BaseChatModel.generate_prompt, BaseChatModel.agenerate_prompt
_CONVERT = BaseChatModel._convert_input
_READ = frozenset(
    [
        *"ensure_config cast get pop generations message generate agenerate generate_prompt agenerate_prompt to_messages".split(),
        *"_convert_input isinstance type str Sequence PromptValue StringPromptValue ChatPromptValue convert_to_messages".split(),
        "ValueError",
    ]
)
"""All the names that these methods use, as of langchain-core 1.7."""


def as_read(method: object) -> bool:
    """Whether a method of LangChain's does nothing that was not read in it."""
    return type(method) is FunctionType and not method.__closure__ and _READ.issuperset(method.__code__.co_names)


_KNOWN = all(map(as_read, (_INVOKE, _AINVOKE, _PROMPT, _APROMPT, _CONVERT)))
_BINDING, _ABINDING = RunnableBinding.invoke, RunnableBinding.ainvoke


def invoke(runnable: Any, messages: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> Any:
    """What `runnable.invoke` gives.

    Parameters:
        runnable: a chat model, one to which tools are bound, or anything else.
        messages: the prompt.
        config: what `ensure_config` gives.
        kwargs: settings of the call.
    """
    model, settled, settings = _unbound(runnable, config, kwargs)
    if _plain(model):
        return _first(model.generate([messages], **_run(settled), **settings))
    return runnable.invoke(as_prompt(messages), config, **kwargs)


async def ainvoke(runnable: Any, messages: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> Any:
    """As `invoke`, asynchronously."""
    model, settled, settings = _unbound(runnable, config, kwargs)
    if _aplain(model):
        return _first(await model.agenerate([messages], **_run(settled), **settings))
    return await runnable.ainvoke(as_prompt(messages), config, **kwargs)


def generate(runnable: Any, messages: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> LLMResult:
    """The model's own result for one prompt; `runnable` is a chat model, or one to which tools are bound."""
    model, config, kwargs = _unbound(runnable, config, kwargs)
    assert isinstance(model, BaseChatModel), "tools are bound to the native model itself"
    return model.generate([messages], **_run(config), **kwargs)


async def agenerate(runnable: Any, messages: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> LLMResult:
    """As `generate`, asynchronously."""
    model, config, kwargs = _unbound(runnable, config, kwargs)
    assert isinstance(model, BaseChatModel), "as above"
    return await model.agenerate([messages], **_run(config), **kwargs)


def _unbound(runnable: Any, config: RunnableConfig, kwargs: dict[str, Any]) -> tuple[Any, RunnableConfig, dict[str, Any]]:
    """What is called in the end, and with which config and settings: a binding does nothing but add its own."""
    while getattr(type(runnable), "invoke", None) is _BINDING and type(runnable).ainvoke is _ABINDING:
        if runnable.config or runnable.config_factories:
            config = ensure_config(runnable._merge_configs(config))
        runnable, kwargs = runnable.bound, {**runnable.kwargs, **kwargs}
    return runnable, config, kwargs


def _plain(model: Any) -> bool:
    """Whether a model's `invoke` is LangChain's own."""
    cls = type(model)
    return (
        cls.invoke is _INVOKE
        and cls.generate_prompt is _PROMPT
        and cls._convert_input is _CONVERT
        and "invoke" not in vars(model)
        and _KNOWN
    )


def _aplain(model: Any) -> bool:
    """Whether a model's `ainvoke` is LangChain's own."""
    cls = type(model)
    return (
        cls.ainvoke is _AINVOKE
        and cls.agenerate_prompt is _APROMPT
        and cls._convert_input is _CONVERT
        and "ainvoke" not in vars(model)
        and _KNOWN
    )


def _run(config: RunnableConfig) -> dict[str, Any]:
    """What `invoke` takes from its config for `generate`."""
    return {
        "callbacks": config.get("callbacks"),
        "tags": config.get("tags"),
        "metadata": config.get("metadata"),
        "run_name": config.get("run_name"),
        "run_id": config.get("run_id"),
    }


def _first(result: LLMResult) -> BaseMessage:
    return cast("ChatGeneration", result.generations[0][0]).message
