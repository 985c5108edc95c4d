"""What the objects of a router display as, in a notebook and in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from switchwise import (
    Capabilities,
    ConfigurationError,
    FailureKind,
    Outcome,
    Pool,
    Price,
    Router,
    Scope,
    Signals,
    StepKind,
    Target,
    Usage,
    View,
    drive,
    hold,
)
from switchwise.display.figures import usd
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.trials.calibration import Calibration
from switchwise.evaluation.trials.fitting import Fitted
from switchwise.observe.journal import InMemory
from switchwise.policies import ByStep, Cheapest, Fits, Rules
from switchwise.testing import Fails, Says, Script


class Cells(HTMLParser):
    """The rows of the tables of a piece of HTML; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in ("div", "table", "thead", "tbody", "tr", "th", "td", "span", "b"), "plain HTML that every notebook shows"
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def router() -> Router:
    pool = Pool(
        [
            Target(
                "opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2), Capabilities(window=1_000_000), account="host#1f"
            ),
            Target("sol", "openai", "gpt-6.1-sol", Price(2, 10)),
            Target("luna", "openai", "gpt-6-luna", Price(0.1, 0.5), Capabilities(window=8_000)),
        ]
    )
    gold = Rules().prefer("opus", when=lambda view: view.scope.labels.get("plan") == "gold", because="a gold customer")
    return Router(pool, Fits(), hold(gold, per="session"), ByStep(failure="strong"), Cheapest(plans=False))


GOLD = View(Scope("s", labels={"plan": "gold"}), tokens=2_000, signals=Signals(step=StepKind.TOOL_RESULT))
LONG = View(tokens=20_000)


def test_a_matrix_shows_who_was_ruled_out_put_first_and_overruled(router: Router) -> None:
    head, *rows = Cells(router.explain(GOLD)._repr_html_()).rows
    assert head == ["policy", "per", "opus", "sol", "luna", "because"]
    table = {row[0]: row[2:5] for row in rows}
    assert table["Rules"] == ["●", "", ""]
    assert table["Cheapest"] == ["", "", "○"]  # it wants luna, and the rule stands before it
    assert table["in the end"][0] == "1."
    long = {row[0]: row[2:5] for row in Cells(router.decide(LONG)._repr_html_()).rows}
    assert long["Fits"] == ["", "", "✕"]
    assert long["Cheapest"] == ["", "●", "·"]
    assert long["in the end"] == ["2.", "1.", "out"]
    assert "luna wanted, but overruled" in str(router.explain(GOLD))


def test_why_not_names_the_opinion_that_counted(router: Router) -> None:
    gold, long, plain = router.explain(GOLD), router.explain(LONG), router.explain(View(tokens=100))
    assert gold.why_not("luna").startswith(
        "luna comes after opus: Rules (session) puts opus first: a gold customer; overruled: ByStep (step) wants luna: "
    )
    assert long.why_not("luna").startswith("luna is ruled out by Fits (step): ")
    assert long.why_not("opus").startswith("opus comes after sol: Cheapest (step) puts sol first: ")
    assert plain.why_not("luna").startswith("luna is called: Cheapest (step): ")
    alone = Router(Pool([Target("a"), Target("b")])).explain()
    assert alone.why_not("b") == "b comes after a: no policy prefers either, and the pool lists a first"
    with pytest.raises(ConfigurationError, match="'lunar' is not a target of this pool; it has: opus, sol, luna"):
        gold.why_not("lunar")


def ended(router: Router, script: Script) -> Outcome:
    run = router.start(GOLD)
    list(drive(run, script.perform, lambda _: None))
    return run.outcome


def test_pool_router_outcome_and_journal(router: Router) -> None:
    pool = Cells(router.pool._repr_html_()).rows
    assert pool[1] == ["opus", "anthropic", "claude-opus-5-5", "4", "20", "0.2", "1,000,000", "", "host#1f"]
    assert pool[3][3:7] == ["0.1", "0.5", "", "8,000"]
    assert repr(router) == "Router(opus, sol, luna; Fits, Rules, ByStep, Cheapest)"
    assert "Cheapest" in Cells(router._repr_html_()).text
    journal = InMemory()
    watched = Router(router.pool, *router.policies, observers=[journal])
    outcome = ended(
        watched, Script(opus=Fails(FailureKind.OVERLOADED), otherwise=Says("Yes, <b>so</b>.", usage=Usage(2_000, 30, 500)))
    )
    assert [row[:3] for row in Cells(outcome._repr_html_()).rows[1:]] == [
        ["opus", "overloaded", ""],
        ["luna", "accepted", "2,000 in (500 cached), 30 out"],
    ]
    assert "Yes, <b>so</b>." in Cells(outcome._repr_html_()).text
    assert repr(outcome).startswith("Outcome(luna, attempt 2, 2,000+30 tokens, $")
    assert repr(journal) == f"InMemory(2 attempts in 1 session, {journal_cost(journal)})"
    rows = Cells(journal._repr_html_()).rows
    assert [row[:5] for row in rows[1:]] == [
        ["s", "main", "opus", "overloaded", ""],
        ["s", "main", "luna", "accepted", "2,000 (500)"],
    ]


def journal_cost(journal: InMemory) -> str:
    return usd(sum(record.cost or 0 for record in journal))


def test_names_that_look_like_html_are_shown_as_they_are() -> None:
    router = Router(Pool([Target("<i>"), Target("&amp;")]), Rules().prefer("<i>", because="<script>"))
    shows: list[Callable[[], str]] = [router._repr_html_, router.pool._repr_html_, router.explain()._repr_html_]
    for show in shows:
        assert "<i>" in Cells(show()).text


def test_what_was_fitted_and_the_value_that_meets_a_goal(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path, 1_200, 2, 3, True, {"table": {"apgr": 0.61}, "table + text": {"apgr": 0.67, "brier": 0.1}})
    shown = Cells(fitted._repr_html_())
    assert shown.text.startswith("Fitted on 1,200 tasks, 2 targets and 3 labels: a table by label and a model of the text")
    assert shown.rows == [["router", "apgr", "brier"], ["table", "0.61", "-"], ["table + text", "0.67", "0.1"]]
    found = Calibration(0.25, Interval(0.012, 0.011, 0.013), Interval(0.9), Interval(0.4), 0.985)
    shown = Cells(found._repr_html_())
    assert shown.text.startswith("A solved task is worth $0.250; the goal is met on 98 % of the halves kept aside")
    assert shown.rows[1:] == [
        ["USD per task", "0.012 [0.011, 0.013]"],
        ["success", "0.9"],
        ["to the best single target", "0.4"],
    ]
