"""A pytest plugin: the provider models that a test builds stand behind `ChatSwitchwise`."""

from __future__ import annotations

from typing import Any

import pytest
from standin import StandIn

from langchain_switchwise import ChatSwitchwise

CLASSES = ("ChatOpenAI", "_ChatOpenAICodex", "ChatAnthropic")


@pytest.fixture(autouse=True)
def through_switchwise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, routed_calls: list[object]) -> None:
    """Replaces the classes' names in the test's module, for the time of the test."""

    def around(model: Any) -> ChatSwitchwise:
        return ChatSwitchwise(models=[model], observers=[routed_calls.append])

    for name in CLASSES:
        real = getattr(request.module, name, None)
        if isinstance(real, type):
            monkeypatch.setattr(request.module, name, StandIn(real, ChatSwitchwise, around))
