"""Calls without a framework: the official SDKs of OpenAI and Anthropic, behind one router.

No SDK is imported before a call is made.
"""

from fairlead.clients.anthropic import AnthropicClient
from fairlead.clients.clients import Clients, Completion, Stream
from fairlead.clients.openai import OpenAIClient
from fairlead.clients.sdk import Client, HiddenRetries, Request
from fairlead.usage import usage_of

__all__ = [
    "AnthropicClient",
    "Client",
    "Clients",
    "Completion",
    "HiddenRetries",
    "OpenAIClient",
    "Request",
    "Stream",
    "usage_of",
]
