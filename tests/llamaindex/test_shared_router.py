"""One router serves LangChain and LlamaIndex in one process: one journal, one budget, one memory of what failed."""

from __future__ import annotations

import pytest
from langchain_core.language_models import FakeListChatModel
from llama_index.core.base.llms.types import ChatMessage

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import BudgetExceeded, Pool, Price, Router, Target, hold
from switchwise.policies import Budget, ByAgent, Fits, Healthy
from switchwise_loopback import Fault

HELLO = [ChatMessage(role="user", content="hello")]


@pytest.fixture
def both(openai, journal):
    """The same targets, as models of both frameworks."""

    def make(*policies):
        pool = Pool([Target("one", "first", price=Price(1e4, 1e4)), Target("two", "second", price=Price(1e4, 1e4))])
        router = Router(pool, *policies, observers=[journal])
        chat_model = ChatSwitchwise(
            {"one": FakeListChatModel(responses=["one"]), "two": FakeListChatModel(responses=["two"])}, router=router
        )
        return chat_model, Switchwise({"one": openai("gpt-4.1"), "two": openai("gpt-4o")}, router=router)

    return make


def in_session(name):
    return {"configurable": {"thread_id": name}}


def test_both_write_into_one_journal(both, journal):
    chat_model, llm = both(Fits())
    chat_model.invoke("hello", in_session("s1"))
    llm.chat(HELLO, route={"session": "s1"})
    assert [attempt.call.view.scope.session for attempt in journal] == ["s1", "s1"]


def test_what_fails_in_one_framework_is_left_out_in_the_other(both, provider):
    chat_model, llm = both(Healthy())
    provider.inject(Fault.OVERLOADED, model="gpt-4.1")
    assert llm.chat(HELLO).additional_kwargs["switchwise"]["target"] == "two"
    assert chat_model.invoke("hello").text == "two"


def test_what_is_held_in_one_framework_is_held_in_the_other(both):
    choice = {"main": "two"}
    chat_model, llm = both(hold(ByAgent(choice), per="session"))
    assert llm.chat(HELLO, route={"session": "s1"}).additional_kwargs["switchwise"]["target"] == "two"
    assert chat_model.invoke("hello", in_session("s1")).text == "two"


def test_one_budget_is_spent_by_both(both):
    chat_model, llm = both(Budget(usd=41.1, per="session"))  # enough for one call of the longest answer, and no second
    llm.chat(HELLO, route={"session": "s1"})
    with pytest.raises(BudgetExceeded):
        chat_model.invoke("hello", in_session("s1"))
    assert chat_model.invoke("hello", in_session("s2")).text == "one"
