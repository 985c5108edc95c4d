"""Canonical JSON of requests: equal requests give the same text, for any order of keys."""

from __future__ import annotations

import json
from typing import Any


def canonical(*parts: Any) -> str | None:
    """Return the parts as JSON with sorted keys; None if a part is not JSON.

    >>> canonical({"b": 1, "a": [True]}), canonical(object())
    ('[{"a":[true],"b":1}]', None)
    """
    try:
        return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return None
