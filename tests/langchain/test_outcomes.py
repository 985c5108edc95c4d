"""Outcomes reach the estimators by themselves: from gates, from people at interrupts, from LangSmith."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from langsmith import Client

from langchain_switchwise import ChatSwitchwise, Follows, SwitchwiseGate, SwitchwiseMiddleware, SwitchwiseReview
from switchwise import ConfigurationError, Pool, Price, Router, Target
from switchwise.evaluation.live import langsmith_feedback
from switchwise.gate import Gate, Work
from switchwise.observe import Event, EventKind, Observer
from switchwise.policies import Rules, Worth
from switchwise.quality import LabelTable, Shrunk, TaskMemory
from switchwise.quality.estimate import Grade
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from .conftest import CLAUDE, GPT, claude, gpt

TASK = "Write the report."


class Table(LabelTable):
    """A table that keeps what it is given, too."""

    def __init__(self) -> None:
        super().__init__()
        self.grades: list[tuple[str, float, str]] = []

    def observe(self, filed: Any, target: str, grade: Grade) -> None:
        self.grades.append((target, grade.solved, grade.kind))
        super().observe(filed, target, grade)


class Said(Observer):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        if event.kind is EventKind.FEEDBACK:
            self.events.append(event)


def answers(request: Request) -> Answer:
    """Each model writes the report once, and says that it is done; the cheap one writes nothing into it."""
    since = max(at for at, turn in enumerate(request.messages) if turn.role == "user" and not turn.results)
    if any(turn.results for turn in request.messages[since:]):
        return Answer("Done.")
    return Answer("", tool_calls=[ToolCall("write", {"text": "" if request.model == GPT else "all of it"})])


def routed(provider: LoopbackProvider, *estimators: Any) -> tuple[ChatSwitchwise, Said]:
    pool = Pool([Target("strong", "anthropic", CLAUDE, Price(4, 20)), Target("fast", "openai", GPT, Price(0.1, 0.5))])
    said = Said()
    router = Router(pool, Follows(), Rules().prefer("fast"), Worth(Shrunk(*estimators), value=1.0), observers=[said])
    return ChatSwitchwise(router=router, models={"strong": claude(provider), "fast": gpt(provider)}), said


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def write(written: list[str]) -> Any:
    @tool
    def write(text: str) -> str:
        """Write the report."""
        written.append(text)
        return "written"

    return write


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(answer=answers) as running:
        yield running


def good(written: list[str]) -> Any:
    def check(_: Work) -> bool:
        return written[-1] != ""

    return check


def test_a_gate_teaches_the_table_and_the_memory_of_the_task(
    provider: LoopbackProvider, written: list[str], write: Any
) -> None:
    table, memory = Table(), TaskMemory()
    llm, said = routed(provider, table, memory)
    gate = Gate(good(written))
    agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), SwitchwiseGate(gate)])
    agent.invoke({"messages": [("user", TASK)]})
    assert table.grades == [("fast", 0.0, "sent_back"), ("strong", 1.0, "gate")]
    ((_, runs),) = memory.dump()["tasks"]
    assert {name: cell[:2] for name, cell in runs.items()} == {"fast": [1.0, 0.0], "strong": [1.0, 1.0]}, "one task, not two"
    assert [(event.details["kind"], event.details["reward"]) for event in said.events] == [("sent_back", 0.0), ("gate", 1.0)]
    assert gate.rate() == (0, 1)


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_gate_that_only_watches_teaches_nothing(
    provider: LoopbackProvider, written: list[str], write: Any, mode: Any
) -> None:
    table = Table()
    llm, _ = routed(provider, table)
    agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), SwitchwiseGate(Gate(good(written), mode=mode))])
    agent.invoke({"messages": [("user", TASK)]})
    assert table.grades == []


EDIT = {"type": "edit", "edited_action": {"name": "write", "args": {"text": "by hand"}}}


@pytest.mark.parametrize("way", ["batched", "per_call"])
@pytest.mark.parametrize(
    ("decision", "reward"),
    [
        ({"type": "approve"}, 1.0),
        (EDIT, 0.5),
        ({"type": "reject", "message": "not like this"}, 0.0),
        ({"type": "respond", "message": "it is there already"}, None),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_what_a_person_decides_at_an_interrupt_is_an_outcome(
    provider: LoopbackProvider, written: list[str], write: Any, decision: Any, reward: float | None, way: Any
) -> None:
    table = Table()
    llm, said = routed(provider, table)
    if way == "per_call" and "wrap_tool_call" not in vars(HumanInTheLoopMiddleware):
        pytest.skip("this version of LangChain asks after the model alone")
    options: dict[str, Any] = {"interrupt_mode": way} if way == "per_call" else {}
    review = SwitchwiseReview(llm, {"write": True}, **options)
    agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), review], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    paused = agent.invoke({"messages": [("user", TASK)]}, config)
    (asked,) = paused["__interrupt__"]
    assert table.grades == []
    answer = {"decisions": [decision]} if way == "batched" else {asked.id: decision}
    state = agent.invoke(Command(resume=answer), config)
    assert table.grades == ([] if reward is None else [("fast", reward, "review")])
    assert written == {1.0: [""], 0.5: ["by hand"]}.get(reward or 0.0, [])
    proposed = next(message for message in state["messages"] if isinstance(message, AIMessage))
    if reward is not None:
        assert [event.decision for event in said.events] == [proposed.response_metadata["switchwise"]["decision"]]


async def test_call_by_call_asynchronously_only_those_that_its_condition_names(
    provider: LoopbackProvider, written: list[str], write: Any
) -> None:
    if "wrap_tool_call" not in vars(HumanInTheLoopMiddleware):
        pytest.skip("this version of LangChain asks after the model alone")
    for asks in (True, False):
        table = Table()
        llm, _ = routed(provider, table)
        condition: Any = {"allowed_decisions": ["approve"], "when": lambda _, asks=asks: asks}
        options: Any = {"interrupt_mode": "per_call"}
        review = SwitchwiseReview(llm, {"write": condition}, **options)
        agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), review], checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "1"}}
        state = await agent.ainvoke({"messages": [("user", TASK)]}, config)
        if asks:
            (asked,) = state["__interrupt__"]
            await agent.ainvoke(Command(resume={asked.id: {"type": "approve"}}), config)
        assert table.grades == ([("fast", 1.0, "review")] if asks else [])
    assert written == ["", ""]


async def test_where_langchain_asks_after_the_model_alone_tools_run_as_they_are(
    provider: LoopbackProvider, written: list[str], write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_switchwise.doors.review._WRAPS_TOOLS", False)
    llm, _ = routed(provider, Table())
    agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), SwitchwiseReview(llm, {"delete": True})])
    agent.invoke({"messages": [("user", TASK)]})
    await agent.ainvoke({"messages": [("user", TASK)]})
    assert written == ["", ""]


def test_calls_that_nobody_looks_at_are_no_outcome(provider: LoopbackProvider, write: Any) -> None:
    table = Table()
    llm, _ = routed(provider, table)
    review = SwitchwiseReview(llm, {"delete": True})
    create_agent(llm, [write], middleware=[SwitchwiseMiddleware(), review]).invoke({"messages": [("user", TASK)]})
    assert table.grades == []


def test_a_review_needs_the_routed_model() -> None:
    with pytest.raises(ConfigurationError, match="give the agent's ChatSwitchwise"):
        SwitchwiseReview({"write": True}, {})  # type: ignore[arg-type]


def test_feedback_takes_the_message_itself(provider: LoopbackProvider) -> None:
    table = Table()
    llm, _ = routed(provider, table)
    llm.router.feedback(llm.invoke("Hello"), 1.0)
    assert table.grades == [("fast", 1.0, "feedback")]
    with pytest.raises(ConfigurationError, match="an answer that carries its record"):
        llm.router.feedback(AIMessage("not ours"), 1.0)


class LangSmith:
    """The two addresses of LangSmith's service that are read, with what was traced here."""

    def __init__(self, runs: list[Any], feedback: list[dict[str, Any]]) -> None:
        served = {"/runs/query": {"runs": [self._row(run) for run in runs], "cursors": {}}, "/feedback": feedback}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                path, _, query = self.path.partition("?")
                found: Any = served.get(path, {})
                if path == "/feedback" and "offset=0" not in query and "offset=" in query:
                    found = []
                body = json.dumps(found, default=str).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (the server's own name)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @staticmethod
    def _row(run: Any) -> dict[str, Any]:
        names = ("id", "name", "run_type", "start_time", "extra", "trace_id", "dotted_order", "parent_run_id")
        return {**{name: getattr(run, name) for name in names}, "inputs": {}, "session_id": str(uuid4())}

    def __enter__(self) -> LangSmith:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def beneath(run: Any) -> Iterator[Any]:
    yield run
    for child in run.child_runs:
        yield from beneath(child)


@pytest.mark.parametrize("where", ["the trace", "one call"])
def test_feedback_that_was_given_in_langsmith(provider: LoopbackProvider, write: Any, where: str) -> None:
    table = Table()
    llm, _ = routed(provider, table)
    collected = RunCollectorCallbackHandler()
    agent = create_agent(llm, [write], middleware=[SwitchwiseMiddleware()])
    state = agent.invoke({"messages": [("user", TASK)]}, {"callbacks": [collected]})
    ids = [m.response_metadata["switchwise"]["decision"] for m in state["messages"] if isinstance(m, AIMessage)]
    (trace,) = collected.traced_runs
    runs = [*beneath(trace)]
    first = next(run for run in runs if (run.extra or {}).get("metadata", {}).get("switchwise_decision") == ids[0])
    rated = trace if where == "the trace" else first
    given = [
        {
            "id": str(uuid4()),
            "run_id": str(rated.id),
            "trace_id": str(trace.id),
            "key": key,
            "score": score,
            "created_at": trace.start_time,
            "modified_at": trace.start_time,
        }
        for key, score in (("stars", 4), ("remark", None))
    ]
    with LangSmith(runs, given) as service:
        client = Client(api_url=service.url, api_key="local", auto_batch_tracing=False)
        with pytest.raises(ConfigurationError, match=r"best=\{'stars'"):
            langsmith_feedback(client, project_id=uuid4())
        outcomes = langsmith_feedback(client, project_id=uuid4(), best={"stars": 5})
    assert outcomes == [(ids[-1] if where == "the trace" else ids[0], 0.8, "langsmith")]
    for outcome in outcomes:
        llm.router.feedback(*outcome)
    assert table.grades == [("fast", 0.8, "langsmith")]
