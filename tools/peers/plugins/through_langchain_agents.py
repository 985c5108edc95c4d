"""A pytest plugin: the model that a test gives to `create_agent` stands behind `ChatSwitchwise`."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from langchain_switchwise import ChatSwitchwise


@pytest.fixture(autouse=True)
def through_switchwise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, routed_calls: list[object]) -> None:
    """Replaces `create_agent` in the test's module, for the time of the test. The test keeps its bare model to look at."""
    create_agent = getattr(request.module, "create_agent", None)
    if create_agent is None:
        return

    @functools.wraps(create_agent)
    def routed_agent(model: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(model, BaseChatModel):
            model = ChatSwitchwise(models=[model], observers=[routed_calls.append])
        return create_agent(model, *args, **kwargs)

    monkeypatch.setattr(request.module, "create_agent", routed_agent)
