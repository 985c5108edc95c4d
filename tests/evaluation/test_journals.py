"""A router's journal as a recording: from real calls to a local provider, to what they cost and would have cost."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import pytest

from switchwise import ConfigurationError, Pool, Price, Reply, Router, Scope, Target, Usage, View
from switchwise.cli import main
from switchwise.clients import AnthropicClient, Clients
from switchwise.evaluation import compare_recording, read_journal, replay_router, teach
from switchwise.evaluation.journals import journal as read_as_journal
from switchwise.nouns.signals import StepKind
from switchwise.observe.journal import JsonLines, read
from switchwise.policies import ByStep, Cheapest
from switchwise.prompt_cache.rules import CacheRules
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

OPUS = Target("opus", "anthropic", "claude-opus-4-5", Price(5, 25, 0.5, 6.25))
HAIKU = Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25))
NEWER = {"phase", "kind", "change", "kept_tokens", "free", "pool", "cache_write_1h_tokens"}
TURNS, TOOLS = 3, 6
READ = {"type": "function", "function": {"name": "read", "description": "Reads a file.", "parameters": {"type": "object"}}}


def router(**options):
    chain = [ByStep(first="strong", failure="strong", user_turn="strong", tool_result=None)]
    plans = Cheapest(when=lambda view: view.signals.step is StepKind.TOOL_RESULT)
    return Router(Pool([OPUS, HAIKU]), *chain, plans, rng=random.Random(1), **options)


def work(path, session, *, keep=True):
    """Three user's turns of a call each and six after tools, through the real SDK; with `keep=False` the history is dropped in between."""
    clock, rng = Clock(), random.Random(7)

    def answer(request):
        return Answer(tool_calls=(ToolCall("read", {"path": "mast.py"}),))

    with LoopbackProvider(answer, clock=clock) as provider, JsonLines(path) as journal:
        routed = router(clock=clock, observers=[journal])
        made = {
            target.name: AnthropicClient(model=target.model, base_url=provider.anthropic_url, api_key="sk-ant-test")
            for target in routed.pool
        }
        clients, messages = Clients(made, routed), [{"role": "system", "content": "The rules of the ship are these. " * 900}]
        for turn in range(TURNS):
            if turn and not keep:
                del messages[1:]
            for step in range(1 + TOOLS):
                words = " ".join(rng.choices(["jib", "keel", "mast"], k=rng.randint(100, 800)))
                calls = messages[-1].get("tool_calls")
                if calls:
                    messages.append({"role": "tool", "tool_call_id": calls[0]["id"], "name": "read", "content": words})
                if not step:
                    messages.append({"role": "user", "content": words})
                clock.advance(rng.uniform(3, 30))
                done = clients.complete(
                    messages,
                    session=session,
                    tools=[READ],
                    max_tokens=60,
                    extra={"anthropic": {"cache_control": {"type": "ephemeral"}}},
                )
                messages.append(done.message)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    for session in ("one", "two"):
        work(path, session)
    return path


def test_the_calls_of_a_real_router_read_back_as_threads(written):
    found = read_journal(written)
    assert {thread.session for thread in found.threads} == {"one", "two"}
    steps = found.threads[0].steps
    assert [step.by for step in steps] == ["opus", *["haiku"] * TOOLS] * TURNS
    assert [step.easy for step in steps] == [False, *[True] * TOOLS] * TURNS
    assert [step.signals.step for step in steps[:2]] == [StepKind.USER_TURN, StepKind.TOOL_RESULT]
    assert all(step.kept == before.prompt for before, step in itertools.pairwise(steps))
    assert [(target.name, target.price) for target in found.targets] == [("opus", OPUS.price), ("haiku", HAIKU.price)]


def test_what_was_paid_is_what_the_cost_model_says_of_the_same_calls(written):
    bought = compare_recording(written).bought
    assert bought.journal.paid == pytest.approx(bought.modelled, rel=0.02)
    assert bought.strongest == "opus"
    assert 0.1 < bought.saved < 0.9


def test_the_command_prints_what_was_paid_and_saved(written, capsys):
    assert main(["replay", str(written), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (pair,) = found["pairs"]
    assert pair["pair"] == "claude-opus-4-5/claude-haiku-4-5"
    assert pair["relative_cost"]["optimum"] <= pair["relative_cost"]["switchwise"] < 1
    assert found["journal"]["calls"] == {"opus": 2 * TURNS, "haiku": 2 * TURNS * TOOLS}
    paid = sum(json.loads(line)["switchwise.cost"] for line in written.read_text().splitlines())
    assert found["journal"]["paid_usd"] == pytest.approx(paid)
    assert main(["replay", str(written)]) == 0
    printed = capsys.readouterr().out
    assert f"paid: ${paid:,.4f}" in printed
    assert "with opus for every call: saved" in printed


def test_an_older_journal_is_read_with_what_its_notes_tell(written, tmp_path):
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    for row in rows:
        for name in NEWER:
            row.pop(f"switchwise.{name}", None)
    older = tmp_path / "older.jsonl"
    older.write_text("".join(json.dumps(row) + "\n" for row in rows))
    now, then = read_journal(written), read_journal(older)
    assert [[step.easy for step in thread.steps] for thread in then.threads] == [
        [step.easy for step in thread.steps] for thread in now.threads
    ]
    assert [target.name for target in then.targets] == ["opus", "haiku"]
    assert compare_recording(older).bought.modelled == pytest.approx(compare_recording(written).bought.modelled)


def test_where_history_was_dropped_the_replay_drops_it_too(tmp_path):
    path = work(tmp_path / "journal.jsonl", "three", keep=False)
    bought = compare_recording(path).bought
    (thread,) = bought.journal.threads
    dropped = [i for i, step in enumerate(thread.steps) if i and step.kept < thread.steps[i - 1].prompt]
    assert dropped == [1 + TOOLS, 2 * (1 + TOOLS)]
    assert bought.journal.paid == pytest.approx(bought.modelled, rel=0.02)


def test_a_broken_record_is_refused_by_its_line(written, tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text(written.read_text() + '{"switchwise.schema": 1, "switchwise.time": "noon"}\n')
    with pytest.raises(ConfigurationError, match=r"broken\.jsonl:43: no record of a journal"):
        compare_recording(broken)


def test_failures_rejections_and_calls_without_tokens_are_counted_and_not_replayed(written, tmp_path):
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    failed = {key: value for key, value in rows[0].items() if "usage" not in key and key != "switchwise.cost"}
    rejected = {
        **rows[1],
        "switchwise.result": "rejected",
        "switchwise.time": rows[1]["switchwise.time"] - 0.01,
        "switchwise.cost": 0.5,
    }
    path = tmp_path / "more.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [failed, rejected, *rows]))
    found = read_journal(path)
    assert (found.lost, found.besides) == (1, 0.5)
    assert sum(len(thread.steps) for thread in found.threads) == len(rows)


def test_a_prompt_that_was_cached_though_it_is_shorter_than_the_listed_minimum_corrects_it(written, tmp_path):
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    (seen, *_) = [row for row in rows if row.get("gen_ai.usage.cache_read.input_tokens")]
    model = next(record.model for record in read(written) if record.cache_read_tokens)
    listed = CacheRules().of("anthropic", model)
    short = {**seen, "gen_ai.usage.input_tokens": listed.minimum - 1, "gen_ai.usage.cache_read.input_tokens": 100}
    path = tmp_path / "short.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [short, *rows]))
    assert read_journal(path).rules.of("anthropic", model).minimum == listed.minimum - 1
    assert read_journal(written).rules.of("anthropic", model).minimum == listed.minimum


def test_a_journal_without_tokens_is_refused(written, tmp_path):
    path = tmp_path / "none.jsonl"
    path.write_text(
        "".join(
            json.dumps({key: value for key, value in json.loads(line).items() if "usage" not in key}) + "\n"
            for line in written.read_text().splitlines()
        )
    )
    with pytest.raises(ConfigurationError, match="no call whose tokens were counted"):
        compare_recording(path)


def test_the_router_that_wrote_a_journal_does_the_same_again_when_it_is_replayed(written):
    threads = read_journal(written).threads
    tally = replay_router(router(), threads)
    assert tally.by == {0: 2 * TURNS, 1: 2 * TURNS * TOOLS}
    assert tally.total == pytest.approx(compare_recording(written).bought.modelled)


def test_a_router_that_starts_again_learns_from_its_journal(written):
    fresh, taught = router(), router()
    assert teach(taught, written) == 2 * TURNS * (1 + TOOLS)
    before, after = (each.policies[-1].advisor.planner for each in (fresh, taught))
    assert after.forecast.calls == before.forecast.calls + 2 * TURNS * (1 + TOOLS)
    assert after.forecast.outlook(300).easy > before.forecast.outlook(300).easy
    assert after.learns
    assert not before.learns


def test_models_whose_names_hold_a_slash_are_replayed_too(tmp_path):
    """As those of gateways: `vendor/model`."""
    strong = Target("strong", "openrouter", "anthropic/claude-opus-4.5", OPUS.price)
    pool = Pool([strong, Target("cheap", "openrouter", "house/own-model", HAIKU.price)])
    with JsonLines(tmp_path / "journal.jsonl") as journal:
        routed = Router(pool, observers=[journal], rng=random.Random(1))
        for step in range(3):
            routed.start(View(Scope("s", step=step), 1_000)).ended(Reply("done", usage=Usage(1_000, 50)))
    found = compare_recording(journal.path, router=Router(pool))
    (pair,) = found.pairs
    assert pair.pair == "anthropic/claude-opus-4.5/house/own-model"
    assert pair.relative["router"].value == pytest.approx(1.0)
    assert "<th" in found._repr_html_()
    assert "router: strong 3, cheap 0" in found._repr_html_()
    with pytest.raises(ConfigurationError, match="no price for 'house/other'"):
        compare_recording(journal.path, ["anthropic/claude-opus-4.5/house/other"])


def test_a_journal_without_prices_has_no_bill_and_one_target_has_nothing_to_be_compared_with(tmp_path, capsys):
    with JsonLines(tmp_path / "journal.jsonl") as journal:
        routed = Router(Pool([Target("own", "house", "own-model")]), observers=[journal], rng=random.Random(1))
        routed.start(View(Scope("s"), 1_000)).ended(Reply("done", usage=Usage(1_000, 50)))
    assert main(["replay", str(journal.path)]) == 2
    assert "own (no price): no two targets with a price" in capsys.readouterr().err
    found = compare_recording(journal.path, ["claude-opus-4-5/claude-haiku-4-5"])
    assert (found.bought.always, found.bought.saved) == (0.0, 0.0)
    assert "Paid" not in found._repr_html_()
    assert teach(router(), journal.path) == 0, "calls of a target that the router does not have"
    asked = next(iter(read(journal.path)))
    assert read_as_journal([asked, replace(asked, purpose="ask", cost=0.5)]).besides == 0.5


def test_a_router_learns_from_its_journal_how_many_calls_a_target_needs(written, tmp_path):
    """Runs of the home target alone take three calls; the other one's take nine."""
    template = json.loads(written.read_text().splitlines()[1])
    rows = []
    for name, length in [("opus", 3)] * 12 + [("haiku", 9)] * 12:
        for step in range(length + 1):
            rows.append(
                template
                | {
                    "switchwise.target": name if step else "opus",
                    "switchwise.free": ["opus", "haiku"] if step else [],
                    "switchwise.time": 9.0 * len(rows),
                    "switchwise.decision": str(len(rows)),
                }
            )
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    taught = router()
    assert teach(taught, path) == len(rows)
    assert taught.policies[-1].advisor.planner.calls("haiku") > 1.8
