"""Switchwise: a LlamaIndex LLM that sends each call to the LLM that should answer it."""

from llama_index.llms.switchwise.answering.events import RouteDecisionEvent, RouteOutcomeEvent
from llama_index.llms.switchwise.doors.gate import gated
from llama_index.llms.switchwise.doors.llm import Switchwise
from llama_index.llms.switchwise.reading.scope import route_scope
from switchwise.adapting.sdk_clients import HiddenRetries

__all__ = ["HiddenRetries", "RouteDecisionEvent", "RouteOutcomeEvent", "Switchwise", "gated", "route_scope"]
