"""Several verifiers as one: all must accept.

Use it to put what costs nothing before what costs a call: `AllOf(NotEmpty(), Schema(...), Judge("haiku"))` asks the judge only about
replies that pass the others. Not to make a weak verifier strong: two that err alike reject alike.
"""

from __future__ import annotations

from collections.abc import Generator

from switchwise.engine.policy import Flow, Verifier
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.verifiers.joined import Joined


class AllOf(Joined):
    """Accept a reply that every verifier accepts; the first that rejects ends it, and the others are not asked.

    Parameters:
        verifiers: in the order in which they are asked: the cheap ones first.

    Raises:
        ConfigurationError: none is given, or something that is no verifier.

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
