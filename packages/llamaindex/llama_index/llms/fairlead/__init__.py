"""Fairlead: a LlamaIndex LLM that sends each call to the LLM that should answer it."""

from llama_index.llms.fairlead.base import Fairlead
from llama_index.llms.fairlead.events import RouteDecisionEvent, RouteOutcomeEvent
from llama_index.llms.fairlead.native import HiddenRetries
from llama_index.llms.fairlead.scope import route_scope

__all__ = ["Fairlead", "HiddenRetries", "RouteDecisionEvent", "RouteOutcomeEvent", "route_scope"]
