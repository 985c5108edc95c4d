"""Ask the same target again, and accept a reply that its further answers agree with: self-consistency.

Use it without a second model, for short or structured answers: an answer that a model repeats is more often right. Not at
temperature 0 or behind a response cache, where all answers are the same; not for free text; not where calls are expensive: each
reply costs `times - 1` further calls, made at once and stopped when the vote is decided.

Source: X. Wang et al., "Self-consistency improves chain of thought reasoning in language models", 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from switchwise.engine.policy import Flow
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.gather import Gather, Repeat
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.observe.verdicts import Counted
from switchwise.reading.answer_key import answer_key


class Agreement(Counted):
    """Accept a reply if enough further answers of the same target agree with it.

    Parameters:
        times: number of answers, the reply included; from 2 to 9.
        least: share of the answers that must agree, the reply included.
        key: function of an answer; two answers agree if their keys are equal. None: `switchwise.reading.answer_key`: tool
            calls, JSON, a final answer, or all words.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.policies import Rules
    >>> from switchwise.testing import Script
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Rules().prefer("haiku"), verify=Agreement(times=3))
    >>> answers = iter(["7", "8", "9"])
    >>> run = router.start(View())
    >>> "".join(drive(run, Script(haiku=lambda call: next(answers), opus="8").perform))
    '8'
    >>> run.outcome.attempts[0].verdict.because
    '1 of 3 answers agree'
    """

    name = "Agreement"

    def __init__(self, times: int = 3, least: float = 0.6, *, key: Callable[[Reply], str] | None = None) -> None:
        super().__init__()
        if not isinstance(times, int) or isinstance(times, bool) or not 2 <= times <= 9:
            raise ConfigurationError(f"Agreement(times={times!r}): give a whole number from 2 to 9")
        number("Agreement", "least", least, most=1.0, above=True)
        if key is not None and not callable(key):
            raise ConfigurationError(f"Agreement(key={key!r}): give a function of the reply")
        self.times, self.least = times, least
        self._key = key or answer_key

    def __call__(self, view: View, reply: Reply) -> Flow[Verdict]:
        mine, needed = self._key(reply), self.least * self.times - 1e-9

        def agreeing(replies: Sequence[Reply]) -> int:
            return 1 + sum(self._key(each) == mine for each in replies)

        def decided(replies: Sequence[Reply]) -> bool:
            left = self.times - 1 - len(replies)
            return agreeing(replies) >= needed or agreeing(replies) + left < needed

        others = yield Gather([Repeat()] * (self.times - 1), decided)
        replies = [each for each in others if isinstance(each, Reply)]
        self.asked(*replies)
        if not replies:
            return self.given(view, Verdict(True, "no second answer could be had", 0.5))
        agree, of = agreeing(replies), 1 + len(replies)
        enough = agree >= needed or agree >= self.least * of - 1e-9
        return self.given(view, Verdict(enough, f"{agree} of {of} answers agree", agree / of))
