"""Requests that may wait, end to end: the real SDKs against the loopback provider's batch endpoints."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import BudgetExceeded, ConfigurationError, NoTarget, Pool, Router, Target, spending
from switchwise.catalog import target
from switchwise.cli.main import main
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.clients.batch import AsyncBatches, Batches, Progress
from switchwise.clients.batch.ledger import progress_of
from switchwise.nouns.errors import FailureKind
from switchwise.observe import InMemory, Observer
from switchwise.policies import AllowList, Budget, Cap, Guard, Healthy, Residency
from switchwise.testing import Clock
from switchwise.verifiers import Judge, Predicate
from switchwise_loopback import Answer, Fault, LoopbackProvider

HOUR = 3_600.0
CLAUDE, GPT = "claude-haiku-5-5", "gpt-6-luna"


@pytest.fixture
def clock():
    return Clock(time.time())


@pytest.fixture
def provider(clock):
    with LoopbackProvider(
        lambda request: Answer(f"{request.model}: {request.last_user_text}"), clock=clock, batch_time={"*": HOUR}
    ) as it:
        yield it


@pytest.fixture
def opened(provider, clock, tmp_path):
    """Batches as a process opens them: a router, its clients and the file."""
    made = []

    def opened(*policies, order=("claude", "gpt"), file="batches.sqlite", **options):
        clients = {
            "claude": AnthropicClient(model=CLAUDE, base_url=provider.anthropic_url, api_key="x"),
            "gpt": OpenAIClient(model=GPT, base_url=provider.openai_url, api_key="x"),
        }
        known = {
            "claude": target("claude", provider="anthropic", model=CLAUDE, roles={"eu"}),
            "gpt": target("gpt", provider="openai", model=GPT, roles={"us"}),
        }
        late = options.pop("late", "fail")
        router = Router(Pool([known[name] for name in order]), *policies, clock=clock, **options)
        made.append(Batches(Clients({name: clients[name] for name in order}, router), tmp_path / file, late=late, clock=clock))
        return made[-1]

    yield opened
    for batches in made:
        batches.close()


def said(text):
    return [{"role": "user", "content": text}]


def answered(batches):
    return {result.id: result.text or result.error for result in batches.results()}


def of_batches(provider):
    """What the provider made of requests in batches: (model, status)."""
    return [(seen.model, seen.status) for seen in provider.requests if seen.batch]


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_answers_come_back_by_id_after_a_restart_at_the_price_of_a_batch(opened, provider, clock, lead):
    order = (lead, "gpt" if lead == "claude" else "claude")
    first = opened(order=order)
    ids = first.add_all({"messages": said(f"question {i}"), "id": f"row-{i}", "max_tokens": 50} for i in range(3))
    assert first.submit() == Progress(sent=3)
    first.close()
    journal = InMemory()
    second = opened(order=order, observers=[journal])
    assert second.poll() == Progress(sent=3)
    assert second.result("row-1") is None
    clock.advance(HOUR)
    with spending() as spent:
        assert second.poll() == Progress(done=3)
    found = [second.result(name) for name in ids]
    model = CLAUDE if lead == "claude" else GPT
    assert [result.text for result in found] == [f"{model}: question {i}" for i in range(3)]
    half = second._flows.router.pool[lead].price.tiers["batch"]
    assert [result.cost for result in found] == [half.cost(result.usage) for result in found]
    assert spent.cost == pytest.approx(sum(result.cost for result in found))
    assert [(record.target, record.result, record.cost) for record in journal] == [(lead, "accepted", r.cost) for r in found]
    assert {record.latency for record in journal} == {HOUR}
    second.poll()
    assert len(of_batches(provider)) == 3, "each was made once"
    assert len(journal) == 3
    assert (second.forget(["row-0"]), second.progress) == (1, Progress(done=2))


def test_one_that_fails_goes_to_another_target_and_the_others_do_not(opened, provider, clock):
    batches = opened()
    for i in range(3):
        batches.add(said(str(i)), id=str(i), max_tokens=20)
    batches.submit()
    provider.inject(Fault.SERVER_ERROR, model=CLAUDE, api="messages")
    clock.advance(HOUR)
    assert batches.poll() == Progress(sent=1, done=2)
    clock.advance(HOUR)
    assert batches.poll() == Progress(done=3)
    assert answered(batches) == {"0": f"{GPT}: 0", "1": f"{CLAUDE}: 1", "2": f"{CLAUDE}: 2"}
    result = batches.result("0")
    assert [(each["target"], each["result"]) for each in result.attempts] == [("claude", "server_error"), ("gpt", "accepted")]
    assert of_batches(provider) == [(CLAUDE, 500), (CLAUDE, 200), (CLAUDE, 200), (GPT, 200)]


def test_what_is_the_callers_fault_is_the_result_of_that_request(opened, clock):
    batches = opened(order=("gpt",))
    batches.add(said("good"), id="good")
    batches.add(said("bad"), id="bad", extra={"openai": {"n": "two"}})
    batches.submit()
    clock.advance(HOUR)
    assert batches.poll() == Progress(done=1, failed=1)
    bad = batches.result("bad")
    assert (bad.ok, bad.failure, batches.result("good").ok) == (False, FailureKind.BAD_REQUEST, True)
    assert "Invalid type for 'n'" in bad.error


def test_a_file_that_is_refused_for_one_line_costs_the_others_nothing(opened, provider, clock):
    batches = opened(order=("gpt", "claude"))
    batches.add(said("one"), id="one")
    batches.add(said("two"), id="two", extra={"openai": {"model": "gpt-4o"}})  # a file is for one model
    batches.submit()
    batches.poll()
    clock.advance(HOUR)
    batches.poll()
    clock.advance(HOUR)
    batches.poll()
    assert answered(batches)["one"] == f"{GPT}: one"
    assert batches.progress.open == 0


def test_an_expired_request_is_answered_by_another_target_while_there_is_time(opened, provider, clock):
    provider._batches[1].jobs._seconds.update({CLAUDE: 48 * HOUR})
    batches = opened()
    batches.add_all({"messages": said(name), "id": name, "hours": 72, "max_tokens": 20} for name in "ab")
    batches.submit()
    clock.advance(25 * HOUR)
    assert batches.poll() == Progress(sent=1, done=1)
    clock.advance(HOUR)
    batches.poll()
    assert answered(batches) == {"a": f"{CLAUDE}: a", "b": f"{GPT}: b"}


@pytest.mark.parametrize("late", ["fail", "call"])
def test_what_is_late_is_cancelled_and_fails_or_is_called_at_once(opened, provider, clock, late):
    provider._batches[1].jobs._seconds.update({CLAUDE: 10 * HOUR})
    batches = opened(late=late)
    batches.add_all({"messages": said(name), "id": name, "hours": 6, "max_tokens": 20} for name in "ab")
    batches.submit()
    clock.advance(6 * HOUR)
    batches.poll()
    batches.poll()
    found = {result.id: result for result in batches.results()}
    assert found["a"].text == f"{CLAUDE}: a", "it was done in time"
    if late == "fail":
        assert (found["b"].error, found["b"].failure) == ("not answered within its hours", FailureKind.TIMEOUT)
    else:
        assert found["b"].text == f"{CLAUDE}: b"
        assert found["b"].cost == batches._flows.router.pool["claude"].price.cost(found["b"].usage), "at the usual price"


def test_a_budget_sets_aside_and_settles_the_price_of_a_batch(opened, clock):
    price = target("gpt", provider="openai", model=GPT).price
    budget = Budget(usd=1.0, per="all")
    batches = opened(budget, order=("gpt", "claude"))
    batches.add(said("x"), id="a", max_tokens=1_000)
    view = batches._worker.calls[1].view
    aside = budget.spent(view)[0]
    assert aside == pytest.approx(price.tiers["batch"].most(round(view.tokens * 1.1), 1_000), rel=0.1)
    batches.submit()
    assert budget.spent(view)[0] == aside, "it stays set aside while the batch is under way"
    clock.advance(HOUR)
    batches.poll()
    assert budget.spent(view)[0] == pytest.approx(batches.result("a").cost)


def test_a_budget_refuses_when_it_is_added_and_gives_back_what_is_not_sent(opened):
    price = target("gpt", provider="openai", model=GPT).price.tiers["batch"]
    budget = Budget(usd=2.5 * price.output * 1_000e-6, per="all")
    batches = opened(budget, order=("gpt",))
    for name in "ab":
        batches.add(said("x"), id=name, max_tokens=1_000)
    with pytest.raises(BudgetExceeded):
        batches.add(said("x"), id="c", max_tokens=1_000)
    with pytest.raises(BudgetExceeded):
        batches.add_all([{"messages": said("x"), "max_tokens": 10}, {"messages": said("x"), "max_tokens": 1_000}])
    view = batches._worker.calls[1].view
    before = budget.spent(view)
    assert batches.progress == Progress(waiting=2)
    batches.close()
    assert before[0] > 0
    assert budget.spent(view) == (0.0, 0)


def test_walls_hold_for_batches_and_limits_of_the_moment_do_not(opened):
    walls = [AllowList({"acme": ["gpt"]}, others=["claude"]), Residency(by="region"), Cap({"gpt": 1, "claude": 1}), Healthy()]
    batches = opened(*walls)
    for i in range(4):
        batches.add(said("x"), id=f"acme-{i}", tenant="acme")
        batches.add(said("x"), id=f"eu-{i}", labels={"region": "eu"})
    with pytest.raises(NoTarget, match="the data must stay in eu"):
        batches.add(said("x"), tenant="acme", labels={"region": "eu"})
    batches.submit()
    rows = {row.id: row.target for row in batches._ledger.rows()}
    assert {name.partition("-")[0]: target for name, target in rows.items()} == {"acme": "gpt", "eu": "claude"}


def test_an_answer_that_is_rejected_goes_on_and_the_best_is_kept(opened, clock):
    accepts = Predicate(lambda reply: reply.text.startswith("gpt"), "not of gpt")
    batches = opened(verify=accepts)
    batches.add(said("x"), id="a", max_tokens=20)
    batches.submit()
    for _ in range(2):
        clock.advance(HOUR)
        batches.poll()
    result = batches.result("a")
    assert [(each["target"], each["result"]) for each in result.attempts] == [("claude", "rejected"), ("gpt", "accepted")]
    assert result.cost == pytest.approx(sum(each["cost"] for each in result.attempts)), "both are paid"


def test_the_best_rejected_answer_is_the_result_when_the_others_fail(opened, provider, clock):
    batches = opened(verify=Predicate(lambda _: False, "never"))
    provider.inject(Fault.SERVER_ERROR, model=GPT, api="chat", times=None)
    batches.add(said("x"), id="a", max_tokens=20)
    batches.submit()
    for _ in range(9):
        clock.advance(HOUR)
        batches.poll()
    result = batches.result("a")
    assert (result.text, result.target) == (f"{CLAUDE}: x", "claude")
    assert [each["result"] for each in result.attempts][:2] == ["rejected", "server_error"]
    assert result.cost == result.attempts[0]["cost"], "a failed request of a batch costs nothing"


def test_a_model_that_judges_is_asked_at_once(opened, provider, clock):
    batches = opened(verify=Judge("gpt"))
    batches.add(said("x"), id="a", max_tokens=20)
    batches.submit()
    clock.advance(HOUR)
    assert batches.poll() == Progress(done=1), "no further batch is waited for"
    assert [(seen.api, bool(seen.batch)) for seen in provider.requests if seen.model == GPT] == [("chat", False)]


def test_a_note_of_a_policy_is_sent_and_what_one_refuses_to_reserve_goes_elsewhere(opened, provider, clock):
    class Refuses:
        def __call__(self, view, shortlist):
            return shortlist.hand_over("Take over.", ["gpt"])

        def reserve(self, call):
            return call.target.name != "claude"

        def release(self, call): ...

        def learn(self, attempt): ...

    batches = opened(Refuses())
    batches.add(said("x"), id="a", max_tokens=20)
    batches.submit()
    clock.advance(HOUR)
    batches.poll()
    assert answered(batches) == {"a": f"{GPT}: Take over."}


def test_more_requests_than_a_batch_takes_are_sent_in_several(opened, provider, clock):
    batches = opened()
    batches._worker._endpoints["claude"].most = 2
    batches.add_all({"messages": said(str(i)), "id": str(i), "max_tokens": 20} for i in range(5))
    batches.submit()
    assert [sent.total for sent in batches._ledger.batches()] == [2, 2, 1]
    clock.advance(HOUR)
    assert batches.poll() == Progress(done=5)
    assert answered(batches) == {str(i): f"{CLAUDE}: {i}" for i in range(5)}


def test_a_target_that_cannot_be_reached_is_passed_over_and_one_that_may_have_it_is_asked(opened, provider, clock):
    batches = opened()
    batches.add(said("x"), id="a", max_tokens=20)
    provider.inject(Fault.OVERLOADED, provider="anthropic", api="batches")
    batches.submit()
    (sent,) = batches._ledger.batches()
    assert (sent.target, sent.id is None) == ("gpt", False)
    batches.add(said("y"), id="b", max_tokens=20)
    provider.inject(Fault.RESET, provider="anthropic", api="batches")
    batches.submit()
    assert batches.poll() == Progress(sent=2), "it may be there: it is waited for until the list would show it"
    clock.advance(400)
    batches.poll()
    assert [each.target for each in batches._ledger.batches()] == ["gpt", "gpt"]


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_a_batch_whose_sender_died_before_it_knew_the_id_is_found_and_not_sent_again(opened, provider, clock, lead):
    order = (lead,)
    first = opened(order=order)
    first.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    first._ledger.sent = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.submit()
    first.close()
    second = opened(order=order)
    for _ in range(3):
        clock.advance(HOUR)
        second.poll()
    assert second.progress == Progress(done=2)
    assert len(of_batches(provider)) == 2, "each was made once"


def test_one_that_died_before_it_sent_is_sent_by_the_next(opened, provider, clock):
    first = opened()
    first.add(said("x"), id="a", max_tokens=20)
    first._worker._endpoints["claude"].send = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.submit()
    first.close()
    second = opened()
    second.poll()
    clock.advance(400)
    second.poll()
    clock.advance(HOUR)
    assert second.poll() == Progress(done=1)
    assert len(of_batches(provider)) == 1


def test_a_cancelled_file_keeps_what_was_done(opened, clock):
    batches = opened()
    batches.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    batches.submit()
    batches.add(said("never sent"), id="c")
    clock.advance(HOUR / 2)
    batches.cancel()
    batches.poll()
    assert answered(batches) == {
        "a": f"{CLAUDE}: a",
        "b": "its batch was cancelled",
        "c": "it was cancelled before it was sent",
    }


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_what_is_cancelled_is_never_sent_again(opened, provider, clock, lead):
    order = (lead, "gpt" if lead == "claude" else "claude")
    batches = opened(order=order)
    batches.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    batches.submit()
    provider.inject(Fault.SERVER_ERROR, model=CLAUDE if lead == "claude" else GPT, times=1)
    clock.advance(HOUR)
    batches.cancel()  # it has ended meanwhile: nothing is left to stop, and what is done is fetched
    assert batches.poll() == Progress(done=1, failed=1)
    assert batches.result("a").error == "its batch was cancelled"
    assert answered(batches)["b"].endswith(": b")
    batches.add(said("x"), id="waits")
    batches.close()
    again = opened(order=order)  # whose reservations are those of the process before
    assert again.cancel() == Progress(done=1, failed=2)
    assert again.forget() == 3


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_a_batch_that_may_have_been_sent_is_cancelled_once_it_is_found(opened, provider, clock, lead):
    first = opened(order=(lead,))
    first.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    first._ledger.sent = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.submit()
    first.cancel()
    first.close()
    second = opened(order=(lead,))
    clock.advance(HOUR / 2)
    for _ in range(3):
        second.poll()
        clock.advance(HOUR / 4)
    assert second.poll().open == 0
    assert lead == "claude" or "its batch was cancelled" in answered(second).values(), "OpenAI finds a batch under way too"
    never = opened(file="never.sqlite")
    never.add(said("x"), id="x", max_tokens=20)
    never._worker._endpoints["claude"].send = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        never.submit()
    never.cancel()
    clock.advance(400)
    assert never.poll() == Progress(failed=1), "it never reached the provider, and is not sent now"


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_a_request_that_the_provider_lost_goes_to_another_target(opened, provider, clock, lead):
    other = "gpt" if lead == "claude" else "claude"
    batches = opened(order=(lead, other))
    batches.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    batches.submit()
    (job,) = provider._batches[lead == "claude"].jobs._jobs.values()
    job.items.pop()
    clock.advance(HOUR)
    assert batches.poll() == Progress(sent=1, done=1)
    assert batches.wait(every=HOUR, sleep=clock.advance) == Progress(done=2)
    assert [(each["target"], each["result"]) for each in batches.result("b").attempts] == [
        (lead, "timeout"),
        (other, "accepted"),
    ]


@pytest.mark.parametrize("lead", ["claude", "gpt"])
def test_batches_of_other_senders_are_not_taken_for_the_one_that_is_missed(opened, provider, clock, lead):
    others, first = opened(order=(lead,), file="others.sqlite"), opened(order=(lead,))
    others.add(said("long ago"), id="long ago", max_tokens=20)
    others.submit()
    clock.advance(2 * HOUR)
    first.add(said("ours"), id="ours", max_tokens=20)
    if lead == "claude":
        first._ledger.sent = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    else:
        first._worker._endpoints[lead].send = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.submit()
    first.close()
    others.add(said("later"), id="later", max_tokens=20)
    others.submit()
    second = opened(order=(lead,))
    assert second.poll() == Progress(sent=1), "of the same size and under way: it may be ours"
    assert second.wait(every=HOUR, timeout=9 * HOUR, sleep=clock.advance) == Progress(done=1)
    assert answered(second)["ours"].endswith(": ours")
    others.poll()
    assert len(of_batches(provider)) == 3


def test_a_process_that_dies_while_it_fetches_or_calls_leaves_the_rest_to_the_next(opened, provider, clock):
    first = opened()
    first.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "abc")
    first.submit()
    clock.advance(HOUR)
    answers = first._worker._endpoints["claude"].answers

    def dies(*given):
        yield next(answers(*given))
        raise KeyboardInterrupt

    first._worker._endpoints["claude"].answers = dies
    with pytest.raises(KeyboardInterrupt):
        first.poll()
    first.add(said("x"), id="called")
    first._ledger.calling(4, "waiting", [])
    first.close()
    journal = InMemory()
    second = opened(observers=[journal])
    assert second.poll() == Progress(done=3, failed=1)
    assert len(journal) == 2, "the first is settled already"
    called = second.result("called")
    assert (called.error, called.cost, called.target) == ("the process ended while it was called", None, "claude")


def test_an_observer_that_polls_and_a_target_that_cannot_take_a_request_send_nothing_twice(opened, provider, clock):
    class Polls(Observer):
        def settled(self, attempt):
            batches.poll()

    batches = opened(observers=[Polls()])
    sound = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
    batches.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "abc")
    batches.submit()
    batches.add([{"role": "user", "content": [*sound, {"type": "text", "text": "d"}]}], id="d", max_tokens=20)
    batches.submit()
    provider.inject(Fault.SERVER_ERROR, model=CLAUDE, api="messages", times=2)
    assert batches.wait(every=HOUR, sleep=clock.advance) == Progress(done=3, failed=1)
    attempts = [(each["target"], each["result"]) for each in batches.result("d").attempts]
    assert attempts == [("claude", "unsupported"), ("gpt", "bad_request")], "neither takes sound"
    assert sorted(of_batches(provider)) == [(CLAUDE, 200), *[(CLAUDE, 500)] * 2, (GPT, 200), (GPT, 200), (GPT, 400)]


def test_an_error_of_the_caller_is_raised_and_after_a_first_attempt_it_is_the_result(opened, provider, clock):
    faults = []

    def policy(view, shortlist):
        if faults:
            raise ValueError(faults.pop())
        return shortlist

    batches = opened(policy)
    batches.add(said("x"), id="a", max_tokens=20)
    kept, batches._ledger.sent = batches._ledger.sent, lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk full"))
    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        batches.submit()
    batches._ledger.sent = kept
    batches.add(said("y"), id="b", max_tokens=20)
    batches.close()
    second = opened(policy)
    faults.append("a bug")
    with pytest.raises(ValueError, match="a bug"):
        second.submit()
    provider.inject(Fault.SERVER_ERROR, model=CLAUDE, api="messages")
    clock.advance(HOUR)
    faults.append("another bug")
    assert second.poll() == Progress(sent=1, failed=1), "the batch was sent, and is found"
    assert (second.result("a").error, second.result("a").failure) == ("another bug", FailureKind.SERVER_ERROR)


def test_answers_are_fetched_by_the_clients_and_the_process_that_sent_the_batch(opened, provider, tmp_path, monkeypatch):
    first = opened()
    first.add(said("x"), id="a")
    first.submit()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)  # as in a forked child
        with pytest.raises(ConfigurationError, match="opened in another process"):
            first.add(said("x"))
    first.close()
    without = opened(order=("gpt",))
    with pytest.raises(ConfigurationError, match="'claude', which is not a target of this router"):
        without.poll()
    without.close()
    moved = OpenAIClient(model=CLAUDE, base_url="https://api.groq.com/openai/v1", api_key="x")
    both = Clients({"claude": moved, "gpt": OpenAIClient(model=GPT, base_url=provider.openai_url, api_key="x")})
    with pytest.raises(ConfigurationError, match=r"give Clients\(...\)"):
        Batches(both.by_target, tmp_path / "batches.sqlite")
    with (
        Batches(both, tmp_path / "batches.sqlite") as batches,
        pytest.raises(ConfigurationError, match="'claude', whose client has no batch endpoint"),
    ):
        batches.poll()


def test_a_whole_file_that_is_refused_without_a_line_fails_all_of_its_requests(opened, provider, clock):
    batches = opened(order=("gpt", "claude"))
    batches.add_all({"messages": said(name), "id": name, "max_tokens": 20} for name in "ab")
    batches.submit()
    (job,) = provider._batches[0].jobs._jobs.values()
    job.details["errors"] = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]
    batches.poll()
    assert {row.tried[0]["said"] for row in batches._ledger.rows()} == {"Enqueued token limit reached."}
    assert batches.wait(every=HOUR, sleep=clock.advance) == Progress(done=2)
    assert {result.target for result in batches.results()} == {"claude"}


def test_another_process_fetches_while_a_killed_one_left_the_file_behind(opened, provider, clock, tmp_path):
    """A real process adds and sends, and is killed; what it sent is fetched here, once."""
    path = tmp_path / "killed.sqlite"
    program = textwrap.dedent(
        """
        import os, signal, sys
        from switchwise.clients import AnthropicClient, Clients
        from switchwise.clients.batch import Batches
        clients = Clients({"claude": AnthropicClient(model=sys.argv[3], base_url=sys.argv[2], api_key="x")})
        batches = Batches(clients, sys.argv[1], clock=lambda: float(sys.argv[4]))
        batches.add([{"role": "user", "content": "hello"}], id="a", max_tokens=20)
        batches.submit()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    arguments = [sys.executable, "-c", program, str(path), provider.anthropic_url, CLAUDE, str(clock())]
    subprocess.run(arguments, env={**os.environ, "SWITCHWISE_TELEMETRY": "off"}, check=False, timeout=60)
    clock.advance(HOUR)
    batches = opened(file="killed.sqlite")
    assert batches.poll() == Progress(done=1)
    assert batches.result("a").text == f"{CLAUDE}: hello"


def test_one_process_at_a_time_has_a_file_open(opened, tmp_path):
    opened()
    with pytest.raises(ConfigurationError, match="another process has this file open"):
        opened()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("folder", "unable to open database file; give the path of a file"),
        ("locked.sqlite", "unable to open database file; give the path of a file"),
        ("text.sqlite", "not a SQLite file"),
        ("later.sqlite", "of version 9, and this one reads 1"),
    ],
)
def test_a_file_that_cannot_be_opened_is_refused_with_the_reason(opened, tmp_path, file, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "locked.sqlite.lock").mkdir()
    (tmp_path / "text.sqlite").write_text("no table at all " * 99)
    with closing(sqlite3.connect(tmp_path / "later.sqlite")) as base:
        base.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigurationError, match=message):
        opened(file=file)


@pytest.mark.parametrize("file", ["plain.sqlite", "batch #3.sqlite", "100%25.sqlite", "which?.sqlite"])
def test_the_progress_of_a_file_is_read_whatever_its_name(opened, tmp_path, file):
    opened(file=file).add(said("x"), id="a")
    assert progress_of(tmp_path / file) == Progress(waiting=1)


def test_the_progress_of_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no such file of requests"):
        progress_of(tmp_path / "none.sqlite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadline": 5.0}, "hours= in its place"),
        ({"hours": 0}, "hours"),
        ({"id": ""}, "id="),
        ({"id": "taken"}, "give each one its own"),
        ({"extra": {"openai": {"user": object()}}}, "must be JSON"),
        ({"target": "nobody"}, "nobody"),
    ],
)
def test_what_cannot_be_taken_on_is_said_at_once(opened, options, message):
    budget = Budget(usd=1.0, per="all")
    batches = opened(budget)
    batches.add(said("x"), id="taken")
    view = batches._worker.calls[1].view
    before = budget.spent(view)
    with pytest.raises(ConfigurationError, match=message):
        batches.add(said("x"), **options)
    assert (batches.progress, budget.spent(view)) == (Progress(waiting=1), before)


def test_clients_without_a_batch_endpoint_are_refused_or_passed_over(tmp_path, provider):
    groq = OpenAIClient(model="llama", base_url="https://api.groq.com/openai/v1", api_key="x")
    pool = Pool([Target("groq", "groq", "llama")])
    with pytest.raises(ConfigurationError, match="none of groq has a batch endpoint"):
        Batches(Clients({"groq": groq}, Router(pool)), tmp_path / "a.sqlite")
    both = Clients(
        {"groq": groq, "gpt": OpenAIClient(model=GPT, base_url=provider.openai_url, api_key="x")},
        Router(Pool([Target("groq", "groq", "llama"), Target("gpt", "openai", GPT)])),
    )
    with Batches(both, tmp_path / "a.sqlite") as batches:
        batches.add(said("x"))
        assert [row.target for row in batches._ledger.rows()] == ["gpt"]
        with pytest.raises(NoTarget, match="it has no batch endpoint"):
            batches.add(said("x"), target="groq")


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_nothing_goes_around_the_walls_and_nothing_is_lost_or_paid_for_twice(seed):
    """Whatever fails, expires, is rejected or late, and however often the process starts again."""
    rng, clock = random.Random(seed), Clock(time.time())
    walls = [
        AllowList({"acme": ["gpt"]}, others=["claude", "gpt"]),
        Residency(),
        Guard(lambda text: "iban" in text, only="claude"),
    ]
    budget = Budget(usd=1.0, per="all")
    wanted: dict[str, set[str]] = {}
    loopback = LoopbackProvider(lambda request: Answer(request.last_user_text), clock=clock, batch_time={"*": 30 * HOUR})
    with loopback as provider, TemporaryDirectory() as folder:

        def opened():
            clients = {
                "claude": AnthropicClient(model=CLAUDE, base_url=provider.anthropic_url, api_key="x"),
                "gpt": OpenAIClient(model=GPT, base_url=provider.openai_url, api_key="x"),
            }
            pool = Pool(
                [
                    target("claude", provider="anthropic", model=CLAUDE, roles={"eu"}),
                    target("gpt", provider="openai", model=GPT, roles={"eu", "us"}),
                ]
            )
            rejects = Predicate(lambda reply: len(reply.text) % 3 > 0, "a length that nobody likes")
            router = Router(pool, *walls, budget, verify=rejects, clock=clock, rng=rng)
            return Batches(Clients(clients, router), f"{folder}/b.sqlite", clock=clock, late=rng.choice(["fail", "call"]))

        batches = opened()
        for i in range(6):
            tenant, region, private = rng.choice(["acme", ""]), rng.choice(["", "eu", "us"]), rng.random() < 0.3
            allowed = {"gpt"} if tenant else {"gpt", "claude"}
            allowed &= {"gpt"} if region == "us" else {"gpt", "claude"}
            allowed &= {"claude"} if private else {"gpt", "claude"}
            text = f"request {i}{'x' * rng.randrange(3)}{' iban' if private else ''}"
            try:
                batches.add(
                    said(text),
                    id=text,
                    tenant=tenant,
                    labels={"region": region} if region else {},
                    hours=rng.choice([20, 40, 60]),
                    max_tokens=30,
                )
            except NoTarget:
                assert not allowed
            else:
                wanted[text] = allowed
        for fault, api in (
            (Fault.SERVER_ERROR, "chat"),
            (Fault.SERVER_ERROR, "messages"),
            (Fault.OVERLOADED, "batches"),
            (Fault.RESET, "batches"),
        ):
            provider.inject(fault, api=api, times=rng.randrange(3))
        for _ in range(40):
            if rng.random() < 0.3:
                batches.close()
                batches = opened()
            if not batches.poll().open:
                break
            clock.advance(rng.choice([400, HOUR, 10 * HOUR]))
        found = {result.id: result for result in batches.results()}
        batches.close()
    assert found.keys() == wanted.keys()
    answers = [seen for seen in provider.requests if seen.answer is not None]
    for seen in answers:
        assert {CLAUDE: "claude", GPT: "gpt"}[seen.model] in wanted[seen.answer.text], seen.answer.text
    for text, result in found.items():
        made = [seen for seen in answers if seen.answer.text == text]
        assert len(made) == sum(each["result"] in ("accepted", "rejected") for each in result.attempts), (made, result.attempts)


async def test_an_event_loop_awaits_the_same_words_and_is_not_held_up(provider, clock, tmp_path):
    clients = Clients({"claude": AnthropicClient(model=CLAUDE, base_url=provider.anthropic_url, api_key="x")})
    beats, looked = 0, 0

    async def beat():
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async def sleep(seconds):
        nonlocal looked
        looked += 1
        assert seconds == HOUR / 2
        if looked == 1:
            await batches.add(said("late comer"), id="late")  # while another task waits
        clock.advance(seconds)

    heart = asyncio.create_task(beat())
    async with AsyncBatches(clients, tmp_path / "async.sqlite", clock=clock) as batches:
        with spending() as spent:
            ids = await asyncio.gather(*(batches.add(said(f"question {i}"), id=f"row-{i}", max_tokens=50) for i in range(20)))
            assert await batches.add_all([]) == []
            assert await batches.submit() == batches.progress == Progress(sent=20)
            beats = 0
            assert await batches.wait(every=HOUR / 2, sleep=sleep) == Progress(done=21)
            assert beats > 5
            found = [result async for result in batches.results()]
            assert [result.id for result in found] == [*ids, "late"]
            assert (await batches.result("row-3")).text == f"{CLAUDE}: question 3"
            assert spent.cost == pytest.approx(sum(result.cost for result in found)), "the thread counts where the task does"
        with pytest.raises(ConfigurationError, match="no request of the id"):
            await batches.result("nobody")
        assert await batches.forget(["late"]) == 1
        await batches.add(said("given up"), id="gone")
        assert (await batches.cancel()).failed == 1
    heart.cancel()
    await batches.close()
    assert answered(Batches(clients, tmp_path / "async.sqlite"))["row-0"] == f"{CLAUDE}: question 0", "the file is free again"


def test_from_a_shell(provider, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOME_KEY", "x")
    config = tmp_path / "switchwise.toml"
    config.write_text(
        f"""
version = 1
[targets.gpt]
provider = "openai"
model = "{GPT}"
base_url = "{provider.openai_url}"
key = "env:SOME_KEY"
"""
    )
    requests, file = tmp_path / "in.jsonl", str(tmp_path / "b.sqlite")
    requests.write_text("".join(json.dumps({"id": name, "messages": said(name), "max_tokens": 20}) + "\n" for name in "ab"))
    assert main(["batch", "submit", str(requests), "--file", file, "--config", str(config)]) == 0
    assert main(["batch", "status", "--file", file, "--json"]) == 0
    assert '"sent": 2' in capsys.readouterr().out
    assert main(["batch", "fetch", "--file", file, "--config", str(config)]) == 1, "they are still open"
    provider._batches[0].jobs.clock.advance(HOUR)
    capsys.readouterr()
    assert main(["batch", "fetch", "--file", file, "--config", str(config), "--forget"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["id"], row["message"]["content"]) for row in rows] == [("a", f"{GPT}: a"), ("b", f"{GPT}: b")]
    assert main(["batch", "submit", str(tmp_path / "none.jsonl"), "--file", file, "--config", str(config)]) == 2
