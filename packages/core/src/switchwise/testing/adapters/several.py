"""Several targets for one request: hedging, and a second round of answers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.exchange.gather import Gather, Repeat, Together
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.policies.hedge import Hedge
from switchwise.testing.adapters.common import asked, loopback, two
from switchwise.testing.adapters.face import Ask, Face

_WAYS = tuple(itertools.product((False, True), (False, True)))
_AGAIN = "Criticise the other answer, then answer again."


def hedges(face: Face) -> None:
    """A second target answers where the first says nothing; the loser is cancelled, nothing is shown twice, the record says why."""
    late = threading.Event()

    def answer(request: Any) -> Any:
        from switchwise_loopback import Answer

        if request.model == "gpt-4.1-mini":
            late.wait(60)
        return Answer(f"{request.model} answers in several words")

    with loopback(answer=answer) as provider:
        try:
            for streamed, asynchronous in _WAYS:
                journal: list[Attempt] = []
                hedge = Hedge(after=0.02, at_most=1.0)
                hedge.load({"times": [], "calls": 1.0})
                adapter = two(face, provider.openai_url, journal, hedge)
                said = asked(face, adapter, Ask(streamed=streamed), asynchronous)
                assert said.text == "gpt-4o-mini answers in several words", said.text
                assert not streamed or "".join(said.pieces) == said.text, said.pieces
                tried = [(attempt["target"], str(attempt["result"])) for attempt in said.record["attempts"]]
                assert tried == [("one", "cancelled"), ("two", "accepted")], tried
                assert said.record["policy"] == "Hedge", said.record
                assert [attempt.abandoned for attempt in journal] == [True, False]
        finally:
            late.set()


def takes_rounds(face: Face) -> None:
    """A policy has both targets answer, then answer again with a note after the request; the second round's answer comes out."""

    class Rounds:
        name = "Rounds"

        def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:  # noqa: ARG002  (a policy)
            return shortlist.together(Together(self.name, 2, "a check", lambda _: 0.0, 2, self.choose))

        def choose(self, view: View, replies: Sequence[tuple[Target, Reply]]) -> Any:  # noqa: ARG002
            again = yield Gather([Repeat(target.name, _AGAIN) for target, _ in replies])
            return [(reply, Verdict(True, "the second round", 1.0)) for reply in sorted(again, key=lambda reply: reply.text)]

    def answer(request: Any) -> Any:
        from switchwise_loopback import Answer

        return Answer(f"{request.model} says {str(_AGAIN in str(request.messages[-1])).lower()}")

    with loopback(answer=answer) as provider:
        for streamed, asynchronous in _WAYS:
            said = asked(face, two(face, provider.openai_url, None, Rounds()), Ask(streamed=streamed), asynchronous)
            assert said.text == "gpt-4.1-mini says true", said.text
            assert not streamed or "".join(said.pieces) == said.text, said.pieces
            assert len(said.record["attempts"]) == 4, said.record
