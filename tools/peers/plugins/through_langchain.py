"""A pytest plugin: the provider models that a test builds stand behind `ChatFairlead`."""

from __future__ import annotations

from typing import Any

import pytest
from standin import StandIn

from langchain_fairlead import ChatFairlead

CLASSES = ("ChatOpenAI", "_ChatOpenAICodex", "ChatAnthropic")


@pytest.fixture(autouse=True)
def through_fairlead(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, routed_calls: list[object]) -> None:
    """Replaces the classes' names in the test's module, for the time of the test."""

    def around(model: Any) -> ChatFairlead:
        return ChatFairlead(models=[model], journal=[routed_calls.append])

    for name in CLASSES:
        real = getattr(request.module, name, None)
        if isinstance(real, type):
            monkeypatch.setattr(request.module, name, StandIn(real, ChatFairlead, around))
