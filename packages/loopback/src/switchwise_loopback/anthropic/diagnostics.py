"""Anthropic's cache diagnostics: why the cached prefix of an earlier response could not be reused.

A request that sends `diagnostics.previous_message_id` is compared with the request behind that message:

| what differs                                   | `cache_miss_reason.type`       |
|------------------------------------------------|----------------------------------|
| there is no record of it                       | `previous_message_not_found`   |
| the model                                      | `model_changed`                |
| the tools                                      | `tools_changed`                |
| the system prompt, or web search or citations  | `system_changed`               |
| an earlier message, or a setting before them   | `messages_changed`             |
| nothing, or messages were only appended        | no diagnostics (null)            |

Source: types of anthropic 2.10. The order of the checks is the order of the prompt.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ..nouns.prompt import Prompt

KEPT = 1000


class Diagnostics:
    """The prompts of recent messages, by message id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prompts: OrderedDict[str, tuple[str, Prompt]] = OrderedDict()

    def compare(self, made: str, model: str, prompt: Prompt, asked: Any) -> dict[str, Any] | None:
        """Remember this prompt as `made`; the diagnostics of the response, if `asked` for and anything differs."""
        with self._lock:
            previous = self._prompts.get(asked.get("previous_message_id") or "") if isinstance(asked, Mapping) else None
            self._prompts[made] = (model, prompt)
            if len(self._prompts) > KEPT:
                self._prompts.popitem(last=False)
        if not isinstance(asked, Mapping) or not asked.get("previous_message_id"):
            return None
        reason = _reason(previous, model, prompt)
        return {"cache_miss_reason": reason} if reason else None


def _reason(previous: tuple[str, Prompt] | None, model: str, prompt: Prompt) -> dict[str, Any] | None:
    if previous is None:
        return {"type": "previous_message_not_found"}
    before = previous[1]
    missed = sum(block.tokens for block in before.blocks)
    if previous[0] != model:
        return {"type": "model_changed", "cache_missed_input_tokens": missed}
    kept = 0
    for section in ("tools", "system", "messages"):
        old, new = _section(before, section), _section(prompt, section)
        same = old == new or (section == "messages" and new[: len(old)] == old)
        if not same or before.settings.get(section) != prompt.settings.get(section):
            return {"type": f"{section}_changed", "cache_missed_input_tokens": missed - kept}
        kept += sum(block.tokens for block in before.blocks if block.section == section)
    return None


def _section(prompt: Prompt, section: str) -> list[str]:
    return [block.text for block in prompt.blocks if block.section == section]
