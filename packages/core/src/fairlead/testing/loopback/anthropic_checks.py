"""Refusals of Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import invalid


def check(body: Mapping[str, Any]) -> None:
    """Raise ``Reject`` for what the real API refuses."""
    for key in ("model", "max_tokens", "messages"):
        if key not in body:
            raise invalid(f"{key}: Field required")
