"""The numbers of a report are those of the journal: each is counted here once more, in another way."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import fsum

import numpy as np
import pytest

from switchwise import Price, Usage
from switchwise.catalog import look_up
from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal import Record
from switchwise.report import Summary, page, summarise
from switchwise.report.advice import Recommendation
from switchwise.report.spending import Spend
from switchwise.report.summary import headline
from tests.report.week import Week


def paid(records: list[Record]) -> float:
    return fsum(record.cost or 0.0 for record in records)


def test_the_rows_of_each_dimension_are_the_records_of_the_journal(records: list[Record], summary: Summary) -> None:
    fields: dict[str, Callable[[Record], str | None]] = {
        "session": lambda r: r.session,
        "agent": lambda r: r.agent,
        "task": lambda r: r.task,
        "phase": lambda r: r.phase,
        "target": lambda r: r.target,
        "account": lambda r: r.account,
        "user": lambda r: r.labels["user"],
        "team": lambda r: r.labels["team"],
        "tier": lambda r: r.labels["tier"],
    }
    assert list(summary.by) == list(fields)
    for dimension, read in fields.items():
        rows = {row.name: row for row in summary.by[dimension]}
        assert rows.keys() == {read(record) for record in records}
        for name, row in rows.items():
            own = [record for record in records if read(record) == name]
            assert row.cost == pytest.approx(paid(own), rel=1e-12)
            assert row.calls == sum(record.result == "accepted" for record in own)
            assert (row.attempts, row.failed) == (len(own), sum(record.result == "failed" for record in own))
            assert row.cached == sum(record.cache_read_tokens or 0 for record in own)
        assert fsum(row.cost for row in rows.values()) == pytest.approx(summary.total.cost, rel=1e-12)
    assert summary.total.cost == pytest.approx(paid(records), rel=1e-12)


def test_a_sub_agent_is_counted_at_the_price_of_the_model_that_answered_it(records: list[Record], summary: Summary) -> None:
    prices = {model: look_up(provider, model).price for provider, model in {(r.provider, r.model) for r in records}}
    expected = 0.0
    for record in records:
        if record.agent in ("explorer", "reviewer") and record.input_tokens is not None:
            usage = Usage(record.input_tokens, record.output_tokens or 0, record.cache_read_tokens, record.cache_write_tokens)
            price = prices[record.model]
            assert price is not None
            expected += price.cost(usage)
    assert summary.sub_agents is not None
    assert summary.sub_agents.cost == pytest.approx(expected, rel=1e-9)
    at_the_main_price = fsum(r.cost or 0.0 for r in records if r.agent == "main") / summary.total.cost
    assert summary.sub_agents.cost / summary.total.cost == pytest.approx(1 - at_the_main_price)


def test_where_no_agent_is_called_main_the_first_of_a_session_is_the_outermost(records: list[Record]) -> None:
    renamed = [replace(record, agent={"main": "desk"}.get(record.agent, record.agent)) for record in records[:300]]
    found = summarise(renamed, samples=0)
    assert found.sub_agents is not None
    assert found.sub_agents.cost == pytest.approx(paid([record for record in renamed if record.agent != "desk"]))


def leaves(spend: Spend) -> Iterator[Spend]:
    for part in spend.parts:
        yield from leaves(part) if part.parts else [part]


def test_each_session_breaks_down_to_agent_task_phase_and_target(records: list[Record], summary: Summary) -> None:
    costs = [session.spend.cost for session in summary.sessions]
    assert costs == sorted(costs, reverse=True)
    for session in summary.sessions:
        assert fsum(leaf.cost for leaf in leaves(session.spend)) == pytest.approx(session.spend.cost)
        assert sum(len(step.records) for step in session.steps) == session.spend.attempts
    assert sum(session.spend.attempts for session in summary.sessions) == len(records)


def test_steps_fallbacks_and_failures_are_counted_by_decision(records: list[Record], summary: Summary) -> None:
    steps: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        steps[record.decision].append(record)
    assert summary.steps == len(steps)
    stood_in = [own for own in steps.values() if own[-1].result == "accepted" and own[0].target != own[-1].target]
    assert len(stood_in) > 10
    assert summary.fell_back == len(stood_in)
    pairs = Counter((own[0].target, own[-1].target, own[0].failure or own[0].result) for own in stood_in)
    assert {(each.first, each.then, each.why): each.steps for each in summary.fallbacks} == pairs
    for row in summary.health:
        own = [record for record in records if record.target == row.target]
        assert sum(row.kinds.values()) == row.failed == sum(record.failure is not None for record in own)
        took = [record.latency for record in own if record.result in ("accepted", "rejected")]
        assert row.latency is not None
        assert (row.latency.p50, row.latency.p95, row.latency.p99) == pytest.approx(np.percentile(took, [50, 95, 99]))


def test_a_seeded_router_repeats_its_ids_and_its_steps_stay_apart(records: list[Record]) -> None:
    later = [replace(record, time=record.time + 1e6) for record in records[:50]]
    assert summarise([*records[:50], *later], samples=0).steps == 2 * summarise(records[:50], samples=0).steps


def test_the_spend_over_time_adds_up(summary: Summary) -> None:
    assert 10 < len(summary.slices) <= 48
    assert fsum(cost for each in summary.slices for cost in each.by.values()) == pytest.approx(summary.total.cost)


def test_a_baseline_is_what_the_same_week_costs_that_way(summary: Summary) -> None:
    """The same traffic once more, every call on one target: what the model says without making it."""
    assert summary.baselines is not None
    rows = {row.target: row for row in summary.baselines.rows if row.kind in ("caching_only", "one_target")}
    for name in ("opus", "luna"):
        measured = paid(Week(only=name).records)
        assert rows[name].cost == pytest.approx(measured, rel=0.15)
    best = summary.baselines.headline
    assert (best.target, best.kind) == ("opus", "caching_only")
    assert best.saving == pytest.approx(1 - summary.baselines.routed / best.cost, abs=1e-9)
    assert best.low is not None
    assert best.high is not None
    assert best.low < best.saving < best.high
    assert summary.baselines.routed == pytest.approx(summary.total.cost)


def test_without_caches_a_baseline_is_plain_arithmetic(records: list[Record], summary: Summary) -> None:
    price = look_up("anthropic", "claude-opus-5-5").price
    assert price is not None
    assert summary.baselines is not None
    expected = fsum(
        price.estimate(record.input_tokens or 0, record.output_tokens or 0) for record in records if record.result == "accepted"
    )
    (row,) = [row for row in summary.baselines.rows if row.kind == "uncached"]
    assert row.cost == pytest.approx(expected)
    assert row.saving == pytest.approx(1 - summary.total.cost / expected)


def kinds(records: list[Record], **options: object) -> set[str]:
    return {each.kind for each in advice(records, **options)}


def advice(records: list[Record], **options: object) -> tuple[Recommendation, ...]:
    return summarise(records, samples=20, **options).advice  # type: ignore[arg-type]


def test_advice_says_that_routing_is_timid(records: list[Record]) -> None:
    timid = [
        replace(record, target="opus", model="claude-opus-5-5", cost=0.05) for record in records if record.result == "accepted"
    ]
    assert "timid" in kinds(timid)
    assert "timid" not in kinds(records)


def test_advice_says_that_routing_is_bold(records: list[Record]) -> None:
    """By rejected replies, by feedback, and by tools that fail after a cheap model's calls; each alone."""
    assert "bold" not in kinds(records)
    rejected = [replace(r, result="rejected") if r.target == "luna" and i % 3 == 0 else r for i, r in enumerate(records)]
    (found,) = [each for each in advice(rejected) if each.kind == "bold"]
    assert found.title.startswith("Routing is bold: 3")
    assert "pays while at most" in found.text
    rng = random.Random(1)
    rewards = {r.decision: float(rng.random() < (0.9 if r.target == "opus" else 0.6)) for r in records}
    assert any("feedback on luna" in each.title for each in advice(records, rewards=rewards))
    fair = {r.decision: float(rng.random() < 0.8) for r in records}
    assert "bold" not in kinds(records, rewards=fair)
    failing, before = [], ""
    for record in records:
        if record.result == "accepted":
            kind = "failure" if before == "luna" and rng.random() < 0.4 else record.kind
            failing.append(replace(record, kind=kind))
            before = record.target
    assert any("tools fail more often after luna" in each.title for each in advice(failing))


def test_advice_says_that_routing_costs_more_than_one_model_with_its_cache(records: list[Record]) -> None:
    """Every second call of a long thread at the other of two equal models, each of which reads all of it anew."""
    one = next(record for record in records if record.target == "opus" and record.result == "accepted")
    price = look_up("anthropic", "claude-opus-5-5").price
    assert price is not None
    entry = dict(one.pool or {})["opus"]
    made = []
    for session in range(6):
        for step in range(20):
            prompt, target = 20_000 + 1_000 * step, "opus" if step % 2 else "twin"
            cached = max(prompt - 2_000, 0) if step > 1 else 0
            cached = 0 if step % 4 else cached  # and it seldom finds what it left
            cost = price.cost(Usage(prompt, 200, cached, prompt - cached))
            made.append(
                replace(
                    one,
                    time=one.time + 1000 * session + 20 * step,
                    decision=f"{session}-{step}",
                    session=f"s{session}",
                    step=step,
                    target=target,
                    pool={"opus": entry, "twin": entry},
                    input_tokens=prompt,
                    output_tokens=200,
                    cache_read_tokens=cached,
                    cache_write_tokens=prompt - cached,
                    cost=cost,
                )
            )
    lost = replace(one, session="s0", result="failed", failure="overloaded", decision="lost", step=20, time=one.time + 900)
    found = {each.kind: each for each in advice([*made, replace(lost, cost=None, input_tokens=None, output_tokens=None)])}
    assert {"dear", "cache"} <= found.keys()
    assert "114 switches" in found["cache"].text, "a step that failed is none"


def test_advice_names_prices_and_models_that_have_moved(records: list[Record]) -> None:
    def moved(provider: str, model: str) -> Price | None:
        listed = look_up(provider, model).price
        return (
            None if model == "gpt-6-luna" else replace(listed, input=9.0) if model == "claude-opus-5-5" and listed else listed
        )

    found = {each.kind: each for each in advice(records, listed=moved) if each.kind in ("prices", "models")}
    assert "input $9 (counted: $4)" in found["prices"].text
    assert found["models"].title == "The catalogue does not list gpt-6-luna"
    assert not kinds(records, listed=lambda provider, model: look_up(provider, model).price) & {"prices", "models"}
    late = [replace(r, served_by="gpt-6-luna-2") if r.model == "gpt-6-luna" and i > 500 else r for i, r in enumerate(records)]
    assert any(each.title == "luna was served by more than one model" for each in advice(late))


def test_advice_names_what_the_journal_lacks(records: list[Record]) -> None:
    assert "data" not in kinds(records)
    bare = [replace(record, labels={}, cost=None) if record.target == "luna" else record for record in records]
    assert any("have no known cost" in each.title for each in advice(bare))
    nobody = [replace(record, labels={}) for record in records]
    assert any(each.title == 'No call carries the label "user" or "team"' for each in advice(nobody))


def test_advice_names_subscriptions_beside_the_bill(records: list[Record]) -> None:
    flat = {"provider": "anthropic", "model": "claude", "price": {"input": 0.0, "output": 0.0, "per_month": 200.0}}
    found = advice([replace(record, pool={**(record.pool or {}), "plan": flat}) for record in records[:100]])
    assert any("plan $200" in each.text and "0 answers here" in each.text for each in found), found


def test_tenants_keep_sessions_of_one_name_apart_and_old_records_are_read(records: list[Record]) -> None:
    two = [replace(records[0], tenant=name) for name in ("acme", "globex")]
    found = summarise(two, samples=0)
    assert {session.name for session in found.sessions} == {f"{name} / {records[0].session}" for name in ("acme", "globex")}
    assert {row.name for row in found.by["tenant"]} == {"acme", "globex"}
    old = [replace(record, account="", pool=None, phase=None, kind=None, free=None) for record in records[:100]]
    assert {row.name for row in summarise(old, samples=0).by["account"]} <= {"anthropic", "openai"}


def test_a_journal_without_usage_or_without_records(records: list[Record]) -> None:
    bare = [replace(record, input_tokens=None, output_tokens=None, cost=None) for record in records[:20]]
    found = summarise(bare)
    assert (found.baselines, found.total.cost) == (None, 0.0)
    with pytest.raises(ConfigurationError, match="no records"):
        summarise([])


def without_price(records: list[Record], target: str) -> list[Record]:
    """As if the pool knew no price of this target: its calls have no cost."""
    pool = dict(next(record.pool for record in records if record.pool) or {})
    pool[target] = {**pool[target], "price": None}
    return [replace(r, pool=pool, cost=None if r.target == target else r.cost) for r in records]


def test_without_the_price_of_a_target_nothing_is_said_that_needs_it(records: list[Record]) -> None:
    rejected = [replace(r, result="rejected") if r.target == "luna" and i % 3 == 0 else r for i, r in enumerate(records)]
    found = summarise(without_price(rejected, "luna"), samples=0, listed=lambda provider, model: look_up(provider, model).price)
    (bold,) = [each for each in found.advice if each.kind == "bold"]
    assert "pays while at most" not in bold.text
    assert found.baselines is None
    assert not {"prices", "models"} & {each.kind for each in found.advice}
    timid = [replace(r, target="opus", model="claude-opus-5-5", cost=0.05) for r in records if r.result == "accepted"]
    kept = [replace(record, cost=0.05) for record in without_price(timid, "opus")]
    assert "timid" not in kinds(kept), "how much less another one lists is not known"


def test_failures_alone_and_one_target_alone_are_reported_as_far_as_they_go(records: list[Record]) -> None:
    lost = [
        replace(record, result="failed", failure="overloaded", input_tokens=None, output_tokens=None, cost=None)
        for record in records[:20]
    ]
    found = summarise(lost, samples=0)
    assert (found.answered, found.baselines, found.latency, found.decided) == (0, None, None, ())
    shown = page(found, source="lost.jsonl")
    assert "Spend by target:" not in shown
    assert "Seconds from the call to the last token" not in shown
    alone = Week(sessions=2, only="luna").records
    found = summarise([*alone, replace(lost[0], session="lost", target="luna")], samples=0)
    assert found.baselines is not None
    assert [row.kind for row in found.baselines.rows] == ["caching_only", "uncached"]
    assert (found.baselines.left_out, found.baselines.routed) == (1, pytest.approx(paid(alone)))
    assert headline(found).endswith(f"in {len(found.sessions)} sessions"), "there is nobody to compare it with"
    free = {"luna": {"provider": "own", "model": "luna", "price": {"input": 0.0, "output": 0.0}}}
    assert summarise([replace(record, pool=free, cost=0.0) for record in alone], samples=0).baselines is None


def test_the_summary_is_json(summary: Summary) -> None:
    restored = json.loads(json.dumps(summary.as_dict()))
    assert restored["total"]["cost"] == summary.total.cost
    assert restored["by"]["agent"][0]["name"] == summary.by["agent"][0].name
    assert restored["baselines"]["rows"][0]["kind"] == "caching_only"
