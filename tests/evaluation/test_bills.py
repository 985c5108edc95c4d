"""Two routers on one journal: what each would have cost, with its own caches, and what is not known."""

from __future__ import annotations

import json
import random

import pytest

from switchwise import (
    ConfigurationError,
    Needs,
    Phase,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Signals,
    StepKind,
    Target,
    Usage,
    View,
)
from switchwise.cli import main
from switchwise.evaluation.live import compare_bills
from switchwise.nouns.target import Hours
from switchwise.observe.journal import InMemory, JsonLines
from switchwise.policies import Rules

DEEPSEEK = Price(0.3, 1.2, cache_read=0.03)
POOL = Pool(
    [
        Target("strong", "anthropic", "claude-opus-4-8", Price(5, 25, cache_read=0.5, cache_write=6.25)),
        Target("cheap", "deepseek", "deepseek-v4-pro", DEEPSEEK),
    ]
)


def recorded(observer, sessions=6, steps=4, now=1_000_000.0):
    """Sessions on the strong model whose prompt grows by 1,000 tokens a call, each call reading what was there before."""
    clock = [now]
    router = Router(POOL, observers=[observer], clock=lambda: clock[0], rng=random.Random(1))
    for session in range(sessions):
        for step in range(steps):
            kind = StepKind.TOOL_RESULT if step else StepKind.USER_TURN
            prompt, read = 20_000 + 1_000 * step, 19_000 + 1_000 * step if step else 0
            view = View(
                Scope(f"s{session}", "coder", step=step),
                prompt,
                Needs(tools=True),
                Signals(Phase.DEBUGGING, kind, first=not step),
            )
            run = router.start(view)
            run.ended(Reply("done", usage=Usage(prompt, 400, cache_read_tokens=read, cache_write_tokens=prompt - read)))
            clock[0] += 10


def journal(**options):
    kept = InMemory()
    recorded(kept, **options)
    return kept


def cheap(pool=POOL):
    return Router(pool, Rules().prefer("cheap", because="cheap"))


def test_the_router_that_wrote_the_journal_costs_what_was_paid():
    found = compare_bills(journal(), Router(POOL), cheap())
    assert (found.calls, found.sessions, found.same) == (24, 6, 0.0)
    assert found.first.cost == pytest.approx(found.paid, rel=0.01)


def test_the_other_one_is_billed_with_its_own_cache():
    found = compare_bills(journal(), Router(POOL), cheap())
    session = sum(
        DEEPSEEK.cost(Usage(20_000 + 1_000 * step, 400, cache_read_tokens=19_000 + 1_000 * step if step else 0))
        for step in range(4)
    )
    assert found.second.cost == pytest.approx(6 * session, rel=0.02)
    assert found.verdict == "the second costs less"
    assert 0 < found.saves.low <= found.saves.value == pytest.approx(found.first.cost - found.second.cost)
    assert found.first.likely > found.second.likely > 0.5


def test_prices_that_depend_on_the_hour_hold_at_the_time_of_the_calls():
    hours = (Hours(0, 3_600, Price(0.15, 0.6, cache_read=0.015)),)
    pool = Pool([POOL["strong"], Target("cheap", "deepseek", "deepseek-v4-pro", Price(0.3, 1.2, cache_read=0.03, hours=hours))])
    day = 86_400.0
    by_day, by_night = (
        compare_bills(journal(now=100 * day + at, sessions=2), Router(pool), cheap(pool)).second.cost for at in (7_200, 60)
    )
    assert by_night == pytest.approx(by_day / 2)


def test_a_policy_sees_that_a_thread_has_tools():
    seen = set()

    def watch(view, shortlist):
        seen.add(view.needs.tools)
        return shortlist

    compare_bills(journal(sessions=1), Router(POOL, watch), cheap())
    assert seen == {True}


def test_one_session_shows_nothing_and_unknown_models_have_no_chance():
    from switchwise.quality import LabelTable

    found = compare_bills(journal(sessions=1), Router(POOL), cheap(), LabelTable())
    assert found.verdict == "one session shows nothing"
    assert (found.first.likely, found.second.likely) == (None, None)
    assert "likely to solve ?" in str(found)


def test_what_cannot_be_billed_is_refused():
    with pytest.raises(ConfigurationError, match="no price"):
        compare_bills(journal(), Router(Pool([Target("free")])), cheap())
    with pytest.raises(ConfigurationError, match="nothing can be replayed"):
        compare_bills([], Router(POOL), cheap())


def test_the_command_compares_on_a_journal(tmp_path, capsys):
    with JsonLines(tmp_path / "journal.jsonl") as sink:
        recorded(sink)
    routers = tmp_path / "routers.py"
    routers.write_text(
        "from switchwise import Pool, Price, Router, Target\nfrom switchwise.policies import Rules\n"
        "pool = Pool([Target('strong', 'anthropic', 'claude-opus-4-8', Price(5, 25, cache_read=0.5, cache_write=6.25)),\n"
        "    Target('cheap', 'deepseek', 'deepseek-v4-pro', Price(0.3, 1.2, cache_read=0.03))])\n"
        "old = Router(pool)\nnew = Router(pool, Rules().prefer('cheap', because='cheap'))\n"
    )
    command = [
        "compare",
        str(tmp_path / "journal.jsonl"),
        *(f"--router={part}" for part in (f"{routers}:old", f"{routers}:new")),
    ]
    assert main(command) == 0
    assert "the second costs less" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["second"]["shares"] == {"cheap": 1.0}
    assert found["saves"]["low"] > 0
