"""Combine verifiers: accept what all of them accept.

Use it to run free checks before those that cost a call: `AllOf(NotEmpty(), Schema(...), Judge("haiku"))` asks the judge only
about replies that pass the others. Not to strengthen a weak verifier: similar verifiers make the same errors.
"""

from __future__ import annotations

from collections.abc import Generator

from switchwise.engine.policy import Flow, Verifier
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.verifiers.joined import Joined


class AllOf(Joined):
    """Accept a reply that every verifier accepts; after the first rejection the others are not asked.

    Parameters:
        verifiers: asked in this order; put the cheap ones first.

    Raises:
        ConfigurationError: no verifier is given, or an argument is not a verifier.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Script
    >>> from switchwise.verifiers import NotEmpty, Predicate
    >>> both = AllOf(NotEmpty(), Predicate(lambda reply: "[1]" in reply.text, "it cites nothing"))
    >>> run = Router(Pool([Target("haiku"), Target("opus")]), verify=both).start(View())
    >>> "".join(drive(run, Script(haiku="Perhaps.", opus="Yes [1].").perform))
    'Yes [1].'
    >>> run.outcome.attempts[0].verdict.because
    'Predicate: it cites nothing'
    """

    name = "AllOf"

    def __init__(self, *verifiers: Verifier) -> None:
        super().__init__(verifiers)

    def __call__(self, view: View, reply: Reply) -> Flow[Verdict]:
        scores = []
        for verifier in self.verifiers:
            opinion = verifier(view, reply)
            verdict = (yield from opinion) if isinstance(opinion, Generator) else opinion
            if not verdict.accepted:
                return self.given(view, self.signed(verifier, verdict))
            scores.append(verdict.score)
        return self.given(view, Verdict(True, "every verifier accepts it", min(scores)))
