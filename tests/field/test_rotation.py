"""Several keys of one model, as one target: FIELD A11."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import (
    ConfigurationError,
    FailureKind,
    Pool,
    Router,
    Scope,
    Target,
    Verdict,
    View,
    drive,
    hold,
)
from switchwise.clients import Clients, OpenAIClient
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.signals import Turn
from switchwise.policies import Consensus, Escalate, Healthy, Rotation, Rules, Weighted, Worth
from switchwise.quality import LabelTable
from switchwise.quality.estimate import estimate
from switchwise.testing import Clock, Fails, Script
from switchwise_loopback import Fault, LoopbackProvider

from .conftest import MODEL

Ask = Callable[[str, str], str]
KEYS = ("key-one", "key-two")


def door(adapter: str, url: str, *keys: str, router: Router | None = None) -> tuple[Ask, Router]:
    """One target with several keys: (text, session) -> the text of the answer; and its router."""
    if adapter == "clients":
        clients = Clients({"gpt": [OpenAIClient(base_url=url, api_key=key, model=MODEL) for key in keys]}, router)
        return lambda text, session: clients.complete([{"role": "user", "content": text}], session=session).text, clients.router
    if adapter == "langchain":
        chat = ChatSwitchwise(
            {"gpt": [ChatOpenAI(model=MODEL, base_url=url, api_key=key, stream_usage=True) for key in keys]}, router=router
        )
        return lambda text, session: str(
            chat.invoke(text, config={"configurable": {"thread_id": session}}).content
        ), chat.router
    llm = Switchwise({"gpt": [OpenAI(model=MODEL, api_base=url, api_key=key) for key in keys]}, router=router)
    return lambda text, session: str(
        llm.chat([ChatMessage(role="user", content=text)], route={"session": session}).message.content
    ), llm.router


def sent(provider: LoopbackProvider) -> list[str]:
    """The keys of all requests."""
    return [seen.headers["authorization"].removeprefix("Bearer ") for seen in provider.requests]


@pytest.mark.parametrize("given", ["default router", "own router"])
def test_a11_where_one_key_is_limited_another_one_answers_and_keeps_the_thread(
    adapter: str, given: str, first: LoopbackProvider
) -> None:
    own = None if given == "default router" else Router(Pool([Target("gpt", "openai", MODEL)]), Healthy())
    ask, router = door(adapter, first.openai_url, *KEYS, router=own)
    first.inject(Fault.RATE_LIMIT, retry_after=60)
    assert [ask("one", "s"), ask("two", "s"), ask("three", "other")] == ["from the first"] * 3
    limited, *rest = sent(first)
    assert rest == [key for key in KEYS if key != limited] * 3
    health = router.health()
    assert sorted(health[name].state == "open" for name in ("gpt", "gpt#2") if name in health) in ([True], [False, True])
    assert len({target.account for target in router.pool}) == 2


def test_a11_a_key_that_is_refused_is_asked_once_by_all_threads_together(adapter: str, first: LoopbackProvider) -> None:
    ask, _ = door(adapter, first.openai_url, "bad-one", "key-two")
    assert {ask("one", f"session {i}") for i in range(8)} == {"from the first"}
    assert sent(first).count("bad-one") == 1


def test_a11_a_thread_stays_with_its_key_and_threads_are_spread(adapter: str, first: LoopbackProvider) -> None:
    ask, _ = door(adapter, first.openai_url, *KEYS)
    used: dict[str, set[str]] = defaultdict(set)
    for turn in ("one", "two", "three"):
        for session in map(str, range(8)):
            ask(turn, session)
            used[session].add(sent(first)[-1])
    assert all(len(keys) == 1 for keys in used.values())
    assert set.union(*used.values()) == {*KEYS}


def test_a11_a_file_refers_to_several_keys(
    adapter: str, first: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE", KEYS[0])
    monkeypatch.setenv("TWO", KEYS[1])
    path = tmp_path / "switchwise.toml"
    keys = 'keys = ["env:ONE", "env:TWO"]'
    table = f'[targets.gpt]\nprovider = "openai"\nmodel = "{MODEL}"\nbase_url = "{first.openai_url}"\n'
    path.write_text(f'{table}{keys}\n[routers.main]\npool = ["gpt"]\n')
    made: Any = {"clients": Clients, "langchain": ChatSwitchwise, "llamaindex": Switchwise}[adapter].from_file(path)
    assert [target.name for target in made.router.pool] == ["gpt", "gpt#2"]
    first.inject(Fault.AUTHENTICATION)
    if adapter == "clients":
        made.complete([{"role": "user", "content": "Hello"}])
    elif adapter == "langchain":
        made.invoke("Hello")
    else:
        made.complete("Hello")
    assert sorted(sent(first)) == [*KEYS]
    path.write_text(f'{table}{keys}\nkey = "env:ONE"\n')
    with pytest.raises(ConfigurationError, match=r"targets\.gpt\.keys.*alone"):
        Router.from_file(path)


POOL = Pool([Target("opus"), Target("opus#2", key_of="opus"), Target("haiku")])


def test_a11_a_thread_that_has_moved_does_not_move_back() -> None:
    clock, view = Clock(), View(Scope("s"))
    router = Router(POOL, Healthy(), clock=clock)
    first = router.decide(view).names[0]
    second = "opus#2" if first == "opus" else "opus"
    script = Script(clock=clock, otherwise="yes", **{first: [Fails(FailureKind.RATE_LIMIT, retry_after=20.0), "well again"]})
    list(drive(router.start(view), script.perform))
    clock.advance(600)
    list(drive(router.start(view), script.perform))
    assert script.called == [first, second, second]
    assert f"the prompt cache of this thread is at {second}" in str(router.explain(view))


def test_a11_a_name_means_all_keys_and_what_concerns_the_model_is_not_asked_of_its_next_key() -> None:
    assert POOL.select("opus") == POOL.select("strong") == {"opus", "opus#2"}
    assert POOL.select("opus#2") == {"opus#2"}
    router = Router(POOL, verify=lambda view, reply: Verdict(reply.text == "good"))
    script = Script(haiku="good", otherwise="bad")
    run = router.start(View(Scope("s")))
    assert "".join(drive(run, script.perform)) == "good"
    assert len(script.called) == 2
    refused = Script(haiku="good", otherwise=Fails(FailureKind.REFUSED))
    list(drive(Router(POOL).start(View(Scope("s"))), refused.perform))
    assert len(refused.called) == 2
    assert {*Router(POOL).decide(View(pin="opus")).names} == {"opus", "opus#2"}


def test_a11_where_another_model_leads_its_keys_take_turns_behind_it() -> None:
    pool = Pool([Target("opus"), Target("gpt"), Target("gpt (2)", key_of="gpt")])
    router = Router(pool, Rotation())
    run = router.start(View(pin="gpt"))
    shortlist = router.decide(View())
    assert (shortlist.names[0], shortlist.names[-1]) == ("opus", run.call.target.name)
    assert shortlist.decider.because == "the keys of gpt take turns behind opus"
    run.close()


def test_a11_keys_of_different_models_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'b' is not a key of 'a': give one model and effort"):
        Pool([Target("a", "openai", "gpt-5"), Target("b", "openai", "gpt-6", key_of="a")])
    with pytest.raises(ConfigurationError, match="'gpt#2' is not a key of 'gpt'"):
        Clients({"gpt": [OpenAIClient(api_key="one", model="gpt-5"), OpenAIClient(api_key="two", model="gpt-6-luna")]})
    with pytest.raises(ConfigurationError, match="empty list for 'gpt'"):
        Clients({"gpt": []})


def test_a11_a_pickled_model_rotates_in_the_process_that_it_goes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
    chat = ChatSwitchwise({"gpt": [ChatOpenAI(model=MODEL, api_key=key) for key in KEYS]})
    llm = Switchwise({"gpt": [OpenAI(model=MODEL, api_key=key) for key in KEYS]})
    for each in (chat, llm):
        assert pickle.loads(pickle.dumps(each)).router.pool.rotating == ("gpt",)


def test_a11_two_keys_are_one_voice() -> None:
    keys = [Target("opus"), Target("opus#2", key_of="opus")]
    critical = View(Scope(labels={"critical": "yes"}))
    script = Script(otherwise="Answer: 42")
    list(drive(Router(Pool([*keys, Target("sol"), Target("luna")]), Consensus(of=3)).start(critical), script.perform))
    asked = [name.partition("#")[0] for name in script.called]
    assert sorted(asked) == ["luna", "opus", "sol"]
    with pytest.raises(ConfigurationError, match="needs a second model to ask"):
        Router(Pool(keys), Consensus())
    with pytest.raises(ConfigurationError, match="needs a second model to turn to"):
        Router(Pool(keys), verify=lambda view, reply: Verdict(True))


def test_a11_what_is_learned_of_a_model_is_learned_of_all_its_keys_and_keeps_none_from_its_turn() -> None:
    quality = LabelTable()
    router = Router(POOL, Worth(quality, 1.0), rng=Random(7))
    for i in range(40):
        name, reward = ("opus#2", 1.0) if i % 2 else ("haiku", 0.0)
        run = router.start(View(Scope(f"lesson {i}"), pin=name))
        list(drive(run, Script(otherwise="yes").perform))
        router.feedback(run.outcome.decision, reward)
    opus, second, haiku = estimate(quality, View(), [replace(target, name=target.base) for target in POOL])
    assert opus == second
    assert opus.p > 0.8 > 0.2 > haiku.p
    assert {router.decide(View(Scope(f"s{i}"))).names[0] for i in range(20)} == {"opus", "opus#2"}


def test_a11_a_weight_is_a_weight_of_the_model() -> None:
    pool = Pool([Target("opus"), Target("opus#2", key_of="opus"), Target("opus#3", key_of="opus"), Target("haiku")])
    router = Router(pool, hold(Weighted({"opus": 1, "haiku": 1}), per="session"), rng=Random(7))
    used: dict[str, set[str]] = defaultdict(set)
    for turn in range(3):
        for i in range(100):
            script = Script(otherwise="yes")
            list(drive(router.start(View(Scope(f"s{i}"), tokens=turn)), script.perform))
            used[f"s{i}"] |= {*script.called}
    assert all(len(names) == 1 for names in used.values())
    count = Counter(name for names in used.values() for name in names)
    assert 35 <= count["haiku"] <= 65
    assert all(count[name] >= 5 for name in ("opus", "opus#2", "opus#3"))


def test_a11_a_run_that_goes_wrong_is_not_given_to_another_key_of_its_model() -> None:
    pool = Pool([Target("opus"), Target("haiku"), Target("haiku#2", key_of="haiku")])
    router = Router(pool, Escalate(words=["think harder"]), Rules().prefer("haiku"))
    asked = Turn("user", "Mend the test")
    run = router.start(View(Scope("s"), pin="haiku#2", conversation=Conversation([asked])))
    list(drive(run, Script(otherwise="done").perform))
    talk = Conversation([asked, Turn("assistant", "done"), Turn("user", "No, think harder")])
    assert router.decide(View(Scope("s"), conversation=talk)).names[0] == "opus"
