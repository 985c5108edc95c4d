"""fairlead for LangChain and LangGraph: a chat model that sends each call to the model that should answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_fairlead.chat_model import ChatFairlead
from langchain_fairlead.decisions import ByDecision
from langchain_fairlead.follows import Follows

if TYPE_CHECKING:
    from langchain_fairlead.middleware import FairleadMiddleware
    from langchain_fairlead.node import FairleadNode, FairleadState, follow

__all__ = ["ByDecision", "ChatFairlead", "FairleadMiddleware", "FairleadNode", "FairleadState", "Follows", "follow"]

_LATER = {
    "FairleadMiddleware": "langchain_fairlead.middleware",
    "FairleadNode": "langchain_fairlead.node",
    "FairleadState": "langchain_fairlead.node",
    "follow": "langchain_fairlead.node",
}
"""What is imported when it is asked for: the middleware needs `langchain`, which a plain chain does without."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
