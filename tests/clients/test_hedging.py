"""Hedged calls over the real SDK: the connection of the call that loses is closed at once, not when its provider answers."""

from __future__ import annotations

import threading

import pytest

from switchwise import Ask, Gather, Limits, Pool, Question, Router, Target
from switchwise.clients import Clients, OpenAIClient, OpenAIDecisions
from switchwise.policies import Hedge
from switchwise_loopback import Answer, LoopbackProvider, Request


def all_threads_of(*names: str) -> None:
    """Wait for the end of the threads that make calls."""
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(20)
            assert not thread.is_alive(), thread.name


@pytest.mark.parametrize("limits", [None, Limits(total=60)], ids=["no limit", "with a limit"])
def test_the_thread_of_the_loser_ends_before_its_provider_answers(limits: Limits | None) -> None:
    late = threading.Event()

    def answer(request: Request) -> Answer:
        if request.model == "gpt-4.1":
            late.wait(60)
        return Answer("in time")

    with LoopbackProvider(answer=answer) as provider:
        try:
            hedge = Hedge(after=0.05, at_most=1.0)
            models = {"late": "gpt-4.1", "quick": "gpt-4o"}
            clients = Clients(
                {name: OpenAIClient(model=model, api_key="k", base_url=provider.openai_url) for name, model in models.items()},
                Router(Pool([Target("late", limits=limits), Target("quick")]), hedge),
            )
            for streamed in (False, True):
                hedge.load({"times": [], "calls": 1.0})
                messages = [{"role": "user", "content": "hello"}]
                text = "".join(clients.stream(messages)) if streamed else clients.complete(messages).text
                assert text == "in time"
                all_threads_of("switchwise-late", "switchwise call")
        finally:
            late.set()


def test_so_does_that_of_a_decision_model_whose_answer_is_not_needed_any_more() -> None:
    late = threading.Event()

    def answer(request: Request) -> Answer:
        if request.model == "late":
            late.wait(60)
        return Answer("easy")

    with LoopbackProvider(answer=answer) as provider:
        try:
            url, question = provider.openai_url, {"route": Question.choice("How hard is it?", ["easy", "hard"])}
            judges = [OpenAIDecisions(name, api_key="k", base_url=url, timeout=60, name=name) for name in ("late", "quick")]

            def policy(view, shortlist):
                first, second = yield Gather([Ask(question, "2 + 2", model=judge) for judge in judges], until=1)
                assert first is None
                return shortlist.prefer(["fast"], second.answers["route"].label)

            clients = Clients(
                {name: OpenAIClient(model=name, api_key="k", base_url=url) for name in ("strong", "fast")},
                Router(Pool([Target("strong"), Target("fast")]), policy),
            )
            assert clients.complete([{"role": "user", "content": "hello"}]).outcome.target.name == "fast"
            all_threads_of("switchwise-late", "switchwise call")
        finally:
            late.set()
