"""The same pair of targets in core's clients, LangChain and LlamaIndex: two servers of one protocol, one model, a key for each."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import Router
from switchwise.catalog import Unpriced
from switchwise.clients import Clients, OpenAIClient
from switchwise_loopback import Answer, LoopbackProvider

MODEL = "gpt-4.1-mini"
ADAPTERS = ["clients", "langchain", "llamaindex"]


class Door:
    """One way into switchwise.

    Parameters:
        ask: puts a question, gives the text of the answer.
        router: behind it.
    """

    def __init__(self, ask: Callable[[str], str], router: Router) -> None:
        self.ask = ask
        self.router = router


@pytest.fixture(autouse=True)
def prices_do_not_matter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unpriced)
        yield


@pytest.fixture
def first() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda request: Answer("from the first")) as running:
        yield running


@pytest.fixture
def second() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda request: Answer("from the second")) as running:
        yield running


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    adapter: str = request.param
    return adapter


def opened(adapter: str, servers: dict[str, tuple[str, str]], router: Router | None = None, **options: Any) -> Door:
    """A door to targets: name -> base URL and key."""
    if adapter == "clients":
        found = {name: OpenAIClient(base_url=url, api_key=key, model=MODEL, **options) for name, (url, key) in servers.items()}
        clients = Clients(found, router)
        return Door(lambda text: clients.complete([{"role": "user", "content": text}]).text, clients.router)
    if adapter == "langchain":
        models = {
            name: ChatOpenAI(model=MODEL, base_url=url, api_key=key, max_retries=0, stream_usage=True, **options)
            for name, (url, key) in servers.items()
        }
        chat = ChatSwitchwise(models, router=router) if router else ChatSwitchwise(models)
        return Door(lambda text: str(chat.invoke(text).content), chat.router)
    llms = {
        name: OpenAI(model=MODEL, api_base=url, api_key=key, max_retries=0, **options) for name, (url, key) in servers.items()
    }
    llm = Switchwise(llms, router=router)
    return Door(lambda text: str(llm.chat([ChatMessage(role="user", content=text)]).message.content), llm.router)


@pytest.fixture
def outages(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tools/outage.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    return importlib.import_module("outage")


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running
