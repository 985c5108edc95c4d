"""What LangChain's own suites found: each was a difference between `ChatSwitchwise` and the native model behind it."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError, field_validator

from langchain_switchwise import ChatSwitchwise
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import gpt


class Weather(BaseModel):
    """Weather of a place."""

    sky: str


class OnlyBad(BaseModel):
    """Its one word."""

    response: str

    @field_validator("response")
    @classmethod
    def _is_bad(cls, said: str) -> str:
        if said != "bad":
            raise ValueError('must be "bad"')
        return said


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "Weather", "schema": Weather.model_json_schema(), "strict": False},
}


def test_a_response_format_together_with_tools_reaches_the_provider_as_the_native_model_sends_it(
    provider: LoopbackProvider,
) -> None:
    native = gpt(provider)
    for model in (native, ChatSwitchwise(models=[native])):
        model.bind_tools([get_weather], response_format=FORMAT, strict=True).invoke("And the weather?")
    bare, routed = (request.body["response_format"] for request in provider.requests)
    assert routed == bare


def test_a_response_format_of_the_call_outranks_that_of_the_binding(provider: LoopbackProvider) -> None:
    plain = {"type": "json_object"}
    model = ChatSwitchwise(models=[gpt(provider)])
    model.bind_tools([get_weather], response_format=FORMAT).invoke("The weather, in JSON?", response_format=plain)
    assert provider.requests[0].body["response_format"] == plain


def test_an_answer_that_breaks_the_callers_own_rule_is_the_callers_error_and_no_outage() -> None:
    with LoopbackProvider(answer=[Answer('{"response": "good"}')]) as provider:
        model = ChatSwitchwise(models=[gpt(provider)])
        with pytest.raises(ValidationError) as raised:
            model.invoke("Say good.", response_format=OnlyBad)
        assert len(provider.requests) == 1
    assert raised.value.response.status_code == 200  # as ChatOpenAI attaches it


def test_a_bad_status_is_still_read_from_the_response(provider: LoopbackProvider) -> None:
    provider.inject(Fault.BAD_REQUEST)
    with pytest.raises(openai.BadRequestError):
        ChatSwitchwise(models=[gpt(provider)]).invoke("hello")


def test_what_no_target_is_known_to_read_is_left_to_the_provider_to_refuse(provider: LoopbackProvider) -> None:
    deaf = gpt(provider, model="gpt-5.5", profile={"audio_inputs": False, "image_inputs": False})
    question = {"type": "text", "text": "What is said?"}
    sound = {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}
    with pytest.raises(openai.BadRequestError, match="Content blocks are expected"):
        ChatSwitchwise(models=[deaf]).invoke([HumanMessage([question, sound])])


def test_a_sound_goes_to_responses_as_the_native_model_sends_it(provider: LoopbackProvider) -> None:
    sound = HumanMessage([{"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}])
    native = gpt(provider, use_responses_api=True)
    for model in (native, ChatSwitchwise(models=[native])):
        model.invoke([sound])
    bare, routed = (request.body["input"] for request in provider.requests)
    assert routed == bare


def test_an_empty_message_of_a_model_that_says_nothing_of_its_answers_is_passed_on_where_no_other_may_be_asked() -> None:
    def fake(text: str) -> GenericFakeChatModel:
        return GenericFakeChatModel(messages=iter([AIMessage(text)]))

    assert ChatSwitchwise({"only": fake("")}).invoke("hello").content == ""
    assert ChatSwitchwise({"first": fake(""), "next": fake("Hello.")}).invoke("hello").content == "Hello."
