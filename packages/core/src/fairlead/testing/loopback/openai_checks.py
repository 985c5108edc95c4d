"""Refusals of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import Reject, invalid


def check(body: Mapping[str, Any]) -> None:
    """Raise ``Reject`` for what the real API refuses."""
    if not isinstance(body.get("model"), str):
        raise Reject(400, "you must provide a model parameter", "invalid_request_error")
    if "messages" not in body:
        raise invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
