"""Hedged calls over the real SDK: the connection of the call that loses is closed at once, not when its provider answers."""

from __future__ import annotations

import threading

from switchwise import Pool, Router, Target
from switchwise.clients import Clients, OpenAIClient
from switchwise.policies import Hedge
from switchwise_loopback import Answer, LoopbackProvider, Request


def test_the_thread_of_the_loser_ends_before_its_provider_answers() -> None:
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
                Router(Pool([Target("late"), Target("quick")]), hedge),
            )
            for streamed in (False, True):
                hedge.load({"times": [], "calls": 1.0})
                messages = [{"role": "user", "content": "hello"}]
                text = "".join(clients.stream(messages)) if streamed else clients.complete(messages).text
                assert text == "in time"
                for thread in threading.enumerate():
                    if thread.name == "switchwise-late":
                        thread.join(20)
                        assert not thread.is_alive()
        finally:
            late.set()
