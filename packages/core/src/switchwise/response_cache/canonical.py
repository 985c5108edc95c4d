"""Requests as canonical JSON: two that make the same answer give the same text, whatever the order of their keys."""

from __future__ import annotations

import json
from typing import Any


def canonical(*parts: Any) -> str | None:
    """The parts as JSON with sorted keys; None: something of them is no JSON, and nobody could say what it is.

    >>> canonical({"b": 1, "a": [True]}), canonical(object())
    ('[{"a":[true],"b":1}]', None)
    """
    try:
        return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return None
