"""A local server with the protocols of OpenAI and Anthropic, for tests, demos and offline development.

>>> from switchwise_loopback import Answer, LoopbackProvider
>>> with LoopbackProvider(answer=[Answer("hello")]) as provider:
...     url = provider.openai_url     # ChatOpenAI(base_url=url, api_key="test", model="any")

| to ...                                | see                                                  |
|---------------------------------------|------------------------------------------------------|
| script answers, or compute them       | `Answer`, `Request`, `LoopbackProvider`              |
| re-enact a recorded conversation      | `Replay`                                             |
| let requests fail                     | `Fault`, `LoopbackProvider.inject`                   |
| see what was sent                     | `Seen`, `LoopbackProvider.requests`                  |
| read about the default answers | `answers.responder` |
| see the checks of requests | `openai.checks`, `openai.responses_checks`, |
|                                       | `anthropic.checks`, `anthropic.thinking`             |
| see and change the cache rules | `serving.caching`, `CacheRule` |
| start it from a shell                 | `python -m switchwise_loopback --help`               |

It supports Chat Completions, Responses and Messages, streamed and not, their batches (`openai.batches`, `anthropic.batches`), and
OpenAI's Decisions (`openai.decisions`). It is strict: it refuses what the real APIs refuse, with their error messages. It caches prompts
by the published rules and reports them in `usage`. It needs only the standard library. Token counts are estimates (`nouns.tokens`). It
binds to 127.0.0.1 only.
"""

from .answers.replay import Replay
from .nouns.types import Answer, Request, Seen, Tool, ToolCall, ToolResult, Turn, Usage
from .provider import LoopbackProvider
from .serving.caching import CacheRule
from .serving.faults import Fault

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
