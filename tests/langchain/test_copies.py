"""Copies of a `ChatSwitchwise`: whatever can be done with a native model, and never a key that is written down."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel, PrivateAttr, SecretStr

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.doors.middleware import SwitchwiseMiddleware
from switchwise import Pool, Router, Target
from switchwise_loopback import LoopbackProvider

from .conftest import CLAUDE, GPT, Duo, claude, gpt
from .fakes import Scripted
from .test_chat_model import Runs

KEY = "sk-secret-0123456789"
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda llm: llm.model_copy(),
    "model_copy(deep)": lambda llm: llm.model_copy(deep=True),
}


class City(BaseModel):
    """A city."""

    name: str


def look_up(what: str) -> str:
    """Look something up."""
    return what


def again(made: Any) -> Any:
    """What another process would make of it."""
    return pickle.loads(pickle.dumps(made))


@pytest.fixture
def keyed(provider: LoopbackProvider) -> ChatSwitchwise:
    """Real models, both with a key; used once, since clients are made at the first call."""
    llm = ChatSwitchwise({"strong": claude(provider, api_key=KEY), "fast": gpt(provider, api_key=KEY)})
    llm.invoke("hello")
    return llm


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_answers_and_shares_the_router(keyed: ChatSwitchwise, how: str) -> None:
    """Also where the native model cannot be copied deeply: budgets and breakers hold for all copies of a model."""
    copied = COPIES[how](keyed)
    assert copied is not keyed
    assert copied == keyed
    assert copied.router is keyed.router
    assert copied.invoke("hello").response_metadata["switchwise"]["target"] == "strong"


async def test_the_native_model_of_a_target_can_be_copied_deeply_before_it_is_called(provider: LoopbackProvider) -> None:
    """Inner middleware is given it; its asynchronous client is built at the first call, and a copy builds its own."""
    native = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)}).dispatch.natives["strong"].model
    copied = copy.deepcopy(native)
    assert (await copied.ainvoke("hello")).text == (await native.ainvoke("hello")).text


@pytest.mark.parametrize("way", ["model_copy", "configurable_fields"])
def test_the_fields_of_a_copy_are_its_own(duo: Duo, way: str) -> None:
    before, after = Runs(), Runs()
    llm = duo(callbacks=[before], tags=["before"])
    if way == "model_copy":
        other: Any = llm.model_copy(update={"callbacks": [after], "tags": ["after"]})
    else:
        fields = llm.configurable_fields(callbacks=ConfigurableField("callbacks"), tags=ConfigurableField("tags"))
        other = fields.with_config(configurable={"callbacks": [after], "tags": ["after"]})
    assert other.invoke("hello").content == "strong says"
    assert (len(before.started), [run["tags"] for run in after.started]) == (0, [["after"]])
    llm.invoke("hello")
    assert [run["tags"] for run in before.started] == [["before"]]


def test_it_can_be_one_of_several_alternatives(duo: Duo) -> None:
    either = duo().configurable_alternatives(ConfigurableField("llm"), other=FakeListChatModel(responses=["other says"]))
    assert either.invoke("hello").content == "strong says"
    assert either.with_config(configurable={"llm": "other"}).invoke("hello").content == "other says"


def test_a_pickled_one_answers(duo: Duo) -> None:
    llm = duo(tags=["mine"], metadata={"team": "a"})
    back = again(llm)
    assert isinstance(back, ChatSwitchwise)
    assert (back.invoke("hello").content, back.tags, back.metadata["team"]) == ("strong says", ["mine"], "a")
    assert [target.name for target in back.router.pool] == [target.name for target in llm.router.pool]
    assert back.router is not llm.router


def test_a_pickled_one_finds_its_keys_in_the_environment(keyed: ChatSwitchwise, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(keyed)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "another")
    back = pickle.loads(pickled)
    settings: Any = back.models["fast"]
    assert settings.openai_api_key.get_secret_value() == "another"
    assert (settings.model_name, settings.max_retries, settings.stream_usage) == (GPT, 0, True)
    assert back.invoke("hello").response_metadata["model_name"].startswith(CLAUDE)


@pytest.mark.parametrize("made", ["itself", "tools", "schema", "strings"])
def test_no_key_is_written_down(keyed: ChatSwitchwise, provider: LoopbackProvider, made: str) -> None:
    with_tools, with_schema = keyed.bind_tools([look_up]), keyed.with_structured_output(City)
    with_tools.invoke("hello")  # bound by now
    of_strings = ChatSwitchwise([f"openai:{GPT}"], api_key=KEY, base_url=provider.openai_url, temperature=0.5)
    subject: Any = {"itself": keyed, "tools": with_tools, "schema": with_schema, "strings": of_strings}[made]
    assert KEY.encode() not in pickle.dumps(subject)
    assert KEY not in repr(subject)


class Client:
    """A client that holds the key by itself."""

    def __init__(self) -> None:
        self.api_key = SecretStr(KEY)


class Keeping(Scripted):
    """A model that keeps its key in a client of its own, as ChatNVIDIA does."""

    _client: Client = PrivateAttr(default_factory=Client)


def test_nor_is_one_that_a_client_holds() -> None:
    llm = ChatSwitchwise({"a": Keeping(model_name="a", script=["yes"])})
    written = pickle.dumps(llm)
    assert KEY.encode() not in written
    assert pickle.loads(written).invoke("hi").content == "yes"


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_headers_that_look_like_a_key_are_refused(provider: LoopbackProvider, header: str) -> None:
    llm = ChatSwitchwise({"fast": gpt(provider, default_headers={header: KEY})})
    with pytest.raises(TypeError, match=header):
        pickle.dumps(llm)


def test_a_router_of_ones_own_is_not_pickled_and_it_is_said_why() -> None:
    llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")])))
    with pytest.raises(TypeError, match="router="):
        pickle.dumps(llm)
    assert copy.deepcopy(llm).invoke("hello").content == "yes"


def test_a_dump_shows_fields_and_nothing_else(keyed: ChatSwitchwise) -> None:
    assert set(keyed.model_dump()) == {name for name, field in BaseChatModel.model_fields.items() if not field.exclude}
    assert KEY not in keyed.model_dump_json()


@pytest.mark.parametrize("copied", [copy.deepcopy, again])
def test_what_was_made_of_it_can_be_copied_too(duo: Duo, copied: Callable[[Any], Any]) -> None:
    assert copied(duo().bind_tools([look_up])).invoke("hello").content == "strong says"
    assert copied(duo().with_config(tags=["mine"])).invoke("hello").content == "strong says"


@pytest.mark.parametrize("copied", [copy.deepcopy, again])
def test_a_middleware_can_be_copied(copied: Callable[[Any], Any]) -> None:
    middleware = copied(SwitchwiseMiddleware(threads=3))
    assert middleware.threads == 3
    assert len(middleware._restored) == 0
