"""A local server that speaks the protocols of OpenAI and Anthropic, for tests, demos and offline development.

>>> from fairlead.testing.loopback import Answer, LoopbackProvider
>>> with LoopbackProvider(answer=[Answer("hello")]) as provider:
...     url = provider.openai_url     # ChatOpenAI(base_url=url, api_key="test", model="any")

It is strict: it refuses what the real APIs refuse, with their words. It caches prompts by the published rules and
reports them in ``usage``. It fails on request (``inject``). It needs nothing beyond the standard library.
"""

from .caching import CacheRule
from .faults import Fault
from .provider import LoopbackProvider
from .replay import Replay
from .types import Answer, Request, Seen, Tool, ToolCall, ToolResult, Turn, Usage

__all__ = [
    "Answer",
    "CacheRule",
    "Fault",
    "LoopbackProvider",
    "Replay",
    "Request",
    "Seen",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Turn",
    "Usage",
]
