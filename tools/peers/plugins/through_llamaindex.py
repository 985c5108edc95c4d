"""A pytest plugin: the LLM that a test gives to an agent, a program or a chat engine stands behind `Switchwise`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import chat_engine, program
from llama_index.core.agent import workflow
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms import LLM
from llama_index.core.llms.structured_llm import StructuredLLM

from llama_index.llms.switchwise import Switchwise

TAKERS = (
    workflow.BaseWorkflowAgent,
    workflow.CodeActAgent,
    workflow.FunctionAgent,
    workflow.ReActAgent,
    program.FunctionCallingProgram,
    program.LLMTextCompletionProgram,
)
ENGINES = tuple(each for each in vars(chat_engine).values() if inspect.isclass(each) and issubclass(each, BaseChatEngine))


@pytest.fixture(autouse=True)
def through_switchwise(monkeypatch: pytest.MonkeyPatch, routed_calls: list[object]) -> None:
    """Replaces the constructors, for the time of the test."""

    def around(llm: Any) -> Any:
        if isinstance(llm, LLM) and not isinstance(llm, (Switchwise, StructuredLLM)):
            return Switchwise(models=[llm], observers=[routed_calls.append])
        return llm

    def routed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_routed_llm(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(function).bind_partial(*args, **kwargs)
            if "llm" in given.arguments:
                given.arguments["llm"] = around(given.arguments["llm"])
            elif "llm" in kwargs:
                return function(*args, **{**kwargs, "llm": around(kwargs["llm"])})
            return function(*given.args, **given.kwargs)

        return with_routed_llm

    for taker in TAKERS:
        if "__init__" in vars(taker):
            monkeypatch.setattr(taker, "__init__", routed(taker.__init__))
    for engine in ENGINES:
        if "from_defaults" in vars(engine):
            monkeypatch.setattr(engine, "from_defaults", classmethod(routed(vars(engine)["from_defaults"].__func__)))
