"""One Switchwise in several event loops, in thread pools, copied, pickled and cancelled: no worse than the LLM behind it."""

from __future__ import annotations

import asyncio
import copy
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.output_parsers import PydanticOutputParser
from llama_index.core.types import PydanticProgramMode
from llama_index.llms.openai import OpenAI
from workflows.errors import WorkflowCancelledByUser

from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise import Pool, Router, Target
from switchwise.policies import ByAgent
from switchwise_loopback import Fault, LoopbackProvider

from . import team
from .methods import City

HELLO = [ChatMessage(role="user", content="hello")]
MODELS = {"strong": "gpt-4.1", "middle": "gpt-4o", "fast": "gpt-4o-mini"}
STEPS = [("planner", "strong"), ("researcher", "fast"), ("researcher", "fast"), ("writer", "middle")]
"""Who calls whom in one run of the team."""
SECONDS = 60
"""How long anything here may take before it counts as hanging."""


@pytest.fixture
def native(provider):
    """Makes native LLMs as they must be made for several loops at once: with a client for each call."""

    def make(model, url=provider.openai_url):
        return OpenAI(model=model, api_base=url, api_key="test", max_retries=0, reuse_client=False)

    return make


@pytest.fixture
def router(journal):
    """Each agent of the team has a target of its own."""
    pool = Pool([Target("strong"), Target("middle"), Target("fast")])
    return Router(pool, ByAgent(planner="strong", researcher="fast", writer="middle"), observers=[journal])


def in_loops(ask, count, threads=4):
    """The results of `ask(number)`, each in an event loop of its own, several of them at a time."""

    def one(number):
        return asyncio.run(asyncio.wait_for(ask(number), SECONDS))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count), timeout=SECONDS))


def by_session(journal):
    """Agent and target of each call, by session."""
    found = {}
    for attempt in journal:
        found.setdefault(attempt.call.view.scope.session, []).append((attempt.call.view.scope.agent, attempt.target.name))
    return found


class TestSeveralLoopsAtOnce:
    """A native LLM keeps one asynchronous client, which belongs to the loop that used it first; that is the user's to settle."""

    def test_runs_of_a_team_do_not_mix(self, native, router, journal):
        with LoopbackProvider(answer=team.answer) as provider:
            models = {name: native(model, provider.openai_url) for name, model in MODELS.items()}
            llm = Switchwise(models, router=router)

            async def run(number):
                workflow = team.team(llm, random.Random(number), {})
                with route_scope(session=f"s{number}"):
                    return str(await workflow.run(user_msg=f"q{number}"))

            assert in_loops(run, 8) == [f"done q{number}" for number in range(8)]
        assert by_session(journal) == {f"s{number}": STEPS for number in range(8)}

    def test_one_for_each_loop_may_share_the_router(self, provider, router, journal):
        """The way for LLMs that have no such setting."""

        async def ask(number):
            settings = {"api_base": provider.openai_url, "api_key": "test", "max_retries": 0}
            models = {name: OpenAI(model=model, **settings) for name, model in MODELS.items()}
            llm = Switchwise(models, router=router).bind(agent="writer")
            answers = [await llm.achat(HELLO, route={"session": f"s{number}"}) for _ in range(2)]
            return {answer.additional_kwargs["switchwise"]["target"] for answer in answers}

        assert in_loops(ask, 6, threads=3) == [{"middle"}] * 6
        assert by_session(journal) == {f"s{number}": [("writer", "middle")] * 2 for number in range(6)}

    def test_streams_of_several_loops_are_shown_to_whom_they_belong(self, native):
        llm = Switchwise({"only": native("gpt-4.1")})

        async def read(number):
            chunks = await llm.astream_chat([ChatMessage(role="user", content=f"question {number}")])
            return "".join([chunk.delta or "" async for chunk in chunks])

        assert in_loops(read, 8) == [f"You said: question {n} (1 turns, gpt-4.1)." for n in range(8)]


class TestThreads:
    async def test_a_thread_that_is_given_the_context_keeps_the_session(self, two, journal):
        with route_scope(session="mine", agent="me"):
            await asyncio.to_thread(two.chat, HELLO)
        assert by_session(journal) == {"mine": [("me", "one")]}

    async def test_a_thread_without_the_context_takes_it_from_the_call_or_from_bind(self, two, journal):
        """`run_in_executor` hands no context on, whatever it runs."""
        loop = asyncio.get_running_loop()
        with route_scope(session="mine"):
            bound = two.bind(session="bound")
            await loop.run_in_executor(None, lambda: two.chat(HELLO, route={"session": "given"}))
            await loop.run_in_executor(None, lambda: bound.chat(HELLO))
            await loop.run_in_executor(None, lambda: two.chat(HELLO))
        assert [*by_session(journal)][:2] == ["given", "bound"]
        assert "mine" not in by_session(journal)


class TestCopies:
    def test_an_agent_and_a_workflow_that_were_copied_still_share_the_router(self, openai, journal):
        """With a bare LLM whose client has been made, `deepcopy` fails: clients hold locks."""
        llm = Switchwise({"only": openai()}, observers=[journal])
        llm.chat(HELLO)
        agent = FunctionAgent(name="a", description="d", llm=llm)
        for copied in (copy.deepcopy(agent), agent.model_copy(deep=True)):
            assert copied.llm.router is llm.router
        workflow = copy.deepcopy(AgentWorkflow(agents=[agent]))
        assert workflow.agents["a"].llm.router is llm.router
        assert workflow.agents["a"].llm.chat(HELLO).additional_kwargs["switchwise"]["target"] == "only"
        assert len(journal) == 2

    def test_a_pickled_one_keeps_all_its_settings(self, native):
        parser = PydanticOutputParser(City)
        mode = PydanticProgramMode.LLM
        llm = Switchwise(
            {"only": native("gpt-4.1")}, system_prompt="Be brief.", output_parser=parser, pydantic_program_mode=mode
        )
        back = pickle.loads(pickle.dumps(llm.bind(agent="me")))
        assert (back.system_prompt, back.pydantic_program_mode, back.labels) == ("Be brief.", mode, {"agent": "me"})
        assert back.output_parser.output_cls is City
        assert back.messages_to_prompt is llm.messages_to_prompt
        assert back.router is not llm.router, "it has a memory of its own"

    def test_a_setting_that_cannot_be_pickled_is_said_and_not_lost(self, native):
        llm = Switchwise({"only": native("gpt-4.1")}, completion_to_prompt=lambda text: text)
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            pickle.dumps(llm)


class TestCancelledRuns:
    async def test_settle_their_open_call_and_leave_the_llm_as_it_was(self, openai, provider, journal):
        llm = Switchwise({"only": openai()}, observers=[journal])
        agent = FunctionAgent(name="a", description="d", llm=llm)
        provider.inject(Fault.STALL, seconds=5)
        run = agent.run("hello")
        while not (provider.requests or run.done()):
            await asyncio.sleep(0.01)
        await run.cancel_run()
        with pytest.raises(WorkflowCancelledByUser):
            await asyncio.wait_for(run, SECONDS)
        assert journal.results == [("only", "abandoned")]
        assert str(await asyncio.wait_for(agent.run("again"), SECONDS))
        assert journal.results[1:] == [("only", "ok")]
