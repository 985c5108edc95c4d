"""Messages say what happened and what to do: FIELD E."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import (
    Capabilities,
    ConfigurationError,
    FailureKind,
    Pool,
    Price,
    Router,
    Scope,
    Shortlist,
    Target,
    TargetError,
    View,
)
from switchwise.catalog import Catalog, Unpriced
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.nouns.exchange.tried import Tried
from switchwise.policies import Budget, ByAgent, Fits, Healthy, Rules
from switchwise.policies.cheapest import _stay
from switchwise.switching.plan import Choice

POOL = Pool([Target("sol", roles=frozenset(["strong"])), Target("luna", roles=frozenset(["fast"]))])


def test_e1_a_preference_that_was_overruled_does_not_claim_the_first_place() -> None:
    router = Router(POOL, Rules().prefer("strong", when=lambda _: True, because="always"), ByAgent(main="luna"))
    line = next(line for line in str(router.explain(View())).splitlines() if "ByAgent" in line)
    assert "luna wanted, but overruled: agent 'main' is given luna" in line
    assert "first" not in line


def test_e2_a_cold_write_is_blamed_only_where_it_is_the_reason() -> None:
    repaid = Choice(home=0.1, other=0.2, home_call=0.02, other_call=0.0001, cold=0.0001, saving=0.0439, easy=7.4)
    assert "not be repaid" not in _stay(repaid, "luna")
    lost = repaid._replace(cold=0.5, other_call=0.5)
    assert "a cold write of $0.5000 would not be repaid by 7.4 easy calls that save $0.0439 each" in _stay(lost, "luna")


def test_e3_what_was_tried_stands_with_its_failure() -> None:
    tried = Tried(POOL["sol"], error=TargetError(FailureKind.OVERLOADED))
    notes = Recovery()(View(attempts=(tried,)), Shortlist(POOL)).notes
    assert "sol (overloaded)" in str(notes[-1].because) or "sol failed with overloaded" in str(notes[-1].because)


def test_e4_small_amounts_show_their_digits() -> None:
    router = Router(Pool([Target("sol", price=Price(5.0, 30.0))]), Budget(usd=0.00002))
    text = str(router.explain(View(tokens=5_000)))
    assert "of $0.0000200" in text
    assert "of $0.00," not in text


def test_e5_where_nothing_fits_the_message_says_why_one_is_called() -> None:
    small, large = Target("small", can=Capabilities(window=100)), Target("large", can=Capabilities(window=1_000))
    decision = Router(Pool([large, small]), Fits()).decide(View(tokens=5_000))
    assert decision.names == ("large",)
    assert decision.decider.because.endswith("nothing has room for it, so the largest window is tried")


def test_e6_a_target_that_is_nearly_one_of_the_pool() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'luna'"):
        Router(POOL).decide(View(pin="lunna"))


def test_e7_an_agent_that_is_nearly_one_of_the_rules(caplog: pytest.LogCaptureFixture) -> None:
    router = Router(POOL, ByAgent(reviwer="strong"))
    for _ in range(3):
        router.decide(View(Scope(agent="reviewer")))
    assert [record.getMessage() for record in caplog.records] == [
        "ByAgent: no rule is for agent 'reviewer'; is the rule for 'reviwer' meant for it?"
    ]


@pytest.mark.parametrize("door", [ChatSwitchwise, Switchwise])
def test_e8_a_setting_that_is_nearly_one(door: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"temprature=: did you mean temperature=\?"):
        door(["openai:gpt-4.1"], temprature=0.2, api_key="k")


def test_e8_a_word_of_ours_that_is_nearly_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        llm = ChatSwitchwise({"a": FakeListChatModel(responses=["x"]), "b": FakeListChatModel(responses=["y"])})
    with pytest.raises(ConfigurationError, match=r"did you mean 'switchwise_target'.*configurable"):
        llm.invoke("hi", switchwise_traget="b")
    with pytest.raises(ConfigurationError, match="did you mean 'switchwise_target'"):
        llm.invoke("hi", config={"configurable": {"switchwise_traget": "b"}})


def test_e9_a_model_that_is_nearly_a_listed_one() -> None:
    with pytest.warns(Unpriced, match="did you mean 'gpt-4.1-mini'"):
        Catalog().target("fast", provider="openai", model="gpt-4.1-minni")


@pytest.mark.parametrize(("client", "module"), [(OpenAIClient, "openai"), (AnthropicClient, "anthropic")])
def test_e10_a_missing_sdk_names_its_extra(client: Any, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("switchwise.clients.arguments.import_module", missing)
    with pytest.raises(ConfigurationError, match=rf"pip install 'switchwise\[{module}\]'"):
        client(model="m", api_key="k").build(asynchronous=False)


def test_e11_a_list_of_policies_and_a_scope_that_is_a_word() -> None:
    with pytest.raises(ConfigurationError, match=r"Router\(pool, \*policies\)"):
        Router(POOL, [Fits(), Healthy()])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"View\(scope='s'\): give Scope"):
        Router(POOL).decide(View(scope="s"))  # type: ignore[arg-type]


def test_e12_provider_and_model_are_understood_at_each_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    text = "anthropic:claude-sonnet-4-5"
    assert [*ChatSwitchwise([text]).models] == ["claude-sonnet-4-5"]
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert [*Switchwise(["openai:gpt-4.1-mini"]).models] == [
        "gpt-4.1-mini"
    ]  # Anthropic's integration is tested in an environment of its own
    assert [target.provider for target in Clients([text]).router.pool] == ["anthropic"]
    with pytest.raises(ConfigurationError, match="leave the provider out, model='claude-sonnet-4-5'"):
        AnthropicClient(model=text)
    with pytest.raises(ConfigurationError, match="'openai:model' or 'anthropic:model'"):
        Clients({"a": "mistral:large"})
