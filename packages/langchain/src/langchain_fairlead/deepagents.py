"""Deep agents route without wiring: deepagents finds this by its entry point and adds the middleware to every agent.

`create_deep_agent(model=ChatFairlead(...))` then routes the main agent, declared sub-agents and the general-purpose one.
The harness profile is a beta interface of deepagents; whatever depends on it stands here.
"""

from __future__ import annotations

from typing import Any


def register() -> None:
    """Let every deep agent whose model is a `ChatFairlead` have a `FairleadMiddleware`. Called by deepagents."""
    from deepagents import HarnessProfile, register_harness_profile

    from langchain_fairlead.middleware import FairleadMiddleware

    def middleware() -> list[Any]:
        return [FairleadMiddleware()]

    register_harness_profile("fairlead", HarnessProfile(extra_middleware=middleware))
