"""What a program sees that was written for the native model: each of these was a difference."""

from __future__ import annotations

import copy
import pickle

import anthropic
import openai
import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, SummarizationMiddleware
from langchain_core.exceptions import ContextOverflowError, ModelError, ModelRateLimitError, ModelRefusalError
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel

from fairlead import AllTargetsFailed, Interrupted
from fairlead.testing.loopback import Answer, Fault, LoopbackProvider
from langchain_fairlead import ChatFairlead

from .conftest import claude, gpt


class Joke(BaseModel):
    """A joke."""

    setup: str


class TestErrors:
    @pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.AUTHENTICATION, Fault.CONTEXT_OVERFLOW, Fault.RESET])
    def test_the_callers_own_except_clauses_go_on_working(self, provider: LoopbackProvider, fault: Fault) -> None:
        provider.inject(fault, times=None)
        with pytest.raises(openai.APIError) as bare:
            gpt(provider).invoke("hello")
        with pytest.raises(type(bare.value)) as routed:
            ChatFairlead([gpt(provider)]).invoke("hello")
        assert isinstance(routed.value, AllTargetsFailed)
        for name in ("status_code", "code", "body", "is_retryable"):
            assert getattr(routed.value, name, None) == getattr(bare.value, name, None)

    def test_of_several_providers_what_all_their_errors_are(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None)
        with pytest.raises(ModelRateLimitError) as both:
            ChatFairlead([gpt(provider), claude(provider)]).invoke("hello")
        assert not isinstance(both.value, openai.OpenAIError | anthropic.AnthropicError)

    def test_of_errors_of_different_kinds_one_that_may_pass_is_worth_another_try(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None, provider="openai")
        provider.inject(Fault.AUTHENTICATION, times=None, provider="anthropic")
        with pytest.raises(ModelError) as both:
            ChatFairlead([gpt(provider), claude(provider)]).invoke("hello")
        assert not isinstance(both.value, ModelRateLimitError)
        assert both.value.is_retryable

    def test_it_says_what_each_provider_said(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=None, provider="openai")
        provider.inject(Fault.AUTHENTICATION, times=None, provider="anthropic")
        with pytest.raises(
            AllTargetsFailed, match=r"strong \(authentication: invalid.*fast \(rate_limit: Rate limit reached"
        ) as e:
            ChatFairlead({"fast": gpt(provider), "strong": claude(provider)}).invoke("hello")
        assert type(copy.copy(e.value)) is AllTargetsFailed
        assert e.value.derive([e.value.exceptions[0]]).exceptions == (e.value.exceptions[0],)

    def test_a_stream_that_breaks_off_is_the_providers_error_too(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STREAM_ERROR_MID, times=None)
        for model, own in ((gpt(provider), openai.APIError), (claude(provider), anthropic.APIStatusError)):
            with pytest.raises(own) as broken:
                list(ChatFairlead([model]).stream("Tell me a long story, please."))
            assert isinstance(broken.value, Interrupted)
            assert pickle.loads(pickle.dumps(broken.value)).args == broken.value.args

    def test_retries_of_certain_errors_find_them(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.RATE_LIMIT, times=3)
        retried = ChatFairlead([gpt(provider)]).with_retry(
            retry_if_exception_type=(openai.RateLimitError,), wait_exponential_jitter=False
        )
        assert retried.invoke("hello").content

    def test_a_middleware_does_not_retry_what_no_retry_mends(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.AUTHENTICATION, times=None)
        retry = ModelRetryMiddleware(max_retries=3, initial_delay=0, on_failure="error")
        with pytest.raises(openai.AuthenticationError):
            create_agent(ChatFairlead([gpt(provider)]), [], middleware=[retry]).invoke({"messages": [HumanMessage("hello")]})
        assert len(provider.requests) == 1

    def test_a_refusal_is_one(self) -> None:
        with LoopbackProvider(answer=[Answer("I can't.", stop_reason="refusal")] * 2) as provider:
            for model in (gpt(provider), claude(provider)):
                with pytest.raises(ModelRefusalError) as refused:
                    ChatFairlead([model]).with_structured_output(Joke).invoke("Tell a joke.")
                assert refused.value.raw_message is not None

    def test_a_conversation_whose_summary_did_not_fit_is_summarised_from_less(self, provider: LoopbackProvider) -> None:
        long = [m for i in range(20) for m in (HumanMessage(f"question {i} " * 40), AIMessage(f"answer {i} " * 40))]
        asked = []
        for model in (gpt(provider), ChatFairlead([gpt(provider)])):
            provider.inject(Fault.CONTEXT_OVERFLOW)
            summarising = SummarizationMiddleware(model, trigger=("messages", 10), keep=("messages", 2))
            agent = create_agent(FakeListChatModel(responses=["Done."]), [], middleware=[summarising])
            assert agent.invoke({"messages": [*long, HumanMessage("Go on.")]})["messages"][-1].text == "Done."
            asked.append([request.body["messages"] for request in provider.requests])
            provider.forget()
        assert asked[0] == asked[1]
        assert len(asked[1]) == 2

    def test_a_deep_agent_recognises_a_prompt_that_was_too_long(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.CONTEXT_OVERFLOW)
        with pytest.raises(ContextOverflowError, match="still does not fit after recovery"):
            create_deep_agent(model=ChatFairlead([gpt(provider)])).invoke({"messages": [HumanMessage("hello")]})
