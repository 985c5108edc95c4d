"""The levels of reasoning effort of OpenAI's models.

Source: the SDK's docstrings, and refusals that users reported, as of 2026-11. A model that is not listed takes any.
"""

from __future__ import annotations

import re
from typing import Any

from ..nouns.errors import invalid

LEVELS = tuple(
    (re.compile(pattern), tuple(levels.split()))
    for pattern, levels in (
        (r"(o1|o3|o4)\b(?!-(mini|preview)-2024)", "low medium high"),
        (r"gpt-5-pro\b", "high"),
        (r"gpt-5(-mini|-nano)?(-20\d\d-\d\d-\d\d)?\Z", "minimal low medium high"),
        (r"gpt-5\.1\b", "none low medium high"),
        (r"gpt-5\.[2-5]\b", "none low medium high xhigh"),
        (r"gpt-5\.6\b", "none low medium high xhigh max"),
        (r"gpt-6-(sol|luna)\b", "none low medium high xhigh max"),
        (r"gpt-6(\.\d)?-(astra|sol)\b", "low medium high xhigh max"),
    )
)


def check(model: str, effort: Any, where: str) -> None:
    """Raise `Reject` for a level that the model does not have."""
    if effort is None:
        return
    levels = next((levels for pattern, levels in LEVELS if pattern.match(model)), None)
    if levels is not None and effort not in levels:
        listed = ", ".join(f"'{level}'" for level in levels)
        text = f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported values are: {listed}."
        raise invalid(text, where, "unsupported_value")
