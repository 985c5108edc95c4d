"""A pytest plugin: the LLMs that a test of LLMs builds itself stand behind `Switchwise`."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from llama_index.core.llms import LLM
from standin import StandIn

from llama_index.llms.switchwise import Switchwise


@pytest.fixture(autouse=True)
def through_switchwise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, routed_calls: list[object]) -> None:
    """Replaces the names of LLM classes in the test's module, for the time of the test."""

    def around(llm: Any) -> Switchwise:
        return Switchwise(models=[llm], observers=[routed_calls.append])

    for name, real in list(vars(request.module).items()):
        if inspect.isclass(real) and issubclass(real, LLM) and not inspect.isabstract(real):
            monkeypatch.setattr(request.module, name, StandIn(real, Switchwise, around))
