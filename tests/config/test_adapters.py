"""Models and router from one file, in all three faces, against the loopback provider."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import ConfigurationError
from switchwise.clients import Clients
from switchwise_loopback import Fault, LoopbackProvider

FILE = """
[targets.opus]
provider = "anthropic"
model = "claude-opus-5-5"
key = "env:LOOPBACK_KEY"
base_url = "env:LOOPBACK_ANTHROPIC"
settings = {{ max_tokens = 50 }}

[targets.own]
provider = "{2}"
model = "{3}"
base_url = "{0}"
key = "env:LOOPBACK_KEY"
price = {{ input = 0.1, output = 0.3 }}
settings = {{ temperature = 0.5, max_tokens = 40 }}

[routers.main]
pool = [{1}"own"]
policies = ["Fits", "Healthy", {{ Rules = {{ prefer = "strong" }} }}]
"""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        monkeypatch.setenv("LOOPBACK_KEY", "local")
        monkeypatch.setenv("LOOPBACK_ANTHROPIC", provider.anthropic_url)
        yield provider


def written(face: Any, provider: LoopbackProvider, first: str = "") -> str:
    """The file; LlamaIndex's OpenAI takes no model that it does not know."""
    own = ("openai", "gpt-4.1-mini") if face is llamaindex else ("vllm", "qwen-3-32b")
    return FILE.format(provider.openai_url, first, *own)


def langchain(path: Path) -> tuple[Any, Any]:
    llm = ChatSwitchwise.from_file(path, tags=["from a file"])
    assert llm.tags == ["from a file"]
    return llm.router, lambda: llm.invoke("Hello").response_metadata["switchwise"]["target"]


def llamaindex(path: Path) -> tuple[Any, Any]:
    llm = Switchwise.from_file(path, system_prompt="Be brief.")
    return llm.router, lambda: llm.complete("Hello").additional_kwargs["switchwise"]["target"]


def clients(path: Path) -> tuple[Any, Any]:
    made = Clients.from_file(path)
    return made.router, lambda: made.complete([{"role": "user", "content": "Hello"}]).outcome.target.name


FACES = pytest.mark.parametrize("face", [langchain, llamaindex, clients])


@FACES
def test_the_file_sets_endpoint_and_settings_of_each_target(face: Any, provider: LoopbackProvider, tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    first = "" if face is llamaindex else '"opus", '  # its Anthropic integration needs an environment of its own
    path.write_text(written(face, provider, first))
    router, ask = face(path)
    if first:
        assert ask() == "opus"
        assert provider.requests[-1].body["max_tokens"] == 50
        provider.inject(Fault.OVERLOADED, provider="anthropic", times=None)
    assert ask() == "own"
    seen = provider.requests[-1]
    assert (seen.provider, seen.model, seen.body["temperature"]) == ("openai", router.pool["own"].model, 0.5)
    assert 40 in (seen.body.get("max_tokens"), seen.body.get("max_completion_tokens"))
    assert router.pool["own"].price.input == 0.1


@FACES
def test_a_key_that_is_not_there_is_named_and_not_asked_of_anybody(
    face: Any, provider: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(written(face, provider))
    monkeypatch.delenv("LOOPBACK_KEY")
    with pytest.raises(ConfigurationError, match="target 'own': the variable LOOPBACK_KEY is not set: export LOOPBACK_KEY="):
        face(path)
    assert not provider.requests


@FACES
def test_a_changed_file_may_change_policies_and_leave_targets_out_but_not_add_any(
    face: Any, provider: LoopbackProvider, tmp_path: Path
) -> None:
    path = tmp_path / "switchwise.toml"
    text = written(face, provider)
    more = (
        '[targets.luna]\nprovider = "openai"\nmodel = "gpt-6-luna"\nkey = "env:LOOPBACK_KEY"\nbase_url = "'
        + provider.openai_url
        + '"\n'
    )
    both = more + text.replace('pool = ["own"]', 'pool = ["luna", "own"]')
    path.write_text(both)
    router, ask = face(path)
    assert ask() == "luna"

    def rewrite(new: str) -> None:
        before = path.stat().st_mtime_ns
        path.write_text(new)
        os.utime(path, ns=(before + 10**9, before + 10**9))

    rewrite(both.replace('prefer = "strong"', 'prefer = "fast"'))
    assert router.reload()
    assert ask() == "own"
    rewrite(more + text.replace('pool = ["own"]', 'pool = ["luna"]'))
    assert router.reload()
    assert ask() == "luna"
    rewrite(both.replace("gpt-4.1-mini", "gpt-4.1").replace("qwen-3-32b", "qwen-4"))
    with pytest.raises(ConfigurationError, match="own has no model in this process: start it again to change targets"):
        router.reload()
    assert ask() == "luna"


@pytest.mark.parametrize("face", [langchain, llamaindex])
def test_the_api_of_a_target_is_the_one_that_is_called(face: Any, provider: LoopbackProvider, tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    for api, called in (("responses", "responses"), ("chat", "chat")):
        lines = ["[targets.own]", 'provider = "openai"', 'model = "gpt-4.1-mini"', f'api = "{api}"', 'key = "env:LOOPBACK_KEY"']
        path.write_text("\n".join([*lines, f'base_url = "{provider.openai_url}"']))
        assert face(path)[1]() == "own"
        assert provider.requests[-1].api == called


def test_llamaindex_says_what_to_install_for_other_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_index.llms.openai_like", None)
    path = tmp_path / "switchwise.toml"
    for window in ("", "can = { window = 32000 }"):
        path.write_text(f'[targets.own]\nprovider = "vllm"\nmodel = "qwen-3-32b"\nbase_url = "http://127.0.0.1:9/v1"\n{window}')
        with pytest.raises(ConfigurationError, match="install llama-index-llms-openai-like for it"):
            Switchwise.from_file(path)
    path.write_text('[targets.own]\nprovider = "openai"\nmodel = "gpt-4.1-mini"\n')
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert Switchwise.from_file(path).router.pool["own"].provider == "openai"


def test_the_clients_say_whom_they_do_not_speak_to(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets]\nflash = "google:gemini-3.8-flash"\n')
    with pytest.raises(
        ConfigurationError, match="target 'flash': these clients speak to openai and anthropic; for google give base_url"
    ):
        Clients.from_file(path)
