"""switchwise for LangChain and LangGraph: a chat model that sends each call to the model that should answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from langchain_switchwise.policies.by_decision import ByDecision
from switchwise.policies.follow_decision import Follows

if TYPE_CHECKING:
    from langchain_switchwise.doors.gate import SwitchwiseGate, gate_node
    from langchain_switchwise.doors.middleware import SwitchwiseMiddleware
    from langchain_switchwise.doors.node import SwitchwiseNode, SwitchwiseState, follow
    from langchain_switchwise.doors.review import SwitchwiseReview

__all__ = [
    "ByDecision",
    "ChatSwitchwise",
    "Follows",
    "SwitchwiseGate",
    "SwitchwiseMiddleware",
    "SwitchwiseNode",
    "SwitchwiseReview",
    "SwitchwiseState",
    "follow",
    "gate_node",
]

_LATER = {
    "SwitchwiseGate": "langchain_switchwise.doors.gate",
    "gate_node": "langchain_switchwise.doors.gate",
    "SwitchwiseMiddleware": "langchain_switchwise.doors.middleware",
    "SwitchwiseReview": "langchain_switchwise.doors.review",
    "SwitchwiseNode": "langchain_switchwise.doors.node",
    "SwitchwiseState": "langchain_switchwise.doors.node",
    "follow": "langchain_switchwise.doors.node",
}
"""What is imported when it is asked for: the middleware needs `langchain`, which a plain chain does without."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
