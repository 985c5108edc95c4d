"""Send single steps of an agent's loop to the target that suits them, by the kind of the last message.

Use it to give first turns and failures to the strongest target and routine tool results to a fast one. Consider the prompt
cache first: each target must read the whole conversation, so a fast target at half the price soon costs more (see
docs/design/default-chain.md).

Source: langchain-router's rule by the type of the last message; NVIDIA NeMo Switchyard's stage router.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import StepKind
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View

_FAILURE = StepKind.FAILURE  # a look-up in its class takes ten times as long in Python 3.11


class ByStep:
    """Prefer the target named for the kind of step. Each parameter is a target or role; None: no opinion.

    Parameters:
        first: the thread has no answer yet.
        failure: the last tool call failed. It outranks `first`.
        tool_result: the last tool call succeeded.
        user_turn: the last message is the user's.
        final_answer: the step gives the final answer.

    Raises:
        ConfigurationError: when the router is built, a parameter names neither a target nor a role of the pool.

    >>> from switchwise import Pool, Router, Signals, StepKind, Target, View
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), ByStep())
    >>> router.decide(View(signals=Signals(step=StepKind.TOOL_RESULT))).names
    ('haiku', 'opus')
    >>> router.decide(View(signals=Signals(step=StepKind.FAILURE, failures=2))).decider.because
    'failure is given strong'
    """

    name = "ByStep"

    def __init__(
        self,
        *,
        first: str | None = "strong",
        failure: str | None = "strong",
        tool_result: str | None = "fast",
        user_turn: str | None = None,
        final_answer: str | None = None,
    ) -> None:
        self.first = first
        kinds = StepKind.FAILURE, StepKind.TOOL_RESULT, StepKind.USER_TURN, StepKind.FINAL_ANSWER
        given = zip(kinds, (failure, tool_result, user_turn, final_answer), strict=True)
        self.rules = {kind: word for kind, word in given if word is not None}

    def check(self, pool: Pool) -> None:
        """Check that each rule names a target or role of the pool."""
        for word in [*self.rules.values(), *([self.first] if self.first is not None else [])]:
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        signals = view.signals
        step = signals.step
        if signals.first and self.first is not None and step is not _FAILURE:
            return shortlist.prefer(shortlist.pool.selections[self.first], f"the first step is given {self.first}")
        word = self.rules.get(step) if step is not None else None
        if word is None:
            return shortlist
        return shortlist.prefer(shortlist.pool.selections[word], f"{step} is given {word}")
