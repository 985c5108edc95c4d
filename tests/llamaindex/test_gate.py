"""The gate around LlamaIndex agents, on real parts: a broken repository, its own tests, models played by the loopback provider."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import Context
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise, gated
from switchwise import ConfigurationError, Pool, Price, Router, Target
from switchwise.gate import Gate
from switchwise.policies import Follows, Rules, Worth
from switchwise.quality import LabelTable, Shrunk, TaskMemory
from switchwise.verifiers.command import Command
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from .conftest import Journal

BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of an inner suite: it needs none of them
MENDED = "def double(x):\n    return 2 * x\n"
TEST = "import runpy\n\ndef test_double():\n    assert runpy.run_path('code.py')['double'](3) == 6\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "code.py").write_text("def double(x):\n    return x\n")
    (tmp_path / "tests" / "test_code.py").write_text(TEST)
    return tmp_path


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(answer=honest) as running:
        yield running


def honest(request: Request) -> Answer:
    if request.model == "gpt-4.1-mini":
        return Answer("All tests pass now. Done.")
    if request.messages[-1].results:
        return Answer("Mended; done.")
    assert any("1 failed" in turn.text for turn in request.messages), "the strong model sees what the check printed"
    return Answer("", tool_calls=(ToolCall("write_file", {"path": "code.py", "text": MENDED}),))


def suite(root: Path) -> Command:
    return Command([sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"], root, environment=BARE)


def llm(provider: LoopbackProvider, journal: Journal, *policies: Any) -> Switchwise:
    pool = Pool([Target("strong", "openai", "gpt-4.1", Price(2, 8)), Target("fast", "openai", "gpt-4.1-mini", Price(0.4, 1.6))])
    router = Router(pool, Follows(), Rules().prefer("fast"), *policies, observers=[journal])
    models = {
        target.name: OpenAI(model=target.model, api_base=provider.openai_url, api_key="test", max_retries=0) for target in pool
    }
    return Switchwise(router=router, models=models)


def coder(root: Path, model: Switchwise, **options: Any) -> FunctionAgent:
    def write_file(path: str, text: str) -> str:
        """Write a file of the repository."""
        (root / path).write_text(text)
        return f"wrote {path}"

    return FunctionAgent(
        name="coder", description="mends code", tools=[write_file], llm=model, system_prompt="Mend it.", **options
    )


async def test_a_wrong_done_is_caught_and_the_stronger_one_finishes(repository: Path, provider: LoopbackProvider) -> None:
    journal = Journal()
    agent = gated(coder(repository, llm(provider, journal)), suite(repository))
    result = await agent.run("Mend the failing test.")
    assert (repository / "code.py").read_text() == MENDED
    assert result.response.content == "Mended; done."
    assert [call.tool_name for call in result.tool_calls] == ["write_file"]
    assert [name for name, _ in journal.results] == ["fast", "strong", "strong"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_its_verdicts_reach_the_estimators(repository: Path, provider: LoopbackProvider, streaming: bool) -> None:
    table, memory = LabelTable(), TaskMemory()
    model = llm(provider, Journal(), Worth(Shrunk(table, memory), value=1.0))
    await gated(coder(repository, model, streaming=streaming), suite(repository)).run("Mend the failing test.")
    (cells,) = [cells for label, cells in table.dump()["cells"] if len(label) == 1]
    assert {name: cell[:2] for name, cell in cells.items()} == {"fast": [1.0, 0.0], "strong": [1.0, 1.0]}
    assert len(memory.dump()["tasks"]) == 1, "what the gate found is no task of its own"


async def test_feedback_takes_the_response_itself(provider: LoopbackProvider) -> None:
    table = LabelTable()
    model = llm(provider, Journal(), Worth(table, value=1.0))
    model.router.feedback(await model.achat([ChatMessage("Hello")]), 0.0)
    model.router.feedback(model.complete("Hello"), 1.0)
    (cells,) = [cells for label, cells in table.dump()["cells"] if len(label) == 1]
    assert cells["fast"][:2] == [2.0, 1.0]


async def test_rejected_text_is_never_shown(repository: Path, provider: LoopbackProvider) -> None:
    agent = gated(coder(repository, llm(provider, Journal())), suite(repository))
    handler = agent.run("Mend the failing test.")
    shown = "".join([event.delta async for event in handler.stream_events() if isinstance(event, AgentStream)])
    await handler
    assert shown == "Mended; done."


async def test_in_a_team_too(repository: Path, provider: LoopbackProvider) -> None:
    journal = Journal()
    team = AgentWorkflow(agents=[gated(coder(repository, llm(provider, journal)), suite(repository))], root_agent="coder")
    result = await team.run("Mend the failing test.")
    assert result.response.content == "Mended; done."
    assert [name for name, _ in journal.results] == ["fast", "strong", "strong"]


async def test_after_so_many_tries_it_ends_with_a_mark_and_the_next_run_has_all_of_them(repository: Path) -> None:
    with LoopbackProvider(answer=lambda _: Answer("Done.")) as provider:
        journal = Journal()
        agent = gated(coder(repository, llm(provider, journal)), Gate(suite(repository), tries=1))
        ctx, memory = Context(agent), ChatMemoryBuffer.from_defaults(token_limit=8_000)
        for _ in range(2):
            result = await agent.run("Mend it.", ctx=ctx, memory=memory)
            assert "[not verified: the check failed" in (result.response.content or "")
        assert [name for name, _ in journal.results] == ["fast", "strong"] * 2


async def test_an_agent_without_a_gate_is_left_as_it_was(repository: Path, provider: LoopbackProvider) -> None:
    agent = coder(repository, llm(provider, Journal()), timeout=12.0)
    copy = gated(agent, suite(repository))
    assert type(agent) is FunctionAgent
    assert type(copy).__name__ == "GatedFunctionAgent"
    assert (copy.name, copy._timeout) == ("coder", 12.0)
    assert (await agent.run("Mend it.")).response.content == "All tests pass now. Done."


async def test_it_judges_an_agent_whose_llm_does_not_route_too(provider: LoopbackProvider) -> None:
    judged: list[str] = []

    def check(work: Any) -> bool:
        judged.append(work.text)
        return len(judged) > 1

    native = OpenAI(model="gpt-4.1-mini", api_base=provider.openai_url, api_key="test", max_retries=0)
    agent = FunctionAgent(name="coder", description="mends code", tools=[], llm=native)
    result = await gated(agent, Gate(check, stronger="")).run("Mend it.")
    assert judged == [result.response.content] * 2 == ["All tests pass now. Done."] * 2


def test_what_is_no_agent_is_refused(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match="FunctionAgent, ReActAgent or CodeActAgent"):
        gated("agent", suite(repository))  # type: ignore[type-var]
