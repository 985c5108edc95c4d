"""Switchwise stands wherever a LlamaIndex LLM stands: agents, engines, programs, settings, dumps, copies, threads, event loops."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM, MockLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.program import FunctionCallingProgram
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import HiddenRetries, Switchwise
from switchwise import ConfigurationError, Pool, Price, Router, Target
from switchwise.catalog import Catalog, Known, Unpriced
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

from .methods import ADD, City

HELLO = [ChatMessage(role="user", content="hello")]


class TestInLlamaIndex:
    def test_it_is_an_llm_that_calls_tools(self, openai):
        llm = Switchwise({"only": openai()})
        assert isinstance(llm, LLM)
        assert isinstance(llm, FunctionCallingLLM)
        assert llm.metadata.is_function_calling_model

    def test_as_the_llm_of_settings_it_answers_query_engines(self, openai, monkeypatch):
        monkeypatch.setattr(Settings, "_llm", Switchwise({"only": openai()}))
        engine = SummaryIndex.from_documents([Document(text="Ships are led by switchwises.")]).as_query_engine()
        assert "Ships are led by switchwises." in str(engine.query("What leads ships?"))

    def test_chat_engines_remember_with_it(self, openai, provider):
        engine = SimpleChatEngine.from_defaults(llm=Switchwise({"only": openai()}))
        engine.chat("one")
        engine.chat("two")
        assert [message["role"] for message in provider.requests[1].body["messages"]] == ["user", "assistant", "user"]

    async def test_a_react_agent_works_with_it(self, openai):
        with LoopbackProvider(answer=[Answer("Thought: easy. \nAnswer: 3")]) as server:
            agent = ReActAgent(tools=[ADD], llm=Switchwise({"only": openai(api_base=server.openai_url)}))
            assert str(await agent.run("1 + 2")) == "3"

    async def test_a_code_act_agent_works_with_it(self, openai):
        with LoopbackProvider(answer=[Answer("<execute>1 + 2</execute>"), Answer("It is 3.")]) as server:
            agent = CodeActAgent(
                code_execute_fn=lambda code: str(eval(code)),
                llm=Switchwise({"only": openai(api_base=server.openai_url)}),
            )
            assert str(await agent.run("1 + 2")) == "It is 3."

    async def test_a_code_act_agent_hands_off_with_it(self, openai):
        """It asks for a `FunctionCallingLLM` by its class."""
        over = Answer(tool_calls=(ToolCall("handoff", {"to_agent": "writer", "reason": "done"}),))
        with LoopbackProvider(answer=[over]) as server:
            llm = Switchwise({"only": openai(api_base=server.openai_url)})
            coder = CodeActAgent(
                name="coder", description="codes", code_execute_fn=lambda code: code, llm=llm, can_handoff_to=["writer"]
            )
            writer = FunctionAgent(name="writer", description="writes", llm=MockFunctionCallingLLM())
            result = await AgentWorkflow(agents=[coder, writer], root_agent="coder").run("1 + 2")
        assert result.current_agent_name == "writer"

    async def test_an_agent_with_an_output_class_gets_its_object(self, openai):
        agent = FunctionAgent(name="geographer", llm=Switchwise({"only": openai()}), output_cls=City)
        assert (await agent.run("Which city?")).get_pydantic_model(City)

    def test_predict_and_call_calls_the_tool(self, openai):
        assert str(Switchwise({"only": openai()}).predict_and_call([ADD], "Please add 1 and 2.")) == "3"

    def test_a_program_gets_its_object(self, openai):
        program = FunctionCallingProgram.from_defaults(
            City, prompt_template_str="A city: {name}", llm=Switchwise({"only": openai()})
        )
        assert isinstance(program(name="Bonn"), City)

    async def test_as_structured_llm_and_the_bare_one_give_the_same(self, openai):
        bare = openai()
        routed = Switchwise({"only": bare}).as_structured_llm(City)
        assert (await routed.achat(HELLO)).raw == (await bare.as_structured_llm(City).achat(HELLO)).raw

    def test_neutral_tools_are_routed_however_they_come(self, openai):
        llm = Switchwise({"only": openai()})
        prepared = llm._prepare_chat_with_tools([ADD], "Please add 1 and 2.", [])
        assert llm.get_tool_calls_from_response(llm.chat(**prepared))[0].tool_kwargs == {"a": 1, "b": 2}

    def test_the_callers_history_is_not_appended_to(self, openai):
        history = [*HELLO]
        Switchwise({"only": openai()}).chat_with_tools([ADD], "and", chat_history=history)
        assert history == HELLO

    def test_tool_calls_are_read_by_the_llm_that_made_them_or_else_from_the_blocks(self, openai):
        llm = Switchwise({"only": openai()})
        block = ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs='{"a": 1, "b":')
        response = ChatResponse(message=ChatMessage(role="assistant", blocks=[block]))
        assert llm.get_tool_calls_from_response(response)[0].tool_kwargs["a"] == 1, "arguments that are still coming"
        empty = ChatResponse(message=ChatMessage(role="assistant", content="no"))
        assert llm.get_tool_calls_from_response(empty, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="at least one tool call"):
            llm.get_tool_calls_from_response(empty)


class TestMetadata:
    def test_promises_what_the_pool_can_do(self, openai):
        llm = Switchwise({"large": openai("gpt-4.1"), "small": openai("gpt-4o"), "dumb": _Small()})
        assert llm.metadata.context_window == openai("gpt-4.1").metadata.context_window
        assert llm.metadata.is_function_calling_model is True

    def test_does_not_fail_for_a_model_that_its_integration_does_not_know(self, openai):
        assert Switchwise({"new": openai("gpt-99"), "old": openai("gpt-4o")}).metadata.context_window == 128_000


class TestBeingPassedAround:
    def test_no_key_is_in_any_dump(self, openai):
        llm = Switchwise({"only": openai(api_key="sk-secret")}).bind(agent="me")
        dumps = [llm.to_json(), llm.model_dump_json(), str(llm.to_dict()), repr(llm), json.dumps(llm.to_payload())]
        assert not any("secret" in dump for dump in dumps)
        assert json.loads(llm.to_json())["class_name"] == "Switchwise"

    def test_it_has_a_json_schema_as_every_llm(self):
        assert Switchwise.model_json_schema()["properties"].keys() >= LLM.model_json_schema()["properties"].keys()

    def test_it_is_restored_with_its_models(self, openai):
        llm = Switchwise({"only": openai()}, system_prompt="Be brief.").bind(agent="me")
        back = Switchwise.from_json(llm.to_json(), models=llm.models)
        assert (back.system_prompt, back.labels) == ("Be brief.", {"agent": "me"})
        assert back.chat(HELLO).additional_kwargs["switchwise"]["target"] == "only"

    def test_a_pickled_copy_answers_with_the_key_of_its_environment(self, provider, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        llm = Switchwise({"only": OpenAI(model="gpt-4.1", api_base=provider.openai_url, api_key="test", max_retries=0)})
        llm.chat(HELLO)
        assert pickle.loads(pickle.dumps(llm)).chat(HELLO).message.content

    def test_one_with_a_router_of_its_own_is_not_pickled_into_something_else(self, two):
        with pytest.raises(pickle.PicklingError, match="router of its own"):
            pickle.dumps(two)

    def test_copies_share_targets_and_memory(self, two):
        two.chat(HELLO)
        for twin in (copy.deepcopy(two), two.bind(agent="me"), two.model_copy()):
            assert twin.router is two.router
            assert twin.models["one"] is two.models["one"]

    def test_many_threads_may_use_it_at_once(self, two, journal):
        with ThreadPoolExecutor(8) as threads:
            texts = list(threads.map(lambda n: two.complete(f"question {n}", route={"session": f"s{n}"}).text, range(64)))
        assert texts == [f"You said: question {n} (1 turns, gpt-4.1)." for n in range(64)]
        assert sorted({attempt.call.view.scope.session for attempt in journal}) == sorted(f"s{n}" for n in range(64))

    def test_several_event_loops_may_use_it_one_after_the_other(self, provider, journal):
        made = OpenAI(model="gpt-4.1", api_base=provider.openai_url, api_key="test", max_retries=0)
        llm = Switchwise({"only": made}, observers=[journal])

        def ask(_):
            return asyncio.run(llm.achat(HELLO)).message.content

        with ThreadPoolExecutor(1) as thread:
            assert len(set(thread.map(ask, range(3)))) == 1
        assert [result for _, result in journal.results if result != "connection"] == ["ok"] * 3

    def test_importing_it_loads_no_provider(self):
        code = "import sys, llama_index.llms.switchwise; print(sorted(set(sys.modules) & {'openai', 'anthropic', 'langchain_core'}))"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert out.strip() == "[]"


class TestConfiguration:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda llm: Switchwise(), "models= is empty"),
            (lambda llm: Switchwise([llm, llm]), "twice: give a mapping"),
            (lambda llm: Switchwise(["nobody:model"]), "cannot be built"),
            (lambda llm: Switchwise([3]), "is not an LLM"),
            (lambda llm: Switchwise([llm], temperature=0.2), "temperature: no model takes this setting"),
            (lambda llm: Switchwise([llm], rate_limiter=object()), "rate_limiter: no model takes this setting"),
            (lambda llm: Switchwise({"a": llm}, router=Router(Pool([Target("b")]))), "only one of them names a, b"),
            (lambda llm: Switchwise({"a": llm}, router=Router(Pool([Target("a")])), observers=[print]), "belong to the router"),
        ],
    )
    def test_what_cannot_work_is_said_at_once_with_the_remedy(self, openai, make, says):
        with pytest.raises(ConfigurationError, match=says):
            make(openai())

    def test_hidden_retries_are_reported(self):
        with pytest.warns(HiddenRetries, match="up to 20 requests") as warned:
            Switchwise(
                [OpenAI(model=model, api_key="test", max_retries=retries) for model, retries in (("gpt-4.1", 4), ("gpt-4o", 0))]
            )
        assert warned[0].filename == __file__, "the warning names the line that is to be changed"

    def test_a_price_that_nobody_knows_is_reported(self, openai):
        with pytest.warns(Unpriced, match="gpt-99") as warned:
            Switchwise([openai("gpt-99")])
        assert warned[0].filename == __file__

    def test_an_llm_that_switchwise_builds_has_none(self):
        llm = Switchwise(["openai:gpt-4.1"], api_key="test", temperature=0.5)
        made = llm.models["gpt-4.1"]
        assert (type(made), made.max_retries, made.temperature) == (OpenAI, 0, 0.5)

    def test_a_failing_call_of_it_is_one_request(self, provider):
        from switchwise import AllTargetsFailed
        from switchwise_loopback import Fault

        provider.inject(Fault.AUTHENTICATION, times=None)
        llm = Switchwise(["openai:gpt-4.1"], api_key="test", api_base=provider.openai_url)
        with pytest.raises(AllTargetsFailed):
            llm.chat(HELLO)
        assert len(provider.requests) == 1

    def test_prices_come_from_the_catalog_and_its_overrides(self, openai):
        own = Catalog({("openai", "gpt-99"): Known(price=Price(1, 2))})
        with warnings.catch_warnings():
            warnings.simplefilter("error", Unpriced)
            pool = Switchwise({"a": openai("gpt-4.1"), "b": openai("gpt-99")}, catalog=own).router.pool
        assert pool["a"].price is not None
        assert pool["b"].price == Price(1, 2)
        assert pool["a"].can.tools is True

    def test_explain_calls_nobody(self, openai, provider):
        server = str(Switchwise({"strong": openai("gpt-4.1"), "fast": openai("gpt-4o-mini")}).explain(HELLO, agent="me"))
        assert "-> strong" in server
        assert provider.requests == ()


class _Small(MockLLM):
    @property
    def metadata(self):
        return super().metadata.model_copy(update={"context_window": 5_000})
