"""Reject replies by a Python function.

Use it for properties that code can check: the answer is empty, cites no source, is in the wrong language. Not for the shape of
structured output (see `Schema`), nor for properties that need judgement (see `Judge`).
"""

from __future__ import annotations

from collections.abc import Callable

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View


class Predicate:
    """Accept replies for which a test returns True.

    An exception of the test is a bug in the test and propagates.

    Parameters:
        test: function of the reply that returns whether it may be shown.
        because: the reason of a rejection.

    >>> from switchwise import Reply, View
    >>> verify = Predicate(lambda reply: "[1]" in reply.text, because="it cites no source")
    >>> verify(View(), Reply("Water is wet.")).because
    'it cites no source'
    """

    name = "Predicate"

    def __init__(self, test: Callable[[Reply], bool], because: str) -> None:
        if not callable(test):
            raise ConfigurationError(f"Predicate({test!r}): give a function of the reply")
        self.test = test
        self.because = because

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002  (a verifier takes the view)
        return Verdict(True, score=1.0) if self.test(reply) else Verdict(False, self.because)
