"""The gate, end to end: a broken repository, agents that edit its files, its own test suite as the check.

A cheap model says "done" and is wrong; the suite finds it, the same run continues with the stronger model, and the bill stands next to that of the same work
done by the stronger model alone. A run that edits its tests is caught. The same in a LangGraph agent, in a sub-agent of a deep agent and in a LlamaIndex
workflow. No key, no cost: the models' words are scripted and served by a local provider; files, edits, tests and token counts are real.
"""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseGate, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise, gated
from switchwise import Pool, Price, Router, Target
from switchwise.gate import Gate
from switchwise.observe import Event, EventKind, Observer
from switchwise.observe.journal import InMemory
from switchwise.policies import Follows, Rules, Worth
from switchwise.quality import LabelTable
from switchwise.verifiers import Command
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

logging.getLogger("switchwise.gate").addHandler(logging.NullHandler())  # the table below says what it would

BROKEN = '''"""Intervals of whole numbers, as (first, last), both included."""


def merged(intervals):
    """The same numbers in as few intervals as possible, in order."""
    found = []
    for first, last in sorted(intervals):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
'''
TESTS = """from intervals import merged


def test_apart():
    assert merged([(1, 2), (8, 9)]) == [(1, 2), (8, 9)]


def test_overlapping():
    assert merged([(4, 8), (1, 5)]) == [(1, 8)]


def test_inside_another():
    assert merged([(1, 9), (3, 4)]) == [(1, 9)]


def test_neighbours():
    assert merged([(1, 2), (3, 4)]) == [(1, 4)]
"""
TICKET = "Mend `merged` in intervals.py: two of its tests fail."
RULES = (
    "You maintain a small library. Read the code and its tests before you change anything, change as little as the ticket asks for, do not touch the "
    "tests, and say in one sentence when you are done. " + "Intervals include both ends, and are pairs of whole numbers. " * 40
)
INSIDE = ("(found[-1][0], last)", "(found[-1][0], max(found[-1][1], last))")
NEIGHBOURS = ("first <= found[-1][1]:", "first <= found[-1][1] + 1:")
SKIPPED = ("assert merged([(1, 2), (3, 4)]) == [(1, 4)]", "pass")
STRONG, FAST = "gpt-6.1-sol", "gpt-6-luna"


class Repository:
    """A checkout of its own, and the tools that work on it."""

    def __init__(self, folder: str) -> None:
        self.root = Path(folder)
        (self.root / "tests").mkdir()
        (self.root / "intervals.py").write_text(BROKEN)
        (self.root / "tests" / "test_intervals.py").write_text(TESTS)
        (self.root / "conftest.py").write_text("")  # puts the root on the path of the tests

    def read_file(self, path: str) -> str:
        """Read a file of the repository."""
        return (self.root / path).read_text()

    def replace(self, path: str, old: str, new: str) -> str:
        """Replace a text that stands once in a file of the repository."""
        text = self.read_file(path)
        if text.count(old) != 1:
            return f"Error: {old!r} stands {text.count(old)} times in {path}"
        (self.root / path).write_text(text.replace(old, new))
        return "replaced"

    def tests(self) -> str:
        """The last line of the suite, run by hand."""
        plain = {**os.environ, **PLAIN}
        done = subprocess.run(SUITE, cwd=self.root, env=plain, capture_output=True, text=True, check=False)  # noqa: S603  (ours)
        return done.stdout.strip().splitlines()[-1].split(" in ")[0]


SUITE = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # no plugin that an agent may have installed


class Verdicts(Observer):
    """What the gate found, in a line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, event: Event) -> None:
        """Keep it."""
        if event.kind is not EventKind.ESCALATED:
            self.lines.append(f"{event.details['standing']}: {event.because.split(' in ')[0]}")


def call(name: str, **arguments: str) -> Answer:
    """An answer that calls a tool."""
    return Answer("", tool_calls=(ToolCall(name, arguments),))


def player(*first_edits: tuple[str, tuple[str, str]]) -> Callable[[Request], Answer]:
    """What the models say: the cheap one makes `first_edits` and is done; the stronger one mends whatever the code still lacks."""

    def answer(request: Request) -> Answer:
        users = [turn.text for turn in request.messages if turn.role == "user"]
        if not any(TICKET in text for text in users):  # the parent of the sub-agent
            if request.messages[-1].results:
                return Answer(f"The coder reports: {request.messages[-1].results[-1].text}")
            return call("task", description=TICKET, subagent_type="coder")
        results = [result.text for turn in request.messages for result in turn.results]
        edits, read = results.count("replaced"), len(results) - results.count("replaced")
        if request.model == FAST:
            script = [
                call("read_file", path="intervals.py"),
                call("read_file", path="tests/test_intervals.py"),
                *(call("replace", path=path, old=old, new=new) for path, (old, new) in first_edits),
            ]
            return script[edits + read] if edits + read < len(script) else Answer("Done: all tests pass now.")
        if read == 0:
            return call("read_file", path="intervals.py")
        if read == 1:
            return call("read_file", path="tests/test_intervals.py")
        known = [change for _, change in first_edits if edits]  # what stands in the conversation already
        left = [change for change in (INSIDE, NEIGHBOURS) if change not in known]
        made = edits - len(known)
        if made < len(left):
            return call("replace", path="intervals.py", old=left[made][0], new=left[made][1])
        return Answer("Done: `merged` keeps the larger end, and joins neighbours.")

    return answer


@dataclass
class Routed:
    """A router over both models (`only`: one of them), its journal and what it has learnt."""

    only: str = ""
    answer: str = ""
    suite: str = ""
    verdicts: tuple[str, ...] | list[str] = ()

    def __post_init__(self) -> None:
        both = [
            Target("strong", "openai", STRONG, Price(5, 25, cache_read=0.5), roles=("strong",)),
            Target("fast", "openai", FAST, Price(0.3, 1.2, cache_read=0.03)),
        ]
        self.pool = Pool([target for target in both if self.only in ("", target.name)])
        self.table, self.journal = LabelTable(), InMemory()
        chain = (Follows(), Rules().prefer("fast", when=lambda _: "fast" in [target.name for target in self.pool]))
        self.router = Router(self.pool, *chain, Worth(self.table, value=1.0), observers=[self.journal])

    def langchain(self, provider: LoopbackProvider) -> ChatSwitchwise:
        """As LangChain's chat model."""
        models = {
            target.name: ChatOpenAI(model=target.model, base_url=provider.openai_url, api_key="local", stream_usage=True)
            for target in self.pool
        }
        return ChatSwitchwise(router=self.router, models=models)

    def llamaindex(self, provider: LoopbackProvider) -> Switchwise:
        """As LlamaIndex's LLM."""
        models = {
            target.name: OpenAI(model=target.model, api_base=provider.openai_url, api_key="local") for target in self.pool
        }
        return Switchwise(router=self.router, models=models)

    @property
    def dollars(self) -> float:
        """The bill."""
        return sum(record.cost or 0.0 for record in self.journal)

    @property
    def calls(self) -> str:
        """Who answered, in order."""
        names = [record.target for record in self.journal if record.result == "accepted"]
        return ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))


def langgraph_agent(routed: Routed, provider: LoopbackProvider, repository: Repository, gate: Gate) -> str:
    """An agent on LangGraph, with the gate as a middleware."""
    middleware = [SwitchwiseMiddleware(), SwitchwiseGate(gate)]
    tools = [repository.read_file, repository.replace]
    agent = create_agent(routed.langchain(provider), tools, system_prompt=RULES, middleware=middleware)
    return agent.invoke({"messages": [("user", TICKET)]})["messages"][-1].text


def deep_agent(routed: Routed, provider: LoopbackProvider, repository: Repository, gate: Gate) -> str:
    """A deep agent whose sub-agent has the gate; the parent sees its last answer only."""
    coder = {
        "name": "coder",
        "description": "Mends code.",
        "system_prompt": RULES,
        "tools": [repository.read_file, repository.replace],
        "middleware": [SwitchwiseGate(gate)],
    }
    agent = create_deep_agent(model=routed.langchain(provider), tools=[], subagents=[coder])
    return agent.invoke({"messages": [("user", "Have the failing tests of our library mended.")]})["messages"][-1].text


def llamaindex_workflow(routed: Routed, provider: LoopbackProvider, repository: Repository, gate: Gate) -> str:
    """An `AgentWorkflow` whose agent stands behind the gate."""
    tools = [repository.read_file, repository.replace]
    llm = routed.llamaindex(provider)
    coder = FunctionAgent(name="coder", description="mends code", tools=tools, llm=llm, system_prompt=RULES)

    async def run() -> Any:
        return await AgentWorkflow(agents=[gated(coder, gate)], root_agent="coder").run(TICKET)

    return str(asyncio.run(run()).response.content)


WRONG = (("intervals.py", INSIDE),)  # mends one of two tests
CHEATING = (("intervals.py", INSIDE), ("tests/test_intervals.py", SKIPPED))  # and makes the other one pass by editing it


def show(title: str, work: Callable[..., str], edits: tuple[Any, ...], *, only: str = "", restore: bool = False) -> Routed:
    """One run on a fresh checkout, in a few lines."""
    routed = Routed(only)
    with (
        tempfile.TemporaryDirectory(prefix="switchwise-gate-") as folder,
        LoopbackProvider(answer=player(*edits)) as provider,
    ):
        repository = Repository(folder)
        verdicts = Verdicts()
        gate = Gate(Command(SUITE, folder, restore=restore, environment=PLAIN), stronger="strong", observers=[verdicts])
        routed.answer = work(routed, provider, repository, gate)
        routed.verdicts = verdicts.lines
        if edits is CHEATING:
            routed.suite = repository.tests()
    print(f"{title}\n   calls: {routed.calls}; ${routed.dollars:.5f}")
    print("\n".join(f"   gate: {line}" for line in verdicts.lines))
    print(f"   its last words: {routed.answer!r}")
    return routed


def learnt(routed: Routed) -> dict[str, tuple[float, float]]:
    """Target -> runs that the gate judged, and how many it accepted."""
    rows = [cells for label, cells in routed.table.dump()["cells"] if len(label) == 1]
    return {name: (cell[0], cell[1]) for name, cell in rows[0].items()} if rows else {}


def main() -> None:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="switchwise-gate-") as folder:
        before = Repository(folder).tests()
    print(f"The repository as it is found: {before}\n")
    assert before == "2 failed, 2 passed"
    bills = []
    for name, work in (
        ("LangGraph agent", langgraph_agent),
        ("sub-agent of a deep agent", deep_agent),
        ("LlamaIndex workflow", llamaindex_workflow),
    ):
        routed = show(f"{name}: the cheap model says that it is done, and is wrong", work, WRONG)
        alone = show(f"{name}: the same by the stronger model alone", work, WRONG, only="strong")
        accepted = "accepted: the check succeeded: 4 passed"
        assert routed.verdicts == ["rejected: the check failed (exit code 1): 1 failed, 3 passed", accepted]
        assert alone.verdicts == [accepted]
        assert learnt(routed) == {"fast": (1.0, 0.0), "strong": (1.0, 1.0)}, "the verdicts reach the router's estimators"
        bills.append((name, routed.dollars, alone.dollars))
        print()
    caught = show("A run that edits its tests", langgraph_agent, CHEATING)
    assert "[not verified: the run changed files that decide the check" in caught.answer
    assert caught.suite == "4 passed", "the suite by itself notices nothing"
    print(f"   the suite as the run left it: {caught.suite}")
    judged = show("The same, judged by the tests as they were", langgraph_agent, CHEATING, restore=True)
    assert "not verified" not in judged.answer
    print(f"\n{'':27} {'with the gate':>13} {'all strong':>11} {'saved':>6}")
    for name, spent, alone_spent in bills:
        print(f"{name:27} {f'${spent:.5f}':>13} {f'${alone_spent:.5f}':>11} {1 - spent / alone_spent:>6.0%}")


if __name__ == "__main__":
    main()
