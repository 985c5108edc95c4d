"""LlamaIndex's Anthropic integration needs anthropic < 1, which the main environment is past: `make test-llamaindex` runs these.

They are not collected where it is missing, as in the main environment.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("llama_index.llms.anthropic") else ["test_*.py"]


@pytest.fixture
def anthropic(provider: Any) -> Callable[..., Any]:
    """Makes a native Anthropic LLM that talks to the loopback provider."""
    from llama_index.llms.anthropic import Anthropic

    def make(model: str = "claude-sonnet-4-5", **settings: Any) -> Anthropic:
        return Anthropic(model=model, **{"base_url": provider.anthropic_url, "api_key": "test", "max_retries": 0, **settings})

    return make


@pytest.fixture
def thinking(anthropic: Callable[..., Any]) -> Callable[..., Any]:
    """Makes an Anthropic LLM that thinks aloud."""

    def make(**settings: Any) -> Any:
        return anthropic(thinking_dict={"type": "enabled", "budget_tokens": 1024}, max_tokens=2048, **settings)

    return make
