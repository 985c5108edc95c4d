"""What a caller gives is read as LangChain reads it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import CONFIG_KEYS, ensure_config, set_config_context

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.reading.inputs import settled, surrounding

from .test_chat_model import Runs

HANDLER = Runs()
CONFIGS: list[Any] = [
    None,
    {},
    {"configurable": {"thread_id": "t1"}},
    {"configurable": {"thread_id": "t1", "checkpoint_ns": "agent:1"}},
    {"configurable": {"model": "fast"}, "metadata": {"model": "strong"}},
    {"tags": ["a"], "metadata": {"user": "u"}, "callbacks": [HANDLER], "run_name": "mine", "recursion_limit": 7},
    {"tags": None, "metadata": None, "callbacks": None, "configurable": None},
    {"callbacks": [HANDLER], "my_own_key": 1},
]


def plainly(config: Any) -> dict[str, Any]:
    """All but the recursion limit, with managers compared by their handlers: copies of them are not equal."""
    handlers = {"callbacks": [*made.handlers]} if isinstance(made := config["callbacks"], CallbackManager) else {}
    return {key: value for key, value in {**config, **handlers}.items() if key != "recursion_limit"}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_is_read_as_langchain_reads_it(config: Any) -> None:
    before = deepcopy(config) if config is None or not config.get("callbacks") else None
    assert plainly(settled(config)) == plainly(ensure_config(config))
    assert before is None or config == before


@pytest.mark.parametrize("config", CONFIGS)
def test_so_is_what_is_around_it(config: Any) -> None:
    around = {"tags": ["outer"], "callbacks": [Runs()], "metadata": {"team": "x"}, "configurable": {"thread_id": "t2"}}
    read: list[Any] = []

    def node(_: str) -> None:
        read.append((plainly(settled(config)), plainly(ensure_config(config))))
        read.append((plainly(surrounding()), plainly(ensure_config())))

    RunnableLambda(node).invoke("hi", around)
    assert all(ours == theirs for ours, theirs in read)
    assert len(read) == 2


def test_so_is_what_a_context_sets_even_without_parts() -> None:
    with set_config_context({"tags": None, "metadata": {"team": "x"}, "configurable": None}) as context:  # type: ignore[typeddict-item]
        ours, theirs = (plainly(context.run(read)) for read in (surrounding, ensure_config))
    assert ours == theirs


def test_what_the_caller_gave_stays_as_it_was() -> None:
    config: Any = {"configurable": {"thread_id": "t1"}, "metadata": {"user": "u"}, "tags": ["a"], "callbacks": [Runs()]}
    given = {key: (value, value.copy()) for key, value in config.items()}
    llm = ChatSwitchwise({"one": FakeListChatModel(responses=["yes"])}, metadata={"more": "x"})
    llm.invoke("hi", config)
    list(llm.stream("hi", config))
    assert config.keys() <= set(CONFIG_KEYS)
    assert all(config[key] is value and value == before for key, (value, before) in given.items())
