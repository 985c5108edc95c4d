"""The gate on real parts: a repository that is broken, tools that edit it, its own tests, models played by the loopback provider."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode

from langchain_switchwise import (
    ChatSwitchwise,
    Follows,
    SwitchwiseGate,
    SwitchwiseMiddleware,
    SwitchwiseState,
    follow,
    gate_node,
)
from switchwise import ConfigurationError, Pool, Price, Router, Target
from switchwise.gate import MARK, Gate
from switchwise.observe import Event, EventKind, Observer
from switchwise.observe.journal import InMemory
from switchwise.policies import Rules
from switchwise.verifiers.command import Command
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from .conftest import CLAUDE, GPT, claude, gpt
from .fakes import Scripted

BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of an inner suite: it needs none of them
BROKEN = "def double(x):\n    return x\n"
MENDED = "def double(x):\n    return 2 * x\n"
TEST = "import runpy\n\ndef test_double():\n    assert runpy.run_path('code.py')['double'](3) == 6\n"
EASY = "def test_double():\n    assert True\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "tests").mkdir(parents=True)
    (root / "code.py").write_text(BROKEN)
    (root / "tests" / "test_code.py").write_text(TEST)
    return root


def tools(root: Path) -> list[BaseTool]:
    @tool
    def write_file(path: str, text: str) -> str:
        """Write a file of the repository."""
        (root / path).write_text(text)
        return f"wrote {path}"

    return [write_file]


def suite(root: Path, **options: Any) -> Command:
    return Command([sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"], root, environment=BARE, **options)


def writes(path: str, text: str) -> Answer:
    return Answer("", tool_calls=[ToolCall("write_file", {"path": path, "text": text})])


def honest(request: Request) -> Answer:
    """The cheap model says that it is done; the strong one mends the code first, once it has seen what was found."""
    if request.model == GPT:
        return Answer("All tests pass now. Done.")
    texts = [turn.text for turn in request.messages]
    assert any("1 failed" in text for text in texts), "the strong model sees what the check printed"
    return Answer("Mended; done.") if request.messages[-1].results else writes("code.py", MENDED)


def cheating(request: Request) -> Answer:
    """The cheap model edits the test."""
    if request.model == GPT:
        return Answer("Done.") if request.messages[-1].results else writes("tests/test_code.py", EASY)
    return Answer("Mended; done.") if request.messages[-1].results else writes("code.py", MENDED)


Make = Callable[..., ChatSwitchwise]


class Events(Observer):
    def __init__(self, events: list[Event]) -> None:
        self.event = events.append  # type: ignore[method-assign]


@pytest.fixture
def llm() -> Make:
    def make(provider: LoopbackProvider, *policies: Any, observers: list[Any] | None = None) -> ChatSwitchwise:
        pool = Pool(
            [
                Target("strong", "anthropic", CLAUDE, Price(4, 20)),
                Target("fast", "openai", GPT, Price(0.1, 0.5)),
            ]
        )
        router = Router(pool, Follows(), *(policies or (Rules().prefer("fast"),)), observers=observers or [])
        return ChatSwitchwise(router=router, models={"strong": claude(provider), "fast": gpt(provider)})

    return make


def run(agent: Any, config: dict[str, Any] | None = None) -> list[AnyMessage]:
    return agent.invoke({"messages": [("user", "Mend the failing test.")]}, config)["messages"]


def targets(messages: list[AnyMessage]) -> list[str]:
    return [m.response_metadata["switchwise"]["target"] for m in messages if isinstance(m, AIMessage)]


@pytest.mark.parametrize("routed", [True, False], ids=["with the routing middleware", "alone"])
def test_a_wrong_done_is_caught_and_the_stronger_one_finishes(repository: Path, llm: Make, routed: bool) -> None:
    with LoopbackProvider(answer=honest) as provider:
        journal = InMemory()
        middleware = [*([SwitchwiseMiddleware()] if routed else []), SwitchwiseGate(suite(repository))]
        agent = create_agent(llm(provider, observers=[journal]), tools(repository), middleware=middleware)
        messages = run(agent)
    assert (repository / "code.py").read_text() == MENDED
    assert targets(messages) == ["fast", "strong", "strong"]
    marked = [m for m in messages if m.additional_kwargs.get("lc_source") == MARK]
    assert [type(m) for m in marked] == [HumanMessage]
    assert messages[-1].text == "Mended; done."
    assert [record.target for record in journal] == ["fast", "strong", "strong"]


async def test_asynchronously_too(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=honest) as provider:
        agent = create_agent(llm(provider), tools(repository), middleware=[SwitchwiseGate(suite(repository))])
        state = await agent.ainvoke({"messages": [("user", "Mend the failing test.")]})
    assert targets(state["messages"]) == ["fast", "strong", "strong"]


def test_a_run_that_edits_its_tests_is_caught(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=cheating) as provider:
        agent = create_agent(llm(provider), tools(repository), middleware=[SwitchwiseGate(suite(repository))])
        messages = run(agent)
    assert targets(messages) == ["fast", "fast"]
    assert messages[-1].text.endswith("[not verified: the run changed files that decide the check: tests/test_code.py]")


def test_with_the_old_tests_in_place_it_goes_on_until_the_code_is_right(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=cheating) as provider:
        agent = create_agent(llm(provider), tools(repository), middleware=[SwitchwiseGate(suite(repository, restore=True))])
        messages = run(agent)
    assert targets(messages) == ["fast", "fast", "strong", "strong"]
    assert (repository / "code.py").read_text() == MENDED
    assert "not verified" not in messages[-1].text


def test_after_so_many_tries_it_ends_with_a_mark(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=lambda _: Answer("Done.")) as provider:
        agent = create_agent(llm(provider), [], middleware=[SwitchwiseGate(Gate(suite(repository), tries=2))])
        messages = run(agent)
    assert targets(messages) == ["fast", "strong", "strong"]
    assert "[not verified: the check failed" in messages[-1].text


def test_the_next_input_of_a_thread_has_all_its_tries_and_the_cheap_target_again(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=lambda _: Answer("Done.")) as provider:
        gate = SwitchwiseGate(Gate(suite(repository), tries=1))
        agent = create_agent(llm(provider), [], middleware=[gate], checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "1"}}
        assert targets(run(agent, config)) == ["fast", "strong"]
        assert targets(run(agent, config)) == ["fast", "strong"] * 2


def test_a_reader_of_the_stream_learns_what_to_retract(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=honest) as provider:
        agent = create_agent(llm(provider), tools(repository), middleware=[SwitchwiseGate(suite(repository))])
        events = list(agent.stream({"messages": [("user", "Mend it.")]}, stream_mode=["updates", "custom"]))
    custom = [event for kind, event in events if kind == "custom"]
    assert [(event["switchwise_gate"], event["again"], event["target"]) for event in custom] == [("rejected", True, "strong")]
    first = next(event["model"]["messages"][0] for kind, event in events if kind == "updates" and "model" in event)
    assert custom[0]["message"] == first.id


def test_the_message_of_a_call_limit_is_not_judged(repository: Path, llm: Make) -> None:
    judged: list[str] = []

    def check(work: Any) -> bool:
        judged.append(work.text)
        return False

    with LoopbackProvider(answer=lambda _: writes("code.py", BROKEN)) as provider:
        limit = ModelCallLimitMiddleware(run_limit=2, exit_behavior="end")
        agent = create_agent(llm(provider), tools(repository), middleware=[limit, SwitchwiseGate(check)])
        run(agent)
    assert judged == []


def test_a_shorter_leash_of_the_graph_ends_it_with_a_mark_and_not_with_an_error(repository: Path, llm: Make) -> None:
    with LoopbackProvider(answer=lambda _: Answer("Done.")) as provider:
        agent = create_agent(llm(provider), [], middleware=[SwitchwiseGate(Gate(suite(repository), tries=9))])
        messages = run(agent, {"recursion_limit": 8})
    assert "no steps are left to fix it" in messages[-1].text


def test_a_sub_agent_of_a_deep_agent_has_a_gate_of_its_own(repository: Path, llm: Make) -> None:
    def answers(request: Request) -> Answer:
        if any("Mend the failing test of the repository" in turn.text for turn in request.messages if turn.role == "user"):
            return honest(request)
        if request.messages[-1].results:
            return Answer("The sub-agent says: " + str(request.messages[-1].results[-1].text))
        task = {"description": "Mend the failing test of the repository", "subagent_type": "coder"}
        return Answer("", tool_calls=[ToolCall("task", task)])

    with LoopbackProvider(answer=answers) as provider:
        coder = {
            "name": "coder",
            "description": "Mends code.",
            "system_prompt": "You mend code.",
            "tools": tools(repository),
            "middleware": [SwitchwiseGate(suite(repository))],
        }
        agent = create_deep_agent(model=llm(provider), tools=[], subagents=[coder])
        messages = run(agent)
    assert (repository / "code.py").read_text() == MENDED
    assert "Mended; done." in messages[-1].text
    assert not any(m.additional_kwargs.get("lc_source") == MARK for m in messages), "the parent sees the last answer only"


def test_as_a_node_of_a_graph_of_ones_own(repository: Path, llm: Make) -> None:
    class State(SwitchwiseState):
        messages: Annotated[list[AnyMessage], add_messages]
        switchwise_gate: dict[str, Any] | None

    with LoopbackProvider(answer=honest) as provider:
        said: list[Event] = []
        model = llm(provider, observers=[Events(said)])
        bound = model.bind_tools(tools(repository))

        def agent(state: State) -> dict[str, Any]:
            return {"messages": [bound.invoke(state["messages"], **follow(state))]}

        graph = StateGraph(State)
        graph.add_node("agent", agent)
        graph.add_node("tools", ToolNode(tools(repository)))
        graph.add_node("gate", gate_node(suite(repository), llm=model), destinations=("agent", "__end__"))
        graph.add_edge(START, "agent")
        graph.add_conditional_edges(
            "agent", lambda state: "tools" if state["messages"][-1].tool_calls else "gate", ["tools", "gate"]
        )
        graph.add_edge("tools", "agent")
        messages = run(graph.compile())
    assert targets(messages) == ["fast", "strong", "strong"]
    kinds = [(event.details["kind"], event.details["reward"]) for event in said if event.kind is EventKind.FEEDBACK]
    assert kinds == [("sent_back", 0.0), ("gate", 1.0)], "the router learns from the verdicts"
    assert (repository / "code.py").read_text() == MENDED


@pytest.mark.parametrize("last", [[], [("user", "And now?")], [ToolMessage("found", tool_call_id="c1")]])
def test_a_node_judges_no_conversation_without_an_answer(last: list[Any]) -> None:
    judged: list[Any] = []

    class State(SwitchwiseState):
        messages: Annotated[list[AnyMessage], add_messages]

    graph = StateGraph(State)
    graph.add_node("gate", gate_node(lambda work: bool(judged.append(work))), destinations=("__end__",))
    graph.add_edge(START, "gate")
    graph.compile().invoke({"messages": last})
    assert judged == []


def test_a_model_that_does_not_route_is_refused_by_the_node() -> None:
    with pytest.raises(ConfigurationError, match="give the ChatSwitchwise of the graph"):
        gate_node(lambda _: True, llm="fast")  # type: ignore[arg-type]


def test_a_node_without_a_stronger_target_sends_back_all_the_same_and_marks_the_end() -> None:
    class State(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        switchwise_gate: dict[str, Any] | None

    graph = StateGraph(State)
    graph.add_node("agent", lambda state: {"messages": [Scripted(script=["Done."]).invoke(state["messages"])]})
    graph.add_node("gate", gate_node(Gate(lambda _: False, stronger="", tries=1)), destinations=("agent", "__end__"))
    graph.add_edge(START, "agent")
    graph.add_edge("agent", "gate")
    messages = run(graph.compile())
    assert [type(message) for message in messages[1:]] == [AIMessage, HumanMessage, AIMessage]
    assert messages[-1].text.startswith("Done.")
    assert "[not verified: " in messages[-1].text


async def test_it_judges_a_model_that_does_not_route_too_and_no_run_that_a_limit_ended(provider: LoopbackProvider) -> None:
    judged: list[str] = []

    def check(work: Any) -> bool:
        judged.append(work.text)
        return len(judged) > 1

    agent = create_agent(gpt(provider), [], middleware=[SwitchwiseGate(Gate(check, stronger=""))])
    messages = (await agent.ainvoke({"messages": [("user", "Mend it.")]}))["messages"]
    assert [type(message) for message in messages] == [HumanMessage, AIMessage, HumanMessage, AIMessage]
    assert judged == [messages[1].text, messages[3].text]
    ends = ModelCallLimitMiddleware(thread_limit=0, exit_behavior="end")
    await create_agent(gpt(provider), [], middleware=[ends, SwitchwiseGate(check)]).ainvoke(
        {"messages": [("user", "Mend it.")]}
    )
    assert len(judged) == 2


def test_a_router_that_would_not_follow_it_is_refused(provider: LoopbackProvider) -> None:
    router = Router(Pool([Target("fast", "openai", GPT)]), Rules())
    llm = ChatSwitchwise(router=router, models={"fast": gpt(provider)})
    agent = create_agent(llm, [], middleware=[SwitchwiseGate(lambda _: False)])
    with pytest.raises(ConfigurationError, match=r"put Follows\(\) first"):
        run(agent)
