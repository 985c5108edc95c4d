"""The aims of the default chain: a newcomer's four jobs, who does them, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchwise import ConfigurationError, Needs, Phase, Pool, Router, Scope, Signals, View
from switchwise.catalog import target
from switchwise.policies import Anchor
from switchwise.quality import Priors

QUESTION = View(tokens=40)
CHAT = [View(Scope("chat"), tokens=200 * turn) for turn in range(1, 13)]
AGENT = View(Scope("agent"), tokens=3_000, needs=Needs(tools=True))
BUG = View(Scope("bug"), tokens=3_000, needs=Needs(tools=True), signals=Signals(phase=Phase.DEBUGGING))


@pytest.fixture
def pool() -> Pool:
    return Pool(
        [
            target("opus", provider="anthropic", model="claude-opus-5-5"),
            target("sol", provider="openai", model="gpt-6.1-sol"),
            target("haiku", provider="anthropic", model="claude-haiku-5-5"),
            target("luna", provider="openai", model="gpt-6-luna"),
        ]
    )


def dollars(router: Router, views: list[View]) -> float:
    total = 0.0
    for view in views:
        price = router.decide(view).targets[0].price
        assert price is not None
        total += price.estimate(view.tokens, 300)
    return total


def test_quality_keeps_the_order_of_the_pool(pool: Pool) -> None:
    router = Router.default(pool)
    assert [router.decide(view).names[0] for view in (QUESTION, CHAT[0], AGENT, BUG)] == ["opus"] * 4


@pytest.mark.parametrize("views", [[QUESTION] * 7, CHAT])
def test_d7_balanced_saves_most_of_the_dollars_of_questions_and_chats(pool: Pool, views: list[View]) -> None:
    assert dollars(Router.default(pool, "balanced"), views) <= 0.5 * dollars(Router.default(pool, "quality"), views)


def test_balanced_says_what_it_risks_and_on_what_ground(pool: Pool) -> None:
    explained = str(Router.default(pool, aim="balanced").explain(QUESTION))
    assert "79% likely to solve it" in explained
    assert "the least within 2% of the best; opus is 81% likely" in explained


def test_balanced_stays_with_the_best_where_the_others_are_worse(pool: Pool) -> None:
    assert Router.default(pool, "balanced").decide(AGENT).names[0] == "opus"
    assert Router.default(pool, "cost").decide(AGENT).names[0] == "haiku"


def test_an_agents_work_is_not_given_to_a_model_of_which_nothing_is_published(pool: Pool) -> None:
    coding = replace(AGENT, signals=Signals(phase=Phase.IMPLEMENTING))
    router = Router.default(pool, "cost")
    assert router.decide(coding).names[0] == "haiku"  # luna is as cheap, and only has the place of the pool
    assert router.decide(replace(coding, needs=Needs())).names[0] == "luna"
    bold = Router(pool, Anchor(Priors(), within=0.1, least=0.0))
    assert bold.decide(coding).names[0] == "luna"


def test_an_unknown_aim_is_refused(pool: Pool) -> None:
    with pytest.raises(ConfigurationError, match="quality, balanced, cost"):
        Router.default(pool, "cheap")  # type: ignore[arg-type]
