"""What a program sees that was written for the native model: each of these was a difference."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, SummarizationMiddleware
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ContextOverflowError, ModelError, ModelRateLimitError, ModelRefusalError
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField, ConfigurableFieldSingleOption, RunnableConfig
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware, SwitchwiseNode
from switchwise import AllTargetsFailed, ConfigurationError, Interrupted
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import claude, gpt


class Joke(BaseModel):
    """A joke."""

    setup: str


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


class TestErrors:
    @pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.AUTHENTICATION, Fault.CONTEXT_OVERFLOW, Fault.RESET])
    def test_the_callers_own_except_clauses_go_on_working(self, provider: LoopbackProvider, fault: Fault) -> None:
        provider.inject(fault, times=None)
        with pytest.raises(openai.APIError) as bare:
            gpt(provider).invoke("hello")
        with pytest.raises(type(bare.value)) as routed:
            ChatSwitchwise([gpt(provider)]).invoke("hello")
        assert isinstance(routed.value, AllTargetsFailed)
        for name in ("status_code", "code", "is_retryable"):
            assert getattr(routed.value, name, None) == getattr(bare.value, name, None)
        body = json.dumps(getattr(bare.value, "body", None))
        assert json.dumps(getattr(routed.value, "body", None)) == body.replace("bad-key.", "***")  # keys are masked

    def test_of_several_providers_what_all_their_errors_are(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None)
        with pytest.raises(ModelRateLimitError) as both:
            ChatSwitchwise([gpt(provider), claude(provider)]).invoke("hello")
        assert not isinstance(both.value, openai.OpenAIError | anthropic.AnthropicError)

    def test_of_errors_of_different_kinds_one_that_may_pass_is_worth_another_try(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None, provider="openai")
        provider.inject(Fault.AUTHENTICATION, times=None, provider="anthropic")
        with pytest.raises(ModelError) as both:
            ChatSwitchwise([gpt(provider), claude(provider)]).invoke("hello")
        assert not isinstance(both.value, ModelRateLimitError)
        assert both.value.is_retryable

    def test_it_says_what_each_provider_said(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None, provider="openai")
        provider.inject(Fault.AUTHENTICATION, times=None, provider="anthropic")
        with pytest.raises(
            AllTargetsFailed, match=r"strong \(authentication: invalid.*fast \(rate_limit: Rate limit reached"
        ) as e:
            ChatSwitchwise({"fast": gpt(provider), "strong": claude(provider)}).invoke("hello")
        assert type(copy.copy(e.value)) is AllTargetsFailed
        assert e.value.derive([e.value.exceptions[0]]).exceptions == (e.value.exceptions[0],)

    def test_a_stream_that_breaks_off_is_the_providers_error_too(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STREAM_ERROR_MID, times=None)
        for model, own in ((gpt(provider), openai.APIError), (claude(provider), anthropic.APIStatusError)):
            with pytest.raises(own) as broken:
                list(ChatSwitchwise([model]).stream("Tell me a long story, please."))
            assert isinstance(broken.value, Interrupted)
            assert pickle.loads(pickle.dumps(broken.value)).args == broken.value.args

    def test_retries_of_certain_errors_find_them(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=3)
        retried = ChatSwitchwise([gpt(provider)]).with_retry(
            retry_if_exception_type=(openai.RateLimitError,), wait_exponential_jitter=False
        )
        assert retried.invoke("hello").content

    def test_a_middleware_does_not_retry_what_no_retry_mends(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.AUTHENTICATION, times=None)
        retry = ModelRetryMiddleware(max_retries=3, initial_delay=0, on_failure="error")
        with pytest.raises(openai.AuthenticationError):
            create_agent(ChatSwitchwise([gpt(provider)]), [], middleware=[retry]).invoke({"messages": [HumanMessage("hello")]})
        assert len(provider.requests) == 1

    def test_a_refusal_is_one(self) -> None:
        with LoopbackProvider(answer=[Answer("I can't.", stop_reason="refusal")] * 2) as provider:
            for model in (gpt(provider), claude(provider)):
                with pytest.raises(ModelRefusalError) as refused:
                    ChatSwitchwise([model]).with_structured_output(Joke).invoke("Tell a joke.")
                assert refused.value.raw_message is not None

    def test_a_conversation_whose_summary_did_not_fit_is_summarised_from_less(self, provider: LoopbackProvider) -> None:
        long = [m for i in range(20) for m in (HumanMessage(f"question {i} " * 40), AIMessage(f"answer {i} " * 40))]
        asked = []
        for model in (claude(provider), ChatSwitchwise([claude(provider)]), ChatSwitchwise([gpt(provider)])):
            provider.inject(Fault.CONTEXT_OVERFLOW)
            summarising = SummarizationMiddleware(model, trigger=("messages", 10), keep=("messages", 2))
            agent = create_agent(FakeListChatModel(responses=["Done."]), [], middleware=[summarising])
            assert agent.invoke({"messages": [*long, HumanMessage("Go on.")]})["messages"][-1].text == "Done."
            asked.append([len(str(request.body["messages"])) for request in provider.requests])
            provider.forget()
        assert [len(each) for each in asked] == [2, 2, 2]
        assert all(second < first for first, second in asked)

    def test_a_deep_agent_recognises_a_prompt_that_was_too_long(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.CONTEXT_OVERFLOW)
        with pytest.raises(ContextOverflowError, match="still does not fit after recovery"):
            create_deep_agent(model=ChatSwitchwise([gpt(provider)])).invoke({"messages": [HumanMessage("hello")]})


class TestFields:
    def test_a_field_that_is_set_later_counts(self, provider: LoopbackProvider) -> None:
        heard: list[Any] = []
        limited: list[bool] = []

        class Hears(BaseCallbackHandler):
            def on_chat_model_start(self, *_: Any, tags: Any = None, metadata: Any = None, **__: Any) -> None:
                heard.append((tags, metadata["plan"]))

        class Limiter(InMemoryRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                limited.append(blocking)
                return True

        for model in (gpt(provider), ChatSwitchwise([gpt(provider)])):
            model.callbacks, model.tags, model.metadata = [Hears()], ["later"], {"plan": "gold"}
            model.rate_limiter = Limiter(requests_per_second=1_000)
            model.invoke("hello")
        assert heard == [(["later"], "gold")] * 2
        assert limited == [True] * 2

    def test_a_cache_that_would_do_nothing_is_refused(self, provider: LoopbackProvider) -> None:
        llm = ChatSwitchwise([gpt(provider)])
        with pytest.raises(ConfigurationError, match="set it on the models"):
            llm.cache = InMemoryCache()

    async def test_a_rate_limiter_holds_for_generate_too(self, provider: LoopbackProvider) -> None:
        waited: list[str] = []

        class Limiter(InMemoryRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                waited.append("sync")
                return blocking

            async def aacquire(self, *, blocking: bool = True) -> bool:
                waited.append("async")
                return blocking

        llm = ChatSwitchwise([gpt(provider)], rate_limiter=Limiter(requests_per_second=1_000))
        llm.generate([[HumanMessage("one")], [HumanMessage("two")]])
        await llm.agenerate([[HumanMessage("three")]])
        assert waited == ["sync", "sync", "async"]

    def test_a_subclass_may_have_fields_of_its_own(self, provider: LoopbackProvider) -> None:
        class Team(ChatSwitchwise):
            team: str = "none"

        ours: Any = Team  # to a type checker, pydantic's fields are all that a subclass takes

        assert ours([gpt(provider)], team="red").team == "red"
        assert ours([gpt(provider)]).model_copy(update={"team": "blue"}).team == "blue"
        with pytest.raises(ConfigurationError, match="colour"):
            ours([gpt(provider)], colour="red")


class TestConfigurableFields:
    @pytest.mark.parametrize(("name", "value"), [("temperature", 0.7), ("max_tokens", 70), ("stop", ["END"])])
    def test_a_run_can_choose_a_setting(self, provider: LoopbackProvider, name: str, value: Any) -> None:
        for model in (gpt(provider), ChatSwitchwise([gpt(provider), claude(provider)])):
            fields = model.configurable_fields(**{name: ConfigurableField(id="chosen")})
            fields.invoke("hello", config={"configurable": {"chosen": value}})
            fields.with_config(configurable={"chosen": value}).invoke("hello")
            fields.invoke("hello")
        bodies = [request.body for request in provider.requests]
        assert bodies[:3] == bodies[3:]
        assert bodies[0] == bodies[1] != bodies[2]

    def test_each_target_gets_the_configurable_field_in_its_own_format(self, provider: LoopbackProvider) -> None:
        llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)})
        fields = llm.configurable_fields(max_tokens=ConfigurableField(id="longest"), tags=ConfigurableField(id="tags"))
        for target in ("strong", "fast"):
            fields.invoke("hello", config={"configurable": {"longest": 70, "switchwise_target": target, "tags": ["t"]}})
        assert [body.get("max_tokens") or body["max_completion_tokens"] for body in (r.body for r in provider.requests)] == [
            70,
            70,
        ]
        assert {"longest", "tags"} <= {spec.id for spec in fields.config_specs}

    def test_the_model_is_a_target(self, provider: LoopbackProvider) -> None:
        llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)})
        either = llm.configurable_fields(model=ConfigurableFieldSingleOption("llm", {"a": "strong", "b": "fast"}, "b"))
        assert either.invoke("hello").response_metadata["switchwise"]["target"] == "fast"
        assert either.invoke("hello", {"configurable": {"llm": "a"}}).response_metadata["switchwise"]["target"] == "strong"
        (spec,) = either.config_specs
        assert (spec.id, spec.default, [*spec.annotation]) == ("llm", "b", ["a", "b"])

    def test_what_is_no_setting_is_refused_with_those_that_are(self, provider: LoopbackProvider) -> None:
        with pytest.raises(ConfigurationError, match=r"api_key.*known are .*temperature"):
            ChatSwitchwise([gpt(provider)]).configurable_fields(api_key=ConfigurableField(id="key"))


def test_what_several_prompts_cost_is_added_up_as_the_model_does(provider: LoopbackProvider) -> None:
    prompts: list[list[BaseMessage]] = [[HumanMessage("one")], [HumanMessage("two")]]
    bare = gpt(provider).generate(prompts).llm_output or {}
    routed = ChatSwitchwise([gpt(provider)]).generate(prompts).llm_output or {}
    assert bare["token_usage"]["total_tokens"] > 0
    assert {key: routed[key] for key in bare} == bare
    both = ChatSwitchwise([gpt(provider), claude(provider)]).generate(prompts).llm_output or {}
    assert len(both["switchwise"]) == 2


@pytest.mark.parametrize("make", [gpt, claude])
@pytest.mark.parametrize("include_raw", [False, True])
def test_a_chain_that_ends_in_a_schema_declares_its_output(provider: LoopbackProvider, make: Any, include_raw: bool) -> None:
    native = make(provider)
    bare, routed = (llm.with_structured_output(Joke, include_raw=include_raw) for llm in (native, ChatSwitchwise([native])))
    assert routed.get_output_jsonschema() == bare.get_output_jsonschema()
    assert (routed.OutputType, routed.InputType) == (bare.OutputType, bare.InputType)


def test_a_schema_by_a_tool_needs_no_target_that_can_be_held_to_one(provider: LoopbackProvider) -> None:
    llm = ChatSwitchwise({"strong": gpt(provider, model="gpt-4"), "fast": gpt(provider)})
    for method, target in (("function_calling", "gpt-4"), ("json_schema", "gpt-4.1-mini")):
        assert isinstance(llm.with_structured_output(Joke, method=method).invoke("Tell a joke."), Joke)
        assert provider.requests[-1].model == target


@pytest.fixture
def answers_are_kept() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


@pytest.mark.usefixtures("answers_are_kept")
class TestResponseCaches:
    @pytest.mark.parametrize("make", [gpt, claude])
    @pytest.mark.parametrize("middleware", [[], [SwitchwiseMiddleware()]])
    def test_an_agent_that_does_the_same_again_asks_nobody(
        self, provider: LoopbackProvider, make: Any, middleware: list[Any]
    ) -> None:
        """The second run differs by the usage of answers from the cache; from the third on nothing does."""
        asked = []
        for model in (make(provider), ChatSwitchwise([make(provider)])):
            set_llm_cache(InMemoryCache())
            for thread in range(4):
                agent = create_agent(model, [get_weather], middleware=middleware)
                config: RunnableConfig = {"configurable": {"thread_id": str(thread)}}
                agent.invoke({"messages": [HumanMessage("How is the weather in Paris?")]}, config)
            asked.append(len(provider.requests))
            provider.forget()
        assert asked == [3, 3]

    def test_the_key_of_a_thread_does_not_part_what_is_the_same(self, provider: LoopbackProvider) -> None:
        warm = CacheHints(endpoints={"127.0.0.1": "openai"})
        llm = ChatSwitchwise([gpt(provider)], cache_hints=warm)
        for thread in ("one", "two"):
            llm.invoke("hello", {"configurable": {"thread_id": thread}})
        assert len(provider.requests) == 1


class TestTheCallersOwnFailures:
    """A handler, a cache or a limiter may lose its connection: no target has failed then, and none is called twice."""

    @pytest.mark.parametrize("where", ["on_chat_model_start", "on_llm_new_token", "on_llm_end"])
    @pytest.mark.parametrize("error", [ConnectionError("no database"), httpx.ReadError("no database")])
    async def test_of_a_callback_handler(self, provider: LoopbackProvider, where: str, error: Exception) -> None:
        def fails(*_: Any, **__: Any) -> None:
            raise error

        sync = type("Fails", (BaseCallbackHandler,), {"raise_error": True, where: fails})()
        llm = ChatSwitchwise([gpt(provider), claude(provider)])
        with pytest.raises(type(error)) as raised:
            list(llm.stream("hello", {"callbacks": [sync]}))
        assert raised.value is error
        with pytest.raises(type(error)):
            async for _ in llm.astream("hello", {"callbacks": [sync]}):
                pass
        if where != "on_llm_new_token":
            with pytest.raises(type(error)):
                llm.invoke("hello", {"callbacks": [sync]})
        assert len(provider.requests) <= 3
        assert {request.provider for request in provider.requests} <= {"openai"}
        assert llm.invoke("hello").response_metadata["switchwise"]["target"] == "gpt-4.1-mini"

    async def test_of_a_cache(self, provider: LoopbackProvider) -> None:
        class Lost(InMemoryCache):
            def lookup(self, prompt: str, llm_string: str) -> None:
                raise ConnectionError("no cache")

        llm = ChatSwitchwise([gpt(provider, cache=Lost()), claude(provider)])
        with pytest.raises(ConnectionError, match=r"^no cache$"):
            llm.invoke("hello")
        with pytest.raises(ConnectionError, match=r"^no cache$"):
            await llm.ainvoke("hello")
        assert not provider.requests

    def test_of_a_rate_limiter(self, provider: LoopbackProvider) -> None:
        class Lost(InMemoryRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                raise ConnectionError("no limiter")

        llm = ChatSwitchwise([gpt(provider, rate_limiter=Lost()), claude(provider)])
        for call in (llm.invoke, lambda text: list(llm.stream(text))):
            with pytest.raises(ConnectionError, match=r"^no limiter$"):
                call("hello")
        assert not provider.requests


given: Any = ChatSwitchwise  # what a type checker would not let pass


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda llm, model: given(model), "a ChatOpenAI: give a list, models="),
        (lambda llm, model: given("openai:gpt-4.1"), "'openai:gpt-4.1': give a list, models="),
        (lambda llm, model: given(None), "None: give a list, models="),
        (lambda llm, model: given(model="gpt-4.1"), "model='gpt-4.1': give all models to choose from"),
        (lambda llm, model: given([type(model)]), "holds the class ChatOpenAI, which is not a chat model"),
        (lambda llm, model: given([model.with_retry()]), "holds a RunnableRetry, which is not a chat model"),
        (lambda llm, model: given([model], router="best"), "router= is 'best': give a Router"),
        (lambda llm, model: SwitchwiseNode(model), "is a ChatOpenAI: give the ChatSwitchwise that later nodes call"),
        (lambda llm, model: SwitchwiseMiddleware(llm), "the model is given to create_agent"),
    ],
)
def test_an_invalid_argument_is_refused_in_one_line_with_its_remedy(
    provider: LoopbackProvider, wrong: Any, remedy: str
) -> None:
    model = gpt(provider)
    with pytest.raises(ConfigurationError, match=re.escape(remedy)) as caught:
        wrong(ChatSwitchwise([model]), model)
    assert len(str(caught.value)) < 250
