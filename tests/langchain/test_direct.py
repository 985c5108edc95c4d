"""The short way into a native model is its own `invoke`, for everybody who looks; where it would not be, the long one is taken."""

from __future__ import annotations

import uuid
from typing import Any
from unittest.mock import patch

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import ensure_config
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.calling import direct

from .conftest import Duo
from .fakes import USAGE, Scripted

QUESTION = [HumanMessage("hello")]
RUN = uuid.UUID(int=7)


class Hears(BaseCallbackHandler):
    """All that LangChain tells a handler."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, dict[str, Any]]] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.heard.append(("start", (serialized, messages), kwargs))

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.heard.append(("end", response, kwargs))

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.heard.append(("error", repr(error), kwargs))


def config_with(handler: BaseCallbackHandler, callbacks: str) -> Any:
    manager: Any = CallbackManager(handlers=[handler], inheritable_handlers=[handler], parent_run_id=uuid.UUID(int=1))
    return ensure_config(
        {
            "callbacks": [handler] if callbacks == "list" else manager,
            "tags": ["mine"],
            "metadata": {"team": "a"},
            "configurable": {"thread_id": "t1", "model": "hidden"},
            "run_name": "named",
            "run_id": RUN,
        }
    )


def model(script: Any, bound: str) -> Any:
    made = Scripted(script=[script], tags=["its own"], metadata={"its": "own"})
    if bound == "bare":
        return made
    tools = made.bind_tools([{"name": "look_up"}], stop=["end"])
    return tools if bound == "tools" else tools.bind(temperature=1).with_config(tags=["bound"], run_name="bound")


@pytest.mark.parametrize("bound", ["bare", "tools", "tools with config"])
@pytest.mark.parametrize("callbacks", ["list", "manager"])
@pytest.mark.parametrize(
    "script", [AIMessage("yes", id="1", usage_metadata=USAGE), ConnectionResetError("gone")], ids=["ok", "down"]
)
@pytest.mark.parametrize("kwargs", [{}, {"stop": ["now"], "seed": 1}], ids=["plain", "settings"])
async def test_callbacks_settings_and_answer_are_those_of_the_public_invoke(
    bound: str, callbacks: str, script: Any, kwargs: dict[str, Any]
) -> None:
    told = []
    for way in ("public", "direct", "public", "direct"):
        hears, made = Hears(), model(script, bound)
        config = config_with(hears, callbacks)
        answer: Any = None
        try:
            if len(told) < 2:
                run = made.invoke if way == "public" else lambda *args, m=made, **kw: direct.invoke(m, *args, kw)
                answer = run(QUESTION, config, **kwargs)
            else:
                arun = made.ainvoke if way == "public" else lambda *args, m=made, **kw: direct.ainvoke(m, *args, kw)
                answer = await arun(QUESTION, config, **kwargs)
        except ConnectionResetError as error:
            answer = repr(error)
        scripted = made
        while not isinstance(scripted, Scripted):
            scripted = scripted.bound
        told.append((answer, hears.heard, scripted.settings, scripted.asked))
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert [kind for kind, *_ in told[0][1]] == ["start", "error" if isinstance(script, Exception) else "end"]


def test_the_run_tree_is_that_of_a_native_model(duo: Duo) -> None:
    def tree(llm: Any) -> Any:
        collector = RunCollectorCallbackHandler()
        RunnableLambda(lambda text: llm.invoke(text)).invoke("hello", {"callbacks": [collector]})
        (root,) = collector.traced_runs
        return [(run.run_type, run.name, [child.name for child in run.child_runs]) for run in (root, *root.child_runs)]

    llm = duo()
    assert tree(llm) == tree(llm.models["strong"])


def test_cache_and_rate_limiter_are_the_models_own() -> None:
    class Counts(BaseRateLimiter):
        acquired = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.acquired += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire()

    limiter = Counts()
    llm = ChatSwitchwise({"one": Scripted(cache=InMemoryCache(), rate_limiter=limiter)})
    assert [llm.invoke("hello").content for _ in range(2)] == ["yes", "yes"]
    assert limiter.acquired == 1, "the second answer came from the cache"


class TestTheLongWay:
    """Whatever stands in the place of LangChain's own methods is called."""

    @pytest.fixture
    def called(self) -> list[str]:
        return []

    def test_of_a_class_with_an_invoke_of_its_own(self, called: list[str]) -> None:
        class Own(Scripted):
            def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002  (LangChain's name)
                called.append("invoke")
                return super().invoke(input, config, **kwargs)

        assert ChatSwitchwise({"one": Own()}).invoke("hello").content == "yes"
        assert called == ["invoke"]

    def test_of_a_class_that_reads_its_input_in_its_own_way(self, called: list[str]) -> None:
        class Own(Scripted):
            def _convert_input(self, model_input: Any) -> Any:
                called.append("convert")
                return super()._convert_input(model_input)

        assert ChatSwitchwise({"one": Own()}).invoke("hello").content == "yes"
        assert called == ["convert"]

    @pytest.mark.parametrize("name", ["invoke", "generate_prompt"])
    def test_of_whoever_instruments_langchain(self, called: list[str], name: str) -> None:
        original = getattr(BaseChatModel, name)

        def spying(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return original(self, *args, **kwargs)

        with patch.object(BaseChatModel, name, spying):
            assert ChatSwitchwise({"one": Scripted()}).invoke("hello").content == "yes"
        assert called == [name]

    def test_of_one_object_alone(self, called: list[str]) -> None:
        one = Scripted()
        object.__setattr__(one, "invoke", lambda *args, **kwargs: called.append("its own") or AIMessage("no"))
        assert ChatSwitchwise({"one": one}).invoke("hello").content == "no"
        assert called == ["its own"]

    def test_of_a_version_that_does_more(self, called: list[str]) -> None:
        assert direct.as_read(BaseChatModel.generate_prompt)
        assert not direct.as_read(lambda self, prompts: print(self.generate(prompts)))
        assert not direct.as_read(lambda self, prompts, by=direct: self.generate(by.prompts))
        assert not direct.as_read(lambda self, prompts: self.generate(called)), "a closure may hold anything"
        assert not direct.as_read(print)

    def test_the_version_at_hand_is_the_one_that_was_read(self) -> None:
        assert direct._KNOWN, "LangChain's invoke does something new: read it, and let `direct` do it too"


def test_what_stops_a_binding_still_does(duo: Duo) -> None:
    llm = duo()
    llm.bind_tools([{"name": "look_up", "description": "", "parameters": {}}], stop=["end"]).invoke("hello")
    assert llm.models["strong"].settings[-1]["stop"] == ["end"]
    list(llm.bind_tools([{"name": "look_up", "description": "", "parameters": {}}], stop=["end"]).stream("hello"))
    assert llm.models["strong"].settings[-1]["stop"] == ["end"]
