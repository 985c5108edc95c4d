"""Calls without a framework: the official SDKs of OpenAI and Anthropic behind one router. SDKs are imported at the first call."""

from switchwise.adapting.sdk_clients import HiddenRetries
from switchwise.clients.anthropic import AnthropicClient
from switchwise.clients.clients import Clients
from switchwise.clients.completion import Completion, Signal, Stream
from switchwise.clients.decisions import DecisionModel, LocalModel, OpenAIDecisions, SystemOne
from switchwise.clients.openai import OpenAIClient
from switchwise.clients.sdk import Client, NativeRequest
from switchwise.nouns.usage import usage_of

__all__ = [
    "AnthropicClient",
    "Client",
    "Clients",
    "Completion",
    "DecisionModel",
    "HiddenRetries",
    "LocalModel",
    "NativeRequest",
    "OpenAIClient",
    "OpenAIDecisions",
    "Signal",
    "Stream",
    "SystemOne",
    "usage_of",
]
