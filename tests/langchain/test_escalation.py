"""Escalate in an agent: the loop's own tool results say that the cheap model is stuck, and the note reaches who takes over."""

from __future__ import annotations

from langchain.agents import create_agent
from langchain_core.tools import tool

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise import Pool, Router, Target
from switchwise.policies import Escalate, Rules
from switchwise.policies.escalate import NOTE
from switchwise_loopback import Answer, ToolCall

from .conftest import claude, gpt


@tool
def run_tests(path: str) -> str:
    """Run the tests."""
    return f"1 failed: {path} is not there"


def test_an_agent_that_repeats_a_failing_call_is_given_to_the_stronger_model(provider):
    def answer(request):
        if request.model.startswith("claude"):
            return Answer("It is fixed.")
        return Answer(tool_calls=[ToolCall("run_tests", {"path": "a.py"})])

    provider._responder = answer
    router = Router(
        Pool([Target("strong", "anthropic"), Target("cheap", "openai")]),
        Escalate(note=NOTE),
        Rules().prefer("cheap", when=lambda view: True, because="cheap"),
    )
    llm = ChatSwitchwise({"strong": claude(provider), "cheap": gpt(provider)}, router=router)
    agent = create_agent(llm, [run_tests], middleware=[SwitchwiseMiddleware()])
    state = agent.invoke({"messages": [("user", "Please fix the tests")]}, {"configurable": {"thread_id": "t"}})
    who = [m.response_metadata["switchwise"]["target"] for m in state["messages"] if m.type == "ai"]
    assert who == ["cheap", "cheap", "cheap", "strong"]
    sent = str(provider.requests[-1].body["messages"])
    assert "another model worked on this until now" in sent
    assert "the same failing output 3 times" in sent
    assert "another model" not in str(state["messages"])  # it is no part of the conversation
