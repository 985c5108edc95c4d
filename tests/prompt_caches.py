"""What tests of prompt caches share: a long prompt, an endpoint that takes a key, and where a request is marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HERE = {"127.0.0.1": "openai"}
"""The loopback provider takes a key of affinity as OpenAI does."""
LONG = "The rules of the ship are these. " * 400
"""More than any model's minimum."""


def marks(sent: Mapping[str, Any]) -> list[str]:
    """Where a Messages request is marked."""
    found = ["top"] if sent.get("cache_control") else []
    found += [f"{front}.{i}" for front in ("tools", "system") for i in _marked(sent.get(front))]
    return found + [f"messages.{i}.{j}" for i, message in enumerate(sent["messages"]) for j in _marked(message["content"])]


def _marked(parts: Any) -> list[int]:
    return [i for i, part in enumerate(parts) if "cache_control" in part] if isinstance(parts, list) else []
