"""Reject replies by a plain Python test.

Use it for what code can tell: an answer is empty, quotes no source, is in the wrong language. Not for the shape of
structured output (see `Schema`), nor for what takes judgement (see `Judge`).
"""

from __future__ import annotations

from collections.abc import Callable

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View


class Predicate:
    """Accept the replies that pass a test.

    A test that raises is a bug in the test and passes through.

    Parameters:
        test: whether a reply may be shown.
        because: why one that fails may not.

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
