"""Nothing calls a model without being routed: the public ways to call a chat model are known, one by one."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import HumanMessage, trim_messages
from langchain_core.prompt_values import StringPromptValue
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise
from switchwise.observe.journal import InMemory

from .conftest import Duo


class Forecast(BaseModel):
    """The weather of tomorrow."""

    city: str


ROUTED = {
    "invoke",
    "ainvoke",
    "stream",
    "astream",
    "generate",
    "agenerate",
    "_chat_model_stream_v3",
    "_achat_model_stream_v3",
}
"""Overridden: each decides, then calls the chosen model's own."""

DERIVED = {
    "batch": "invoke",
    "abatch": "ainvoke",
    "batch_as_completed": "invoke",
    "abatch_as_completed": "ainvoke",
    "transform": "stream",
    "atransform": "astream",
    "astream_log": "astream",
    "stream_events": "_chat_model_stream_v3",
    "astream_events": "_achat_model_stream_v3",
    "generate_prompt": "generate",
    "agenerate_prompt": "agenerate",
}
"""Inherited: each calls one of the above."""

CALLS_NOBODY = {
    # what can be made of a model
    *"assign bind bind_tools configurable_alternatives configurable_fields map pick pipe with_alisteners with_config".split(),
    *"with_fallbacks with_listeners with_retry with_structured_output with_types as_tool".split(),
    # what it says of itself
    *"asdict config_schema config_specs dict get_config_jsonschema get_graph get_input_jsonschema get_input_schema".split(),
    *"get_lc_namespace get_name get_output_jsonschema get_output_schema get_prompts get_token_ids input_schema".split(),
    *"get_num_tokens get_num_tokens_from_messages is_lc_serializable lc_attributes lc_id lc_secrets output_schema".split(),
    *"set_verbose to_json to_json_not_implemented InputType OutputType".split(),
}


def public(cls: type) -> set[str]:
    """Names that LangChain's classes define; pydantic's are left out."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("langchain_core")]
    return {name for base in own for name in vars(base) if not name.startswith("_")}


def methods(cls: type) -> set[str]:
    fields = set(BaseChatModel.model_fields)
    return {name for name in public(cls) if name not in fields and not name.startswith("model_")}


def test_every_public_method_of_a_chat_model_is_known() -> None:
    known = ROUTED | set(DERIVED) | CALLS_NOBODY
    assert methods(BaseChatModel) - known == set(), "a new entry point may bypass the router: route it, or say why not"


def test_what_must_be_routed_is_overridden() -> None:
    for name in ROUTED:
        assert getattr(ChatSwitchwise, name) is not getattr(BaseChatModel, name)


async def drained(result: Any) -> None:
    """Read whatever an entry point gives, to its end."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        async for _ in result:
            pass
    elif inspect.isgenerator(result) or isinstance(result, ChatModelStream):
        for _ in result:
            pass


@pytest.mark.parametrize("name", DERIVED)
async def test_what_is_inherited_is_routed_all_the_same(duo: Duo, name: str) -> None:
    journal = InMemory()
    llm = duo(observers=[journal])
    one: dict[str, Any] = {
        "batch": ["hi"],
        "abatch": ["hi"],
        "batch_as_completed": ["hi"],
        "abatch_as_completed": ["hi"],
        "transform": iter(["hi"]),
        "atransform": agenerator(),
        "generate_prompt": [StringPromptValue(text="hi")],
        "agenerate_prompt": [StringPromptValue(text="hi")],
    }
    more = {"version": "v3"} if "events" in name else {}
    await drained(getattr(llm, name)(one.get(name, "hi"), **more))
    assert len(journal) == 1


async def agenerator() -> AsyncIterator[str]:
    yield "hi"


def test_counting_tokens_calls_no_provider_and_needs_no_tokenizer(duo: Duo) -> None:
    journal = InMemory()
    llm = duo(observers=[journal])
    question = HumanMessage("How is the weather in Lisbon?")
    assert 5 <= llm.get_num_tokens(question.text) <= 9
    alone = llm.get_num_tokens_from_messages([question])
    assert alone > llm.get_num_tokens(question.text)
    assert llm.get_num_tokens_from_messages([question], tools=[Forecast]) > alone + 10
    assert trim_messages([HumanMessage("word " * 500), question], token_counter=llm, max_tokens=50) == [question]
    assert len(journal) == 0
