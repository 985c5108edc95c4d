"""The agent: a LangGraph agent with the airline's tools, and a sub-agent that searches flights for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_switchwise.demo.recording import SEARCHES, errand

_TEXT, _NUMBER, _LIST = {"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "object"}}
_ROUTE = {"origin": _TEXT, "destination": _TEXT, "date": _TEXT}
_BAGGAGE = {"total_baggages": _NUMBER, "nonfree_baggages": _NUMBER}
_BOOKING = {
    "user_id": _TEXT,
    "origin": _TEXT,
    "destination": _TEXT,
    "flight_type": _TEXT,
    "cabin": _TEXT,
    "flights": _LIST,
    "passengers": _LIST,
    "payment_methods": _LIST,
    **_BAGGAGE,
    "insurance": _TEXT,
}

# Name -> what it does, and its parameters.
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_user_details": ("Look up a customer: address, membership, payment methods, reservations.", {"user_id": _TEXT}),
    "get_reservation_details": ("Look up a reservation: flights, cabin, passengers, payments.", {"reservation_id": _TEXT}),
    "list_all_airports": ("List the airports and their cities.", {}),
    "search_direct_flight": ("Find direct flights on a day, with seats and prices.", _ROUTE),
    "search_onestop_flight": ("Find flights with one stop on a day, with seats and prices.", _ROUTE),
    "book_reservation": ("Book flights for a customer.", _BOOKING),
    "update_reservation_flights": (
        "Change the flights or the cabin of a reservation.",
        {"reservation_id": _TEXT, "cabin": _TEXT, "flights": _LIST, "payment_id": _TEXT},
    ),
    "update_reservation_baggages": (
        "Change the bags of a reservation.",
        {"reservation_id": _TEXT, **_BAGGAGE, "payment_id": _TEXT},
    ),
    "update_reservation_passengers": (
        "Correct the passengers of a reservation.",
        {"reservation_id": _TEXT, "passengers": _LIST},
    ),
    "cancel_reservation": ("Cancel a reservation.", {"reservation_id": _TEXT}),
    "send_certificate": ("Send a customer a certificate of a value.", {"user_id": _TEXT, "amount": _NUMBER}),
    "calculate": ("Work out an expression of numbers.", {"expression": _TEXT}),
    "think": ("Note a thought; it changes nothing.", {"thought": _TEXT}),
    "transfer_to_human_agents": ("Hand the customer over to a person.", {"summary": _TEXT}),
}

Run = Callable[[str, Mapping[str, Any]], str]
_SEARCHER = "You search flights for an airline agent. Run the search you are asked for, then report its result as it is."


def build(model: BaseChatModel, policy: str, run: Run) -> Runnable[Any, Any]:
    """The airline's agent.

    Parameters:
        model: answers for the agent and for its sub-agent.
        policy: the system prompt.
        run: runs a tool: name and arguments to result.
    """
    searcher = create_agent(
        model, [_tool(name, _running(name, run)) for name in SEARCHES], system_prompt=_SEARCHER, name="flight_search"
    )

    def searching(name: str) -> Callable[..., str]:
        def search(**arguments: Any) -> str:
            found = searcher.invoke({"messages": [{"role": "user", "content": errand(name, arguments)}]})
            return str(found["messages"][-1].text)

        return search

    tools = [_tool(name, searching(name) if name in SEARCHES else _running(name, run)) for name in TOOLS]
    return create_agent(model, tools, system_prompt=policy, name="desk", checkpointer=InMemorySaver())


def config(session: str, membership: str) -> RunnableConfig:
    """The config of a conversation: its thread, and the label that rules may go by."""
    return {"configurable": {"thread_id": session}, "metadata": {"switchwise_labels": {"membership": membership}}}


def _running(name: str, run: Run) -> Callable[..., str]:
    return lambda **arguments: run(name, arguments)


def _tool(name: str, function: Callable[..., str]) -> BaseTool:
    description, parameters = TOOLS[name]
    schema = {"type": "object", "properties": parameters, "required": list(parameters)}
    return StructuredTool(name=name, description=description, args_schema=json.loads(json.dumps(schema)), func=function)
