"""A decision model chooses among the targets: asked where it matters, heard where it answers, never in the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.errors import GraphInterrupt

from langchain_switchwise import ByDecision, ChatSwitchwise, SwitchwiseMiddleware
from langchain_switchwise.models.messages import turn_of
from switchwise import ConfigurationError, FailureKind, Pool, Price, Router, Target, View, hold
from switchwise.clients import OpenAIDecisions, SystemOne
from switchwise.clients.decisions import DecisionModel
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.observe.journal import InMemory
from switchwise.policies import Budget, Rules, by_decision
from switchwise.policies.by_decision import LONGEST, last_request
from switchwise.testing import check_policy
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request

from .deciders import CORE, HARD, OPENAI_QUESTIONS, TARGETS, openai_decisions
from .fakes import USAGE, Scripted

if CORE:
    from .deciders import CORE_QUESTIONS, ScriptedDecisions

Make = Callable[..., ByDecision]
PRICE = Price(1, 2)


def routed(*policies: Any, **options: Any) -> ChatSwitchwise:
    """Two fakes, which the policies choose from; the pool itself would begin with the strong one."""
    pool = Pool([Target("strong", price=PRICE), Target("mid", price=PRICE), Target("fast", price=PRICE)])
    models = {name: Scripted(model_name=name, script=[f"{name} says"]) for name in ("strong", "mid", "fast")}
    return ChatSwitchwise(models, router=Router(pool, *policies, **options))


def target_of(answer: Any) -> str:
    return str(answer.response_metadata["switchwise"]["target"])


def because_of(answer: Any) -> str:
    return str(answer.response_metadata["switchwise"]["because"])


def session(name: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def asks(journal: InMemory) -> list[Any]:
    return [record for record in journal if record.purpose == "ask"]


def says(request: Request) -> Answer:
    """Who mentions a proof has something hard in mind."""
    return Answer("hard" if "proof" in request.last_user_text else "easy")


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(says) as running:
        yield running


class TestOpenAI:
    """OpenAI's Decisions API, through LangChain's own client."""

    async def test_its_label_chooses_the_target_and_stands_in_the_reason(self, provider: LoopbackProvider) -> None:
        llm = routed(ByDecision(openai_decisions(provider), OPENAI_QUESTIONS["choice"](), TARGETS))
        easy = llm.invoke("What is two and two?", session("a"))
        hard = await llm.ainvoke("Find a proof of it.", session("b"))
        assert (target_of(easy), target_of(hard)) == ("fast", "strong")
        assert because_of(easy) == "gpt-6-luna says 'easy' (0.90): fast"
        first, second = provider.requests
        assert (first.api, first.body["input"]) == ("decisions", "What is two and two?")
        assert second.body["questions"][0]["instructions"] == HARD

    @pytest.mark.parametrize("way", ["invoke", "stream", "generate", "events"])
    def test_every_way_to_call_asks_first(self, provider: LoopbackProvider, way: str) -> None:
        journal = InMemory()
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
        if way == "invoke":
            llm.invoke("hello")
        elif way == "stream":
            assert "".join(str(chunk.text) for chunk in llm.stream("hello")) == "fast says"
        elif way == "generate":
            llm.generate([[HumanMessage("hello")]])
        else:
            assert llm.stream_events("hello", version="v3").output.text == "fast says"
        assert [(record.purpose, record.target) for record in journal] == [("ask", "gpt-6-luna decisions"), ("answer", "fast")]

    @pytest.mark.parametrize("way", ["ainvoke", "astream", "agenerate", "aevents"])
    async def test_and_every_asynchronous_one(self, provider: LoopbackProvider, way: str) -> None:
        journal = InMemory()
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
        if way == "ainvoke":
            await llm.ainvoke("hello")
        elif way == "astream":
            assert "".join([str(chunk.text) async for chunk in llm.astream("hello")]) == "fast says"
        elif way == "agenerate":
            await llm.agenerate([[HumanMessage("hello")]])
        else:
            stream = await llm.astream_events("hello", version="v3")
            assert str((await stream).text) == "fast says"
        assert [(record.purpose, record.target) for record in journal] == [("ask", "gpt-6-luna decisions"), ("answer", "fast")]

    def test_it_is_in_the_journal_with_usage_and_the_price_of_decisions(self, provider: LoopbackProvider) -> None:
        journal = InMemory()
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
        llm.invoke("hello")
        (record,) = asks(journal)
        seen = provider.requests[0].usage
        assert seen is not None
        assert (record.policy, record.provider, record.model) == ("ByDecision", "openai-decisions", "gpt-6-luna")
        assert record.input_tokens == seen.input_tokens
        assert record.cost == pytest.approx(seen.input_tokens * 0.1e-6)  # its output is free

    def test_a_score_goes_to_the_nearest_level_and_from_halfway_to_the_higher(self) -> None:
        with LoopbackProvider([Answer("1.6"), Answer("0.4"), Answer("0.5")]) as provider:
            levels = {0: "fast", 1: "mid", 2: "strong"}
            llm = routed(ByDecision(openai_decisions(provider), OPENAI_QUESTIONS["score"](), levels))
            answers = [llm.invoke("hello", session(name)) for name in "abc"]
        assert [target_of(answer) for answer in answers] == ["strong", "fast", "mid"]
        assert because_of(answers[0]) == "gpt-6-luna says 2 (1.60 of 2): strong"

    def test_a_yes_is_one_from_the_threshold_on(self) -> None:
        with LoopbackProvider([Answer("0.69"), Answer("0.7")]) as provider:
            sides = {True: "strong", False: "fast"}
            policy = ByDecision(openai_decisions(provider), OPENAI_QUESTIONS["yes or no"](), sides, threshold=0.7)
            llm = routed(policy)
            assert [target_of(llm.invoke("hello", session(name))) for name in "ab"] == ["fast", "strong"]

    @pytest.mark.parametrize(
        "fault", [Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.AUTHENTICATION, Fault.RESET, Fault.BAD_REQUEST]
    )
    async def test_a_failing_model_does_not_end_the_run_and_a_note_says_so(
        self, provider: LoopbackProvider, fault: Fault
    ) -> None:
        provider.inject(fault, times=None)
        journal = InMemory()
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
        assert target_of(llm.invoke("hello", session("a"))) == "strong"
        assert target_of(await llm.ainvoke("hello", session("b"))) == "strong"
        assert asks(journal)[0].result == "failed"
        note = next(note for record in journal for note in record.notes if record.purpose == "answer")
        assert note["because"].startswith("gpt-6-luna gave no answer: ")
        assert note["lead"] == []

    def test_one_that_is_down_is_left_in_peace_for_a_while(self, provider: LoopbackProvider) -> None:
        now = [1_000.0]
        provider.inject(Fault.SERVER_ERROR)
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, pause=30)
        llm, journal = routed(policy, clock=lambda: now[0], observers=[journal := InMemory()]), journal
        for at, name in ((1_000.0, "a"), (1_010.0, "b"), (1_040.0, "c")):
            now[0] = at
            llm.invoke("hello", session(name))
        answers = [record for record in journal if record.purpose == "answer"]
        assert [record.target for record in answers] == ["strong", "strong", "fast"]
        assert answers[1].notes[0]["because"] == "gpt-6-luna is not asked for 20 s more: it failed with server_error"
        assert len(provider.requests) == 2

    def test_what_keeps_its_provider_from_deciding_does_not_keep_it_from_answering(self, provider: LoopbackProvider) -> None:
        """A wrong key for the decision model says nothing about the chat models of the same provider."""
        from switchwise.policies import Healthy

        provider.inject(Fault.AUTHENTICATION)
        pool = Pool([Target("strong", provider="openai"), Target("fast", provider="openai")])
        models = {name: Scripted(model_name=name) for name in ("strong", "fast")}
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS)
        llm = ChatSwitchwise(models, router=Router(pool, Healthy(), policy))
        assert [target_of(llm.invoke("hello", session(name))) for name in "ab"] == ["strong", "strong"]

    def test_a_refusal_is_no_opinion(self) -> None:
        with LoopbackProvider([Answer(stop_reason="refusal")]) as provider:
            journal = InMemory()
            llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
            assert target_of(llm.invoke("hello")) == "strong"
            assert [*journal][-1].notes[0]["because"] == "gpt-6-luna gave no answer: it declined"

    def test_a_hanging_model_is_not_waited_for(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STALL, seconds=10.0)
        journal = InMemory()
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, timeout=0.2)
        assert target_of(routed(policy, observers=[journal]).invoke("hello")) == "strong"
        assert asks(journal)[0].failure == FailureKind.TIMEOUT

    async def test_nor_asynchronously(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STALL, seconds=10.0)
        journal = InMemory()
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, timeout=0.2)
        assert target_of(await routed(policy, observers=[journal]).ainvoke("hello")) == "strong"
        assert asks(journal)[0].failure == FailureKind.TIMEOUT

    def test_without_a_limit_it_is_asked_on_the_callers_own_thread(self, provider: LoopbackProvider) -> None:
        threads: list[str] = []

        def noted(request: Any) -> Any:
            threads.append(threading.current_thread().name)
            return openai_decisions(provider).invoke(request)

        question = OPENAI_QUESTIONS["choice"]()
        for timeout in (None, 5.0):
            routed(ByDecision(RunnableLambda(noted), question, TARGETS, timeout=timeout)).invoke("hello")
        assert threads == [threading.current_thread().name, "switchwise-decision"]

    def test_it_takes_a_model_with_retries_around_it(self, provider: LoopbackProvider) -> None:
        policy = ByDecision(openai_decisions(provider).with_retry(), OPENAI_QUESTIONS["choice"](), TARGETS)
        assert policy.asks[0].name == "gpt-6-luna decisions"
        assert target_of(routed(policy).invoke("hello")) == "fast"

    def test_its_usage_is_not_taken_for_the_answers(self, provider: LoopbackProvider) -> None:
        usage = UsageMetadataCallbackHandler()
        routed(ByDecision(openai_decisions(provider), HARD, TARGETS)).invoke("hello", {"callbacks": [usage]})
        assert [counted["total_tokens"] for counted in usage.usage_metadata.values()] in ([], [USAGE["total_tokens"]])


class TestWhenItIsAsked:
    def test_not_where_its_answer_can_change_nothing(self, provider: LoopbackProvider) -> None:
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS)
        pin = {"configurable": {"switchwise_target": "mid"}}
        assert target_of(routed(policy).invoke("hello", pin)) == "mid"
        assert target_of(routed(Rules().prefer("mid"), policy).invoke("hello")) == "mid"
        assert target_of(routed(Rules().exclude("strong").exclude("fast"), policy).invoke("hello")) == "mid"
        same = ByDecision(openai_decisions(provider), HARD, {"easy": "fast", "hard": "fast"})
        assert target_of(routed(Rules().require("fast"), same).invoke("hello")) == "fast"
        assert provider.requests == ()

    def test_not_where_it_is_not_wanted(self, provider: LoopbackProvider) -> None:
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, when=lambda view: view.scope.agent == "main")
        config = {"metadata": {"lc_agent_name": "explorer"}}
        assert target_of(routed(policy).invoke("hello", config)) == "strong"
        assert provider.requests == ()

    def test_once_for_each_turn_of_the_user(self, provider: LoopbackProvider) -> None:
        @tool
        def look() -> str:
            """Look."""
            return "seen"

        def act(messages: Sequence[Any]) -> AIMessage:
            calls = [{"name": "look", "args": {}, "id": f"c{len(messages)}"}] if len(messages) % 4 != 3 else []
            return AIMessage("go", tool_calls=calls)

        journal = InMemory()
        pool = Pool([Target("strong"), Target("fast")])
        models = {name: Scripted(model_name=name, answer=act) for name in ("strong", "fast")}
        router = Router(pool, ByDecision(openai_decisions(provider), HARD, TARGETS), observers=[journal])
        agent = create_agent(ChatSwitchwise(models, router=router), [look], middleware=[SwitchwiseMiddleware()])
        state: Any = agent.invoke({"messages": [("user", "Easy.")]}, session("a"))
        agent.invoke({"messages": [*state["messages"], ("user", "A proof, then.")]}, session("a"))
        assert [record.target for record in journal if record.purpose == "answer"] == ["fast", "fast", "strong", "strong"]
        assert [seen.body["input"] for seen in provider.requests] == ["Easy.", "A proof, then."]

    def test_or_at_each_step(self, provider: LoopbackProvider) -> None:
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS, every="step"))
        asked = HumanMessage("Easy.")
        call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "c1"}])
        llm.invoke([asked], session("a"))
        llm.invoke([asked, call, _result("c1")], session("a"))
        assert len(provider.requests) == 2

    def test_a_target_that_fails_is_no_reason_to_ask_again(self, provider: LoopbackProvider) -> None:
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS))
        llm.models["fast"].script[:] = [TimeoutError("slow")]  # type: ignore[attr-defined]
        answer = llm.invoke("hello")
        assert [attempt["target"] for attempt in answer.response_metadata["switchwise"]["attempts"]] == ["fast", "strong"]
        assert len(provider.requests) == 1

    def test_agents_of_one_name_that_run_at_once_do_not_share_an_answer(self, provider: LoopbackProvider) -> None:
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS))

        def loop(number: int) -> list[str]:
            word = "proof" if number % 2 else "sum"
            config: Any = {
                "metadata": {"lc_agent_name": "worker"},
                "configurable": {"thread_id": "t", "checkpoint_ns": f"tools:{number}|model:1"},
            }
            messages: list[Any] = [HumanMessage(f"A {word} for {number}.")]
            targets = []
            for step in range(4):
                targets.append(target_of(llm.invoke(messages, config)))
                call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": f"{number}-{step}"}])
                messages = [*messages, call, _result(f"{number}-{step}")]
            return targets

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(loop, range(8), timeout=60))
        assert found == [["strong" if number % 2 else "fast"] * 4 for number in range(8)]
        assert len(provider.requests) == 8

    @pytest.mark.parametrize(("level", "asked"), [("session", 2), ("task", 3)])
    def test_it_can_be_held(self, provider: LoopbackProvider, level: str, asked: int) -> None:
        llm = routed(hold(ByDecision(openai_decisions(provider), HARD, TARGETS), per=level))
        calls = [("a", "x", "Easy."), ("a", "x", "A proof."), ("a", "y", "A proof."), ("b", "x", "A proof.")]
        answers = []
        for thread, task, text in calls:
            config = {"configurable": {"thread_id": thread, "switchwise_task": task}}
            answers.append(target_of(llm.invoke(text, config)))
        assert len(provider.requests) == asked
        assert answers[1] == answers[0] == "fast"
        assert answers[2] == ("fast" if level == "session" else "strong")

    def test_a_failure_is_not_held(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.BAD_REQUEST)
        llm = routed(hold(ByDecision(openai_decisions(provider), HARD, TARGETS), per="session"))
        assert [target_of(llm.invoke("hello", session("a"))) for _ in range(3)] == ["strong", "fast", "fast"]
        assert len(provider.requests) == 2

    def test_who_only_asks_what_would_be_decided_asks_no_model(self, provider: LoopbackProvider) -> None:
        llm = routed(ByDecision(openai_decisions(provider), HARD, TARGETS))
        assert llm.explain("hello").shortlist.names == ("strong", "mid", "fast")
        assert provider.requests == ()


class TestBudgets:
    def test_a_budget_pays_for_questions_too(self, provider: LoopbackProvider) -> None:
        budget = Budget(usd=1.0)
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, price=Price(1_000, 0))
        llm = routed(budget, policy)
        llm.invoke("hello", session("a"))
        view = llm.dispatch.view(llm.dispatch.request("hello", session("a"), {}))
        seen = provider.requests[0].usage
        assert seen is not None
        assert budget.spent(view)[0] > seen.input_tokens * 1e-3

    def test_what_it_does_not_allow_is_not_asked(self, provider: LoopbackProvider) -> None:
        journal = InMemory()
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, price=Price(1e9, 0))
        assert target_of(routed(Budget(usd=1.0), policy, observers=[journal]).invoke("hello")) == "strong"
        assert provider.requests == ()
        because = [*journal][-1].notes[0]["because"]
        assert because.startswith("gpt-6-luna gave no answer: gpt-6-luna decisions may not be asked: session")
        assert because.endswith("(Budget)")

    def test_without_a_price_it_says_what_a_budget_needs(self) -> None:
        journal = InMemory()
        policy = ByDecision(RunnableLambda(lambda _: None), OPENAI_QUESTIONS["choice"](), TARGETS)
        assert target_of(routed(Budget(usd=1.0), policy, observers=[journal]).invoke("hello")) == "strong"
        assert [*journal][-1].notes[0]["because"].endswith("; a budget in USD needs its price: give price=")


def seen(messages: list[Any]) -> View:
    return View(conversation=Conversation(messages, turn_of))


class TestWhatItIsShown:
    def test_the_users_last_words_with_what_is_not_text_named(self) -> None:
        picture = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
        messages = [HumanMessage([{"type": "text", "text": "What is"}, picture]), AIMessage("A cat.")]
        assert last_request(seen(messages)) == "What is [image]"
        assert last_request(seen([AIMessage("Nobody asked.")])) == "Nobody asked."
        assert last_request(seen([])) == ""

    def test_a_long_message_without_its_middle(self) -> None:
        shown = last_request(seen([HumanMessage("a" * 50_000 + "z")]))
        assert len(shown) < LONGEST + 10
        assert shown.endswith("z")

    def test_or_whatever_the_user_makes_of_the_messages(self, provider: LoopbackProvider) -> None:
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, state=lambda messages: f"{len(messages)} messages")
        routed(policy).invoke("hello")
        assert provider.requests[0].body["input"] == "1 messages"

    def test_a_bug_in_that_is_not_taken_for_a_failure(self, provider: LoopbackProvider) -> None:
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, state=lambda messages: messages[9])
        with pytest.raises(IndexError):
            routed(policy).invoke("hello")


class TestWhatItIsMadeOf:
    def test_labels_that_the_question_does_not_have_are_refused(self, provider: LoopbackProvider) -> None:
        with pytest.raises(
            ConfigurationError, match="'simple' is not an answer to its question; those are: 'easy', 'hard', 'other'"
        ):
            ByDecision(openai_decisions(provider), OPENAI_QUESTIONS["choice"](), {"simple": "fast"})

    def test_targets_that_the_pool_does_not_have_are_refused(self, provider: LoopbackProvider) -> None:
        with pytest.raises(ConfigurationError, match="'giant' is neither a target nor a role"):
            routed(ByDecision(openai_decisions(provider), HARD, {"easy": "fast", "hard": "giant"}))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"targets": {}}, "name a target or role for each label"),
            ({"every": "day"}, "use 'turn' or 'step'"),
            ({"threshold": 2}, "a probability from 0 to 1"),
            ({"model": Scripted()}, "Scripted is not a decision model"),
            ({"model": RunnableLambda(str)}, r"langchain-core >= 1\.8; installed is \d"),
            ({"question": {"type": "choice"}}, "dict is not a question to choose by"),
        ],
    )
    def test_what_cannot_work_is_said_at_once(self, provider: LoopbackProvider, options: Any, words: str) -> None:
        given = {"model": openai_decisions(provider), "question": HARD, "targets": TARGETS, **options}
        with pytest.raises(ConfigurationError, match=words):
            ByDecision(given.pop("model"), given.pop("question"), given.pop("targets"), **given)

    def test_a_label_without_a_target_is_no_opinion(self) -> None:
        with LoopbackProvider([Answer("other")]) as provider:
            journal = InMemory()
            llm = routed(ByDecision(openai_decisions(provider), OPENAI_QUESTIONS["choice"](), TARGETS), observers=[journal])
            assert target_of(llm.invoke("hello")) == "strong"
            assert [*journal][-1].notes[0]["because"] == "gpt-6-luna says 'other' (0.90), which names no target"

    def test_nor_is_one_that_is_not_sure_enough(self, provider: LoopbackProvider) -> None:
        journal = InMemory()
        policy = ByDecision(openai_decisions(provider), HARD, TARGETS, threshold=0.95)
        assert target_of(routed(policy, observers=[journal]).invoke("hello")) == "strong"
        assert [*journal][-1].notes[0]["because"] == "gpt-6-luna says 'easy' (0.90), which is less sure than 0.95"

    @pytest.mark.parametrize("error", [KeyError("a bug"), RuntimeError("no memory"), ValueError("hosted images")])
    async def test_whatever_a_model_dies_of_the_run_goes_on(self, error: Exception) -> None:
        def broken(_: Any) -> Any:
            raise error

        journal = InMemory()
        llm = routed(ByDecision(RunnableLambda(broken), OPENAI_QUESTIONS["choice"](), TARGETS), observers=[journal])
        assert target_of(llm.invoke("hello", session("a"))) == "strong"
        assert target_of(await llm.ainvoke("hello", session("b"))) == "strong"
        assert [record.failure for record in asks(journal)] == ["unsupported", "unsupported"]

    def test_an_answer_that_makes_no_sense_is_a_failure_like_any_other(self) -> None:
        llm = routed(ByDecision(RunnableLambda(lambda _: "hard"), OPENAI_QUESTIONS["choice"](), TARGETS))
        assert target_of(llm.invoke("hello")) == "strong"

    def test_an_interrupt_of_the_graph_is_no_failure(self) -> None:
        def interrupted(_: Any) -> Any:
            raise GraphInterrupt

        llm = routed(ByDecision(RunnableLambda(interrupted), OPENAI_QUESTIONS["choice"](), TARGETS))
        with pytest.raises(GraphInterrupt):
            llm.invoke("hello")

    async def test_a_cancelled_call_is_cancelled(self) -> None:
        begun = asyncio.Event()

        async def slow(_: Any) -> Any:
            begun.set()
            await asyncio.sleep(30)

        llm = routed(ByDecision(RunnableLambda(lambda _: None, afunc=slow), OPENAI_QUESTIONS["choice"](), TARGETS))
        task = asyncio.ensure_future(llm.ainvoke("hello"))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)

    def test_it_keeps_the_contract_of_policies(self, provider: LoopbackProvider) -> None:
        check_policy(lambda: ByDecision(openai_decisions(provider), HARD, TARGETS))
        assert provider.requests == ()

    def test_by_itself_it_decides_nothing(self, provider: LoopbackProvider) -> None:
        """A router that calls nobody passes it over."""
        router = Router(Pool([Target("strong"), Target("fast")]), ByDecision(openai_decisions(provider), HARD, TARGETS))
        assert router.decide(View()).names == ("strong", "fast")


class TestModelsOfTheCore:
    """Decision models that need no LangChain, and models of the pool, choose here too."""

    @pytest.mark.parametrize("kind", [OpenAIDecisions, SystemOne])
    async def test_one_over_http_chooses_sync_async_and_in_an_agent(
        self, provider: LoopbackProvider, kind: type[DecisionModel]
    ) -> None:
        model = kind("gpt-6-luna", api_key="test", base_url=provider.openai_url)
        journal = InMemory()
        llm = routed(by_decision.ByDecision(model, HARD, TARGETS), observers=[journal])
        easy, hard = llm.invoke("What is two and two?", session("a")), await llm.ainvoke("Find a proof of it.", session("b"))
        agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()])
        last = agent.invoke({"messages": [("user", "A proof, please.")]}, session("c"))["messages"][-1]
        assert [target_of(answer) for answer in (easy, hard, last)] == ["fast", "strong", "strong"]
        assert [record.purpose for record in journal] == ["ask", "answer"] * 3

    def test_the_name_from_this_package_takes_it_too(self, provider: LoopbackProvider) -> None:
        model = SystemOne("jev-1.14.0", api_key="test", base_url=provider.openai_url)
        assert target_of(routed(ByDecision(model, HARD, TARGETS)).invoke("hello")) == "fast"

    def test_a_chat_model_of_the_pool_answers_in_words(self) -> None:
        def answer(messages: Sequence[Any]) -> AIMessage:
            code = str(messages[-1].content).split("ANSWERS ")[-1][:8]
            return AIMessage(f'ANSWERS {code}: {{"switchwise": "hard"}}')

        pool = Pool([Target("fast"), Target("strong")], asked=[Target("classifier")])
        models: dict[str, Any] = {name: Scripted(model_name=name) for name in ("fast", "strong")}
        models["classifier"] = Scripted(model_name="classifier", answer=answer)
        llm = ChatSwitchwise(models, router=Router(pool, ByDecision("classifier", HARD, {"easy": "fast", "hard": "strong"})))
        answered = llm.invoke("hello")
        assert (target_of(answered), because_of(answered)) == (
            "strong",
            "classifier says 'hard' (of unknown probability): strong",
        )


def _result(call: str) -> Any:
    from langchain_core.messages import ToolMessage

    return ToolMessage("seen", tool_call_id=call)


if CORE:

    class TestLangChainCore:
        """Decision models of langchain-core, which has them from 1.8 on; tested where it is installed."""

        @pytest.mark.parametrize(
            ("kind", "says", "targets", "target", "because"),
            [
                ("choice", "easy", TARGETS, "fast", "scripted-decisions says 'easy' (0.90): fast"),
                ("choice", "hard", TARGETS, "strong", "scripted-decisions says 'hard' (0.90): strong"),
                ("score", 0.6, {0: "fast", 1: "mid"}, "mid", "scripted-decisions says 1 (0.60 of 2): mid"),
                ("yes or no", 0.3, {True: "strong", False: "fast"}, "fast", "scripted-decisions says False (0.30): fast"),
            ],
        )
        async def test_each_kind_of_question_chooses(
            self, kind: str, says: Any, targets: Any, target: str, because: str
        ) -> None:
            policy = ByDecision(ScriptedDecisions(says=says), CORE_QUESTIONS[kind](), targets)
            answer = routed(policy).invoke("hello", session("a"))
            assert (target_of(answer), because_of(answer)) == (target, because)
            assert target_of(await routed(policy).ainvoke("hello", session("b"))) == target

        def test_instructions_alone_make_a_choice_between_the_labels(self) -> None:
            model = ScriptedDecisions(says=lambda state: "hard" if "proof" in state else "easy", asked=[])
            llm = routed(ByDecision(model, HARD, TARGETS))
            assert [target_of(llm.invoke(text, session(text))) for text in ("A sum.", "A proof.")] == ["fast", "strong"]
            assert model.asked == ["A sum.", "A proof."]

        def test_usage_counts_with_the_price_that_is_given(self) -> None:
            journal = InMemory()
            policy = ByDecision(ScriptedDecisions(), HARD, TARGETS, price=Price(1, 10))
            routed(policy, observers=[journal]).invoke("hello")
            (record,) = asks(journal)
            assert (record.input_tokens, record.output_tokens) == (40, 2)
            assert record.cost == pytest.approx(60e-6)

        def test_what_is_not_known_stays_unknown(self) -> None:
            journal = InMemory()
            routed(ByDecision(ScriptedDecisions(usage=None), HARD, TARGETS), observers=[journal]).invoke("hello")
            (record,) = asks(journal)
            assert (record.input_tokens, record.cost) == (None, None)

        async def test_a_failing_model_does_not_end_the_run(self) -> None:
            from langchain_core.exceptions import ModelRefusalError

            for error in (ConnectionResetError("gone"), ModelRefusalError("no"), ZeroDivisionError()):
                llm = routed(ByDecision(ScriptedDecisions(says=error), HARD, TARGETS))
                assert target_of(llm.invoke("hello", session("a"))) == "strong"
                assert target_of(await llm.ainvoke("hello", session("b"))) == "strong"

        def test_questions_of_another_package_are_refused(self, provider: LoopbackProvider) -> None:
            with pytest.raises(ConfigurationError, match=r"takes questions of langchain_core\.decisions"):
                ByDecision(ScriptedDecisions(), OPENAI_QUESTIONS["choice"](), TARGETS)
            with pytest.raises(ConfigurationError, match=r"takes questions of langchain_openai\.decisions"):
                ByDecision(openai_decisions(provider), CORE_QUESTIONS["choice"](), TARGETS)

        def test_a_box_is_no_question_to_choose_by(self) -> None:
            from langchain_core.decisions import Box

            with pytest.raises(ConfigurationError, match="Box is not a question to choose by"):
                ByDecision(ScriptedDecisions(), Box(instructions="Where?"), {"easy": "fast"})
