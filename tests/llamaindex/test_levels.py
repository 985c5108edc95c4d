"""Session, agent, task and step of a call are known, however the caller says them, and concurrent runs never mix."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import defaultdict
from contextvars import ContextVar

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from llama_index_instrumentation.dispatcher import instrument_tags
from pydantic import BaseModel
from workflows.context.state_store import DictState
from workflows.runtime.types.results import InternalContextVar, StepWorkerStateContextVar

from llama_index.llms.switchwise import Switchwise, route_scope
from llama_index.llms.switchwise.calling import step_runner
from llama_index.llms.switchwise.reading.scope import Caller, capture
from switchwise import ConfigurationError, Pool, Router, StepKind, Target
from switchwise.policies import ByAgent
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

from . import team

HELLO = [ChatMessage(role="user", content="hello")]


@pytest.fixture
def provider():
    with LoopbackProvider(answer=team.answer) as running:
        yield running


@pytest.fixture
def shared(openai, journal):
    """One LLM for three agents, each of which has a target of its own."""
    pool = Pool([Target("strong"), Target("middle"), Target("fast")])
    router = Router(pool, ByAgent(planner="strong", researcher="fast", writer="middle"), observers=[journal])
    return Switchwise({"strong": openai("gpt-4.1"), "middle": openai("gpt-4o"), "fast": openai("gpt-4o-mini")}, router=router)


class Own(BaseModel):
    """A workflow's state, of the user's own design."""

    asked: int = 0


class Durable:
    """A context whose store keeps its state elsewhere."""

    @property
    def store(self):
        raise RuntimeError("State store not available from adapter")


class TestAWorkflow:
    @pytest.mark.parametrize("streaming", [True, False])
    async def test_each_agent_of_a_workflow_gets_its_own_target_without_any_wiring(self, shared, journal, streaming):
        run = team.team(shared, random.Random(0), {}, streaming).run(user_msg="q1")
        assert str(await run) == "done q1"
        scopes = [attempt.call.view.scope for attempt in journal]
        assert [scope.agent for scope in scopes] == team.STEPS
        assert [attempt.target.name for attempt in journal] == ["strong", "fast", "fast", "middle"]
        assert {scope.task for scope in scopes} == {run.run_id}
        assert {scope.session for scope in scopes} == {run.run_id}, "an anonymous run is a session of its own"
        assert [scope.step for scope in scopes] == [0, 0, 1, 0]

    async def test_two_runs_in_one_session_are_two_tasks(self, shared, journal):
        workflow = team.team(shared, random.Random(0), {})
        with route_scope(session="s1"):
            first, second = workflow.run(user_msg="q1"), workflow.run(user_msg="q2")
        await asyncio.gather(first, second)
        scopes = [attempt.call.view.scope for attempt in journal]
        assert {scope.session for scope in scopes} == {"s1"}
        assert {scope.task for scope in scopes} == {first.run_id, second.run_id}

    @pytest.mark.parametrize("of", ["workflow", "agent"])
    async def test_runs_that_share_a_context_are_one_session(self, shared, journal, of):
        workflow = team.team(shared, random.Random(0), {})
        runner = workflow if of == "workflow" else FunctionAgent(name="writer", system_prompt="the writer", llm=shared)
        context = Context(runner)
        first = runner.run(user_msg="q1", ctx=context)
        await first
        second = runner.run(user_msg="q2", ctx=context)
        await second
        restored = runner.run(user_msg="q3", ctx=Context.from_dict(runner, json.loads(json.dumps(context.to_dict()))))
        await restored
        other = runner.run(user_msg="q1")
        await other
        sessions = {attempt.call.view.scope.task: attempt.call.view.scope.session for attempt in journal}
        assert sessions == dict.fromkeys([first.run_id, second.run_id, restored.run_id], first.run_id) | {
            other.run_id: other.run_id
        }

    async def test_a_session_that_is_named_is_stronger_than_the_context(self, shared, journal):
        agent = FunctionAgent(name="writer", system_prompt="the writer", llm=shared)
        context = Context(agent)
        await agent.run(user_msg="q1", ctx=context)
        with route_scope(session="mine"):
            await agent.run(user_msg="q2", ctx=context)
        with instrument_tags({"session_id": "tagged"}):
            await agent.run(user_msg="q3", ctx=context)
        assert [attempt.call.view.scope.session for attempt in journal][1:] == ["mine", "tagged"]

    async def test_a_context_with_a_state_model_of_the_users_own_is_left_alone(self, shared, journal):
        class Asking(Workflow):
            @step
            async def ask(self, ctx: Context[Own], ev: StartEvent) -> StopEvent:
                async with ctx.store.edit_state() as state:
                    state.asked += 1
                return StopEvent(result=await shared.achat([ChatMessage(role="system", content="the writer"), *HELLO]))

        workflow = Asking()
        context = Context(workflow)
        runs = []
        for _ in range(2):
            runs.append(workflow.run(ctx=context))
            await runs[-1]
        assert [attempt.call.view.scope.session for attempt in journal] == [run.run_id for run in runs]
        assert (await context.store.get_state()).model_dump() == {"asked": 2}

    async def test_a_call_from_inside_a_tool_is_the_tools(self, openai, journal, provider):
        async def ask_again(text: str) -> str:
            """Ask again."""
            return str(await llm.acomplete(text))

        def move(request):
            if request.tools and not any(turn.role == "tool" for turn in request.messages):
                return Answer(tool_calls=(ToolCall("ask_again", {"text": "well?"}),))
            return Answer("good")

        with LoopbackProvider(answer=move) as other:
            llm = Switchwise({"only": openai(api_base=other.openai_url)}, observers=[journal])
            agent = FunctionAgent(name="boss", tools=[FunctionTool.from_defaults(async_fn=ask_again)], llm=llm)
            assert str(await agent.run("go")) == "good"
        assert [attempt.call.view.scope.agent for attempt in journal] == ["boss", "tool:ask_again", "boss"]

    async def test_the_last_call_of_a_run_that_finishes_early_is_known_as_such(self, openai, journal):
        endless = lambda request: (  # noqa: E731
            Answer(tool_calls=(ToolCall("add", {"a": 1, "b": 1}),)) if request.tools else Answer("I stop here")
        )
        with LoopbackProvider(answer=endless) as other:
            llm = Switchwise({"only": openai(api_base=other.openai_url)}, observers=[journal])
            agent = FunctionAgent(
                name="busy", tools=[FunctionTool.from_defaults(async_fn=team.add)], llm=llm, early_stopping_method="generate"
            )
            await agent.run("go", max_iterations=2)
        assert journal[-1].call.view.signals.step is StepKind.FINAL_ANSWER
        assert journal[-1].call.view.scope.agent == "busy"


class TestConcurrentRuns:
    """One workflow, one LLM, fifty runs with staggered starts."""

    @pytest.fixture
    async def mistakes(self, shared, journal):
        last = {}

        async def all_runs(runs, streaming=True):
            rng = random.Random(7)
            workflow = team.team(shared, rng, last, streaming)
            await workflow.run(user_msg="warm up")
            journal.clear()
            last.clear()

            async def one(number):
                for _ in range(rng.randrange(400)):
                    await asyncio.sleep(0)
                with route_scope(session=f"s{number}"):
                    run = workflow.run(user_msg=f"q{number}")
                return str(await run)

            answers = await asyncio.gather(*[one(number) for number in range(runs)])
            assert answers == [f"done q{number}" for number in range(runs)]
            assert last["wrong"] > 5, "the workload does not interleave: it would not find a wrong carrier"
            return _mistakes(journal, runs)

        return all_runs

    @pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
    async def test_never_mix(self, mistakes, streaming):
        assert await mistakes(50, streaming) == []

    async def test_would_be_seen_to_mix_if_agents_were_kept_in_a_shared_attribute(self, mistakes, monkeypatch):
        entered = {}
        monkeypatch.setattr(team.Interleaving, "aretrieve", _noting(entered, team.Interleaving.aretrieve))

        def wrong(bound, hint=None):
            right = capture(bound, hint)
            return right._replace(agent=entered["agent"])

        monkeypatch.setattr(step_runner, "capture", wrong)
        assert len(await mistakes(20)) > 5

    async def test_would_be_seen_to_mix_if_sessions_were_kept_in_a_shared_attribute(self, mistakes, monkeypatch):
        entered = {}
        monkeypatch.setattr(team.Interleaving, "aretrieve", _noting(entered, team.Interleaving.aretrieve))

        def wrong(bound, hint=None):
            right = capture(bound, hint)
            return right._replace(session=entered["session"])

        monkeypatch.setattr(step_runner, "capture", wrong)
        assert len(await mistakes(20)) > 5


class TestWhoIsCalling:
    def test_is_what_the_call_itself_says_then_bind_then_the_surrounding_block_then_the_tags(self):
        with instrument_tags({"session_id": "from tags", "llamaindex.run_id": "run"}):
            assert capture({}).session == "from tags"
            with route_scope(session="from scope", agent="scoped"):
                assert (capture({}).session, capture({}).task) == ("from scope", "run")
                assert capture({"agent": "bound"}).agent == "bound"
                assert capture({"agent": "bound"}, {"agent": "hinted"}).agent == "hinted"

    def test_blocks_nest_and_end(self):
        with route_scope(session="outer", tenant="acme"):
            with route_scope(agent="inner"):
                inner = capture({})
            outer = capture({})
        assert (inner.session, inner.agent, inner.labels) == ("outer", "inner", {"tenant": "acme"})
        assert outer.agent == ""
        assert capture({}) == Caller()

    def test_travels_as_tags_for_runtimes_that_carry_no_context_variables(self):
        from llama_index_instrumentation.dispatcher import active_instrument_tags

        with instrument_tags({"own": "kept"}), route_scope(session="s", agent="a"):
            tags = active_instrument_tags.get()
        assert tags["own"] == "kept", "tags of others are kept"
        with instrument_tags(tags):
            assert (capture({}).session, capture({}).agent) == ("s", "a")

    async def test_is_still_known_where_the_workflow_engine_no_longer_reports_it(self, shared, journal, monkeypatch):
        monkeypatch.setattr("llama_index.llms.switchwise.reading.scope._STEP", None)
        monkeypatch.setattr("llama_index.llms.switchwise.reading.scope._CONTEXT", None)
        await team.team(shared, random.Random(0), {}).run(user_msg="q1")
        assert {attempt.call.view.scope.agent for attempt in journal} == {"main"}
        assert len({attempt.call.view.scope.session for attempt in journal}) == 1, "the run is the session"
        journal.clear()
        await shared.bind(agent="writer").achat([ChatMessage(role="system", content="You are the writer."), *HELLO])
        assert journal[0].call.view.scope.agent == "writer"

    async def test_canary_the_private_variable_of_the_workflow_engine_still_names_the_agent(self):
        """Fails when a new workflow engine moves it: `bind(agent=...)` still works then, agents are no longer found by themselves."""
        seen = []

        async def look() -> str:
            """Look."""
            return "seen"

        class Looking(team.Interleaving):
            async def aretrieve(self, query):
                seen.append(StepWorkerStateContextVar.get().event)
                return await super().aretrieve(query)

        with LoopbackProvider(answer=lambda _: Answer("hello")) as provider:
            from llama_index.llms.openai import OpenAI

            llm = OpenAI(model="gpt-4.1", api_base=provider.openai_url, api_key="test", max_retries=0)
            agent = FunctionAgent(name="bird", llm=llm, tool_retriever=Looking("bird", [], random.Random(0), {}))
            await agent.run("hi")
        assert "bird" in {getattr(event, "current_agent_name", None) for event in seen}

    async def test_canary_the_private_variable_of_the_workflow_engine_still_leads_to_the_store(self):
        """Fails when a new workflow engine moves it: `route_scope(session=...)` still works then, contexts are no longer sessions."""

        class Looking(Workflow):
            @step
            async def look(self, ctx: Context, ev: StartEvent) -> StopEvent:
                state = InternalContextVar.get()().store.checkpoint().state
                assert isinstance(state, DictState)
                state["left"] = "here"
                return StopEvent(result=await ctx.store.get("left"))

        assert await Looking().run() == "here"

    @pytest.mark.parametrize("held", [lambda: None, lambda: object(), lambda: Durable()], ids=["gone", "moved", "durable"])
    def test_a_context_that_cannot_be_read_leaves_the_run_as_the_session(self, monkeypatch, held):
        variable = ContextVar("context")
        variable.set(held)
        monkeypatch.setattr("llama_index.llms.switchwise.reading.scope._CONTEXT", variable)
        with instrument_tags({"llamaindex.run_id": "run"}):
            assert capture({}).session == "run"

    def test_a_stream_that_is_read_in_another_thread_keeps_who_asked_for_it(self, openai, journal):
        with LoopbackProvider() as provider:
            llm = Switchwise({"only": openai(api_base=provider.openai_url)}, observers=[journal])
            with route_scope(session="mine", agent="me"):
                chunks = llm.stream_chat(HELLO)
            reader = threading.Thread(target=lambda: list(chunks))
            reader.start()
            reader.join(timeout=30)
        assert [(a.call.view.scope.session, a.call.view.scope.agent) for a in journal] == [("mine", "me")]

    def test_without_any_word_a_conversation_is_its_own_session(self, openai, journal):
        with LoopbackProvider() as provider:
            llm = Switchwise({"only": openai(api_base=provider.openai_url)}, observers=[journal])
            answer = llm.chat(HELLO).message
            llm.chat([*HELLO, answer, ChatMessage(role="user", content="and now?")])
            llm.chat([ChatMessage(role="user", content="another")])
        first, second, other = [attempt.call.view.scope for attempt in journal]
        assert first.session == second.session != other.session
        assert first.agent == "main"

    def test_labels_and_deadline_reach_the_policies(self, openai, journal):
        with LoopbackProvider() as provider:
            llm = Switchwise({"only": openai(api_base=provider.openai_url)}, observers=[journal])
            llm.bind(team="red").chat(HELLO, route={"tenant": "acme", "deadline": 4e9})
        scope = journal[0].call.view.scope
        assert (dict(scope.labels), scope.deadline, scope.tenant) == ({"team": "red", "tenant": "acme"}, 4e9, "acme")

    def test_ids_of_databases_are_numbers_and_what_is_none_is_not_given(self, openai, journal):
        with LoopbackProvider() as provider:
            llm = Switchwise({"only": openai(api_base=provider.openai_url)}, observers=[journal])
            llm.bind(team=0).chat(HELLO, route={"tenant": 0, "session": 0, "user": 7, "plan": None})
            llm.chat(HELLO, route={"tenant": None, "session": None, "user": None})
        first, second = (attempt.call.view.scope for attempt in journal)
        assert (first.session, first.tenant, first.labels) == ("0", "0", {"team": "0", "tenant": "0", "user": "7"})
        assert (second.tenant, second.labels) == ("", {})

    def test_a_route_that_is_not_a_mapping_is_refused(self, openai, journal):
        llm = Switchwise({"only": openai()}, observers=[journal])
        with pytest.raises(ConfigurationError, match=r"route='fast'.*'target': 'fast'"):
            llm.chat(HELLO, route="fast")
        assert not journal


def _noting(entered, aretrieve):
    async def noting(self, query):
        entered["agent"], entered["session"] = self._agent, capture({}).session
        return await aretrieve(self, query)

    return noting


def _mistakes(journal, runs):
    """Sessions whose calls are not the ones that their run made."""
    calls = defaultdict(list)
    for attempt in journal:
        calls[attempt.call.view.scope.session].append(attempt)
    expected = {f"s{number}" for number in range(runs)}
    wrong = sorted(expected ^ calls.keys())
    for session, attempts in calls.items():
        scopes = [attempt.call.view.scope for attempt in attempts]
        right = (
            [scope.agent for scope in scopes] == team.STEPS
            and [attempt.target.name for attempt in attempts] == ["strong", "fast", "fast", "middle"]
            and len({scope.task for scope in scopes}) == 1
            and [scope.step for scope in scopes] == [0, 0, 1, 0]
        )
        if not right:
            wrong.append(session)
    return wrong
