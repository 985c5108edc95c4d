"""Combine verifiers: accept what one of them accepts.

Use it where a cheap verifier is sure of some replies and an expensive one checks the rest: `AnyOf(Witness("luna"),
Judge("opus"))`. Not where each verifier checks a different property (see `AllOf`).
"""

from __future__ import annotations

from collections.abc import Generator

from switchwise.engine.policy import Flow, Verifier
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.verifiers.joined import Joined


class AnyOf(Joined):
    """Accept a reply that some verifier accepts; after the first acceptance the others are not asked.

    Parameters:
        verifiers: asked in this order; put the cheap ones first.

    Raises:
        ConfigurationError: no verifier is given, or an argument is not a verifier.

    >>> from switchwise import Reply, View
    >>> from switchwise.verifiers import Predicate
    >>> either = AnyOf(Predicate(lambda reply: len(reply.text) < 9, "it is long"), Predicate(lambda reply: "[1]" in reply.text, "it cites nothing"))
    >>> flow = either(View(), Reply("A long answer that cites nothing"))
    >>> try:
    ...     next(flow)
    ... except StopIteration as done:
    ...     print(done.value.because)
    Predicate: it is long; Predicate: it cites nothing
    """

    name = "AnyOf"

    def __init__(self, *verifiers: Verifier) -> None:
        super().__init__(verifiers)

    def __call__(self, view: View, reply: Reply) -> Flow[Verdict]:
        rejected = []
        for verifier in self.verifiers:
            opinion = verifier(view, reply)
            verdict = (yield from opinion) if isinstance(opinion, Generator) else opinion
            if verdict.accepted:
                return self.given(view, self.signed(verifier, verdict))
            rejected.append(self.signed(verifier, verdict))
        because, best = "; ".join(each.because for each in rejected), max(each.score for each in rejected)
        return self.given(view, Verdict(False, because, best))
