"""Decision models over HTTP, and functions as models: typed questions, probabilities, and what is not known."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import httpx
import pytest

from switchwise import (
    Answer,
    Ask,
    Call,
    ConfigurationError,
    FailureKind,
    Pool,
    Price,
    Question,
    Reply,
    Router,
    Scope,
    Signals,
    StepKind,
    Target,
    TargetError,
    View,
    adrive,
    drive,
)
from switchwise.clients import LocalModel, OpenAIClient, OpenAIDecisions, SystemOne
from switchwise.clients.clients import Clients
from switchwise.clients.decisions import DecisionModel
from switchwise.observe.journal import InMemory
from switchwise.policies import ByDecision, Rules
from switchwise.state import InProcess
from switchwise.testing import Script
from switchwise_loopback import Answer as Scripted
from switchwise_loopback import Fault, LoopbackProvider

Make = Callable[..., DecisionModel]
QUESTIONS = {
    "route": Question.choice("How hard is it?", {"easy": "One step.", "hard": "Several steps.", "other": None}),
    "urgent": Question.yes_no("Is it urgent?", yes="today"),
    "length": Question.score("How long will it take?", ["an hour", "a day", "a week"]),
}


def openai(provider: LoopbackProvider, **options: Any) -> DecisionModel:
    return OpenAIDecisions("gpt-6-luna", api_key="test", base_url=provider.openai_url, **options)


def system_one(provider: LoopbackProvider, **options: Any) -> DecisionModel:
    return SystemOne("jev-1.14.0", api_key="test", base_url=provider.openai_url, **options)


BOTH = pytest.mark.parametrize("make", [openai, system_one])


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackProvider]]:
    started: list[LoopbackProvider] = []

    def start(answer: Any = None) -> LoopbackProvider:
        started.append(LoopbackProvider(answer).start())
        return started[-1]

    yield start
    for provider in started:
        provider.stop()


@BOTH
def test_several_questions_go_out_in_one_call_and_each_is_answered(make: Make, serve: Any) -> None:
    provider = serve([Scripted('{"route": "hard", "urgent": 0.8, "length": 1.25}')])
    model = make(provider)
    reply = model.answer(Ask(QUESTIONS, about="Prove it.", model=model))
    assert reply.answers is not None
    route, urgent, length = (reply.answers[name] for name in QUESTIONS)
    assert (route.label, route.probability) == ("hard", pytest.approx(0.9))
    assert sum(route.probabilities.values()) == pytest.approx(1)
    assert (urgent.label, urgent.probabilities) == (True, {True: pytest.approx(0.8), False: pytest.approx(0.2)})
    assert length.score == pytest.approx(1.25)
    assert reply.usage.input_tokens > 0
    (seen,) = provider.requests
    assert "Prove it." in (seen.body.get("input"), seen.body.get("state"))


@BOTH
async def test_and_asynchronously_on_any_event_loop(make: Make, serve: Any) -> None:
    provider = serve(lambda request: Scripted("hard"))
    model = make(provider)
    ask = Ask({"route": QUESTIONS["route"]}, about="Prove it.", model=model)
    assert (await model.aanswer(ask)).answers["route"].label == "hard"
    other = await asyncio.to_thread(lambda: [asyncio.run(model.aanswer(ask)).answers["route"].label for _ in range(2)])
    assert other == ["hard", "hard"]
    assert (await model.aanswer(ask)).answers["route"].label == "hard", "by the connection of this loop"


@BOTH
def test_what_is_left_out_or_no_distribution_is_not_known(make: Make, serve: Any) -> None:
    model = make(serve([Scripted('{"route": {"easy": 0.2, "hard": 0.3, "other": 0.1}, "urgent": 0.5, "length": null}')]))
    answers = model.answer(Ask(QUESTIONS, about="x", model=model)).answers
    assert answers["route"] == Answer(because="its probabilities add up to 0.60")
    assert answers["length"] == Answer(because="it left the question out")
    assert answers["urgent"].label is True


def test_what_is_declined_left_out_or_no_distribution_is_not_known(serve: Any) -> None:
    model = openai(serve([Scripted(stop_reason="refusal")]))
    declined = model.answer(Ask(QUESTIONS, about="x", model=model)).answers
    assert {answer.because for answer in declined.values()} == {"it declined"}
    model = system_one(serve([Scripted('{"route": {"easy": 0.2, "hard": 0.3, "other": 0.1}, "urgent": null, "length": 2}')]))
    answers = model.answer(Ask(QUESTIONS, about="x", model=model)).answers
    assert answers["route"] == Answer(because="its probabilities add up to 0.60")
    assert answers["urgent"] == Answer(because="it left the question out")
    assert answers["length"].score == 2.0
    assert not answers["route"].known


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.RATE_LIMIT, FailureKind.RATE_LIMIT),
        (Fault.SERVER_ERROR, FailureKind.SERVER_ERROR),
        (Fault.OVERLOADED, FailureKind.OVERLOADED),
        (Fault.AUTHENTICATION, FailureKind.AUTHENTICATION),
        (Fault.RESET, FailureKind.CONNECTION),
    ],
)
async def test_each_failure_is_one_of_its_own_kind(make: Make, serve: Any, fault: Fault, kind: FailureKind) -> None:
    provider = serve()
    provider.inject(fault, times=2, retry_after=7)
    model = make(provider)
    ask = Ask(QUESTIONS, about="x", model=model)
    with pytest.raises(TargetError) as failed:
        model.answer(ask)
    with pytest.raises(TargetError) as afailed:
        await model.aanswer(ask)
    assert (failed.value.kind, afailed.value.kind) == (kind, kind)
    if fault is Fault.RATE_LIMIT:
        assert failed.value.retry_after == 7
    assert len(provider.requests) == 2, "it is asked once, without retries"


@BOTH
async def test_one_that_hangs_is_given_up(make: Make, serve: Any) -> None:
    provider = serve()
    provider.inject(Fault.STALL, times=2, seconds=10)
    model = make(provider, timeout=0.2)
    ask = Ask(QUESTIONS, about="x", model=model)
    with pytest.raises(TargetError) as failed:
        model.answer(ask)
    with pytest.raises(TargetError) as afailed:
        await model.aanswer(ask)
    assert (failed.value.kind, afailed.value.kind) == (FailureKind.TIMEOUT, FailureKind.TIMEOUT)


@pytest.fixture
def trickling() -> Iterator[str]:
    """The address of a server that sends its answer in pieces, each long before a reader of the connection would give up."""
    over, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    body = b'{"answers": {}, "usage": {"input_tokens": 1, "output_tokens": 1}}'

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError), listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode())
                for piece in body:
                    connection.sendall(bytes([piece]))
                    over.wait(0.05)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    over.set()
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.parametrize("make", [OpenAIDecisions, SystemOne])
async def test_the_time_limit_is_that_of_the_whole_call_and_the_message_says_it(make: Any, trickling: str) -> None:
    model = make("m", api_key="test", base_url=trickling, timeout=0.3)
    ask = Ask(QUESTIONS, about="x", model=model)
    with pytest.raises(TargetError, match=r"^no answer within 0\.3 s$") as failed:
        model.answer(ask)
    with pytest.raises(TargetError, match=r"^no answer within 0\.3 s$") as afailed:
        await model.aanswer(ask)
    assert (failed.value.kind, afailed.value.kind) == (FailureKind.TIMEOUT, FailureKind.TIMEOUT)


@BOTH
def test_a_question_in_words_is_refused_before_anything_is_sent(make: Make, serve: Any) -> None:
    provider = serve()
    model = make(provider)
    for question in (Question.text("Why?"), Question.embedding()):
        with pytest.raises(TargetError, match="answers no question of the kind"):
            model.answer(Ask({"x": question}, about="x", model=model))
    assert provider.requests == ()


def test_it_is_priced_by_the_catalogue_and_never_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenAIDecisions("gpt-6-luna", api_key="k").target.price.input == 0.1
    assert SystemOne("jev", api_key="k", price=Price(1, 0)).target.price == Price(1, 0)
    with pytest.raises(TypeError, match="holds a key"):
        pickle.dumps(OpenAIDecisions("gpt-6-luna", api_key="secret"))
    monkeypatch.delenv("TYPESAFE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="TYPESAFE_API_KEY"):
        SystemOne("jev")
    for wrong in ("", None):
        with pytest.raises(ConfigurationError, match=r"SystemOne\(model=.*\): name the model"):
            SystemOne(wrong, api_key="k")


@BOTH
def test_the_clients_are_routed_by_it(make: Make, serve: Any) -> None:
    provider = serve(
        lambda request: Scripted(
            ("hard" if "proof" in request.last_user_text else "easy")
            if request.api in ("decisions", "systemone")
            else request.model
        )
    )
    journal = InMemory()
    policy = ByDecision(make(provider), "How hard is it?", {"easy": "luna", "hard": "opus"})
    pool = Pool([Target("opus", model="opus"), Target("luna", model="luna")])
    models = {name: OpenAIClient(model=name, base_url=provider.openai_url, api_key="test") for name in ("opus", "luna")}
    clients = Clients(models, Router(pool, policy, observers=[journal]))
    asked = [{"role": "user", "content": "What is two and two?"}]
    assert clients.complete(asked, session="a").text == "luna"
    assert clients.complete([{"role": "user", "content": "Find a proof."}], session="b").text == "opus"
    assert "".join(clients.stream(asked, session="c")) == "luna"
    assert [record.purpose for record in journal] == ["ask", "answer"] * 3
    assert next(iter(journal)).input_tokens > 0


@BOTH
async def test_a_model_that_fails_is_a_note_and_the_chain_goes_on(make: Make, serve: Any) -> None:
    provider = serve()
    provider.inject(Fault.SERVER_ERROR, times=None)
    policy = ByDecision(make(provider), "How hard is it?", {"easy": "luna", "hard": "opus"})
    router = Router(Pool([Target("opus"), Target("luna")]), policy)

    async def perform(call: Call) -> Any:
        yield Reply(call.target.name)

    run = router.start(View())
    async for _ in adrive(run, perform):
        pass
    assert run.outcome.target.name == "opus"
    assert "gave no answer" in run.outcome.attempt.call.shortlist.notes[0].because


@BOTH
def test_a_requirement_that_names_it_keeps_the_text_from_it(make: Make, serve: Any) -> None:
    provider = serve()
    model = make(provider, name="us-classifier")
    policy = ByDecision(model, "How hard is it?", {"easy": "luna", "hard": "opus"})
    router = Router(Pool([Target("opus"), Target("luna")]), policy, Rules().exclude("us-classifier", because="not in the EU"))
    run = router.start(View())
    list(drive(run, lambda call: iter([Reply(call.target.name)])))
    assert provider.requests == ()
    because = run.outcome.attempt.call.shortlist.notes[0].because
    assert because.endswith("gave no answer: us-classifier may not be asked: not in the EU (Rules)")


def test_two_that_ask_the_same_and_mean_other_targets_share_a_store_and_no_answer() -> None:
    model, store = LocalModel("rule", lambda _: {"switchwise": Answer(label="easy")}), InProcess()

    def called(pool: Pool, step: StepKind) -> str:
        policy = ByDecision(model, "How hard?", {"easy": pool.targets[1].name, "hard": pool.targets[0].name})
        run = Router(pool, policy, store=store).start(View(Scope("s1"), signals=Signals(step=step)))
        list(drive(run, Script(otherwise="done").perform))
        return run.outcome.target.name

    pools = Pool([Target("opus"), Target("luna")]), Pool([Target("big"), Target("small")])
    found = [called(pool, step) for step in (StepKind.USER_TURN, StepKind.TOOL_RESULT) for pool in pools]
    assert found == ["luna", "small", "luna", "small"]


def test_a_function_of_your_own_answers_in_words_labels_scores_and_vectors() -> None:
    def answers(ask: Ask) -> dict[str, Answer]:
        return {
            "words": Answer(text=ask.about.upper()),
            "label": Answer(label="long"),
            "score": Answer(score=0.5),
            "vector": Answer(vectors=((1.0, 0.0),)),
        }

    model = LocalModel("own", answers)
    questions = {
        "words": Question.text("Say it."),
        "label": Question.choice("Which?", ["long", "short"]),
        "score": Question.score("How?", ["low", "high"]),
        "vector": Question.embedding(),
        "more": Question.text("And?"),
    }
    heard: list[Any] = []

    def policy(view: View, shortlist: Any) -> Any:
        def flow() -> Any:
            heard.append((yield Ask(questions, about="hello", model=model)))
            return shortlist

        return flow()

    journal = InMemory()
    router = Router(Pool([Target("a")]), policy, observers=[journal])
    list(drive(router.start(View()), lambda call: iter([Reply("a")])))
    (reply,) = heard
    assert {name: answer.known for name, answer in reply.answers.items()} == {
        "words": True,
        "label": True,
        "score": True,
        "vector": True,
        "more": False,
    }
    assert reply.answers["words"].text == "HELLO"
    assert [(record.purpose, record.target) for record in journal] == [("ask", "own"), ("answer", "a")]


async def test_an_asynchronous_function_serves_asynchronous_calls_only() -> None:
    async def answers(ask: Ask) -> dict[str, Answer]:
        await asyncio.sleep(0)
        return {"x": Answer(label=True)}

    model = LocalModel("own", answers)
    ask = Ask({"x": Question.yes_no("Is it?")}, model=model)
    assert (await model.aanswer(ask)).answers == {"x": Answer(label=True)}
    with pytest.raises(ConfigurationError, match="asynchronous"):
        model.answer(ask)
    waits: asyncio.Future[dict[str, Answer]] = asyncio.get_running_loop().create_future()
    waits.set_result({"x": Answer(label=False)})
    later = LocalModel("later", lambda ask: waits)
    assert (await later.aanswer(ask)).answers["x"].label is False
    with pytest.raises(ConfigurationError, match="function of later is asynchronous"):
        later.answer(ask)
    with pytest.raises(ConfigurationError, match=r"LocalModel\(function=5\): give a function"):
        LocalModel("own", 5)  # type: ignore[arg-type]


@BOTH
@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b"\xff"), (502, b"<html>")])
def test_an_invalid_response_is_a_failure_of_the_server(make: Make, serve: Any, status: int, body: bytes) -> None:
    model = make(serve())
    model._client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body)))
    with pytest.raises(TargetError) as failed:
        model.answer(Ask({"urgent": QUESTIONS["urgent"]}, about="x", to=model.target.name))
    assert failed.value.kind is FailureKind.SERVER_ERROR


@BOTH
@pytest.mark.parametrize(
    "answers",
    [
        None,
        [{"name": "route", "probabilities": [{"value": ["easy"], "probability": 1}, "hard"]}, "urgent"],
        {"route": {"probabilities": {"easy": None}}, "urgent": {"noul": "likely"}, "length": {"score": "long"}},
    ],
)
def test_answers_that_cannot_be_read_are_not_known(make: Make, serve: Any, answers: Any) -> None:
    model = make(serve())
    model._client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"answers": answers})))
    found = model.answer(Ask(QUESTIONS, about="x", to=model.target.name)).answers
    assert {name: (answer.label, answer.score) for name, answer in found.items()} == dict.fromkeys(QUESTIONS, (None, None))
    assert all(answer.because for answer in found.values())


@BOTH
def test_a_score_alone_is_an_answer_where_no_probabilities_are_reported(make: Make, serve: Any) -> None:
    model = make(serve())
    answers: Any = {"length": {"score": 1.5}} if make is system_one else [{"name": "length", "score": 1.5}]
    model._client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"answers": answers})))
    found = model.answer(Ask({"length": QUESTIONS["length"]}, about="x", to=model.target.name)).answers["length"]
    assert (found.score, found.probabilities) == (1.5, None)


@BOTH
@pytest.mark.parametrize("about", [{"at": date(2026, 11, 30)}, [date(2026, 11, 30)], date(2026, 11, 30), 7, None, "text"])
def test_whatever_is_judged_arrives_as_json(make: Make, serve: Any, about: Any) -> None:
    provider = serve([Scripted('{"route": "hard", "urgent": 0.8, "length": 2}')])
    model = make(provider)
    assert model.answer(Ask(QUESTIONS, about=about, model=model)).answers["route"].label == "hard"
    (seen,) = provider.requests
    sent = str(seen.body.get("input", seen.body.get("state")))
    assert ("2026-11-30" in sent) is ("2026" in str(about) or isinstance(about, date | dict | list))
