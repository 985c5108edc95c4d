"""Several targets for one request: hedging and consensus."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.policies.consensus import Consensus
from switchwise.policies.hedge import Hedge
from switchwise.testing.adapters.common import asked, loopback, two
from switchwise.testing.adapters.face import Face, NeutralRequest

_WAYS = tuple(itertools.product((False, True), (False, True)))


def hedges(face: Face) -> None:
    """A second target answers if the first is silent; the losing call is cancelled, no text is shown twice, the record has the reason."""
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
                given = asked(face, adapter, NeutralRequest(streamed=streamed), asynchronous)
                assert given.text == "gpt-4o-mini answers in several words", given.text
                assert not streamed or "".join(given.pieces) == given.text, given.pieces
                tried = [(attempt["target"], str(attempt["result"])) for attempt in given.record["attempts"]]
                assert tried == [("one", "cancelled"), ("two", "accepted")], tried
                assert given.record["policy"] == "Hedge", given.record
                assert [attempt.abandoned for attempt in journal] == [True, False]
        finally:
            late.set()


def agrees(face: Face) -> None:
    """Two targets differ, get the request again with the other's answer, and agree: that answer is returned, once."""

    def answer(request: Any) -> Any:
        from switchwise_loopback import Answer

        again = "Others have answered this request too" in str(request.messages[-1])
        return Answer("Both say so now. Answer: 42" if again else f"I say: {request.model}")

    with loopback(answer=answer) as provider:
        for streamed, asynchronous in _WAYS:
            journal: list[Attempt] = []
            consensus = Consensus(of=2, when=lambda _: True, rounds=1)
            given = asked(
                face, two(face, provider.openai_url, journal, consensus), NeutralRequest(streamed=streamed), asynchronous
            )
            assert given.text == "Both say so now. Answer: 42", given.text
            assert not streamed or "".join(given.pieces) == given.text, given.pieces
            assert [attempt["result"] for attempt in given.record["attempts"]].count("accepted") == 2, given.record
            assert len(journal) == 4, journal
            assert all(attempt.reply is not None and attempt.reply.usage is not None for attempt in journal), "all are paid for"
