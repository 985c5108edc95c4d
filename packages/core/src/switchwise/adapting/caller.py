"""The line of the user's program that a warning is about."""

from __future__ import annotations

import sys

_OURS = ("switchwise", "langchain_switchwise", "llama_index.llms.switchwise")


def users_level() -> int:
    """The `stacklevel` at which `warnings.warn`, called where this is called, names the first line outside of switchwise."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    return level


def _is_ours(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in _OURS)
