"""Let a second, cheap target answer the same request, and accept the reply if the two agree.

Use it for a cascade over questions with a short or structured answer, where a judge would have to solve the question itself:
two independently trained models seldom make the same mistake. Choose a witness of another family than the target that it
checks. Not for long free text, which always differs (or give `same`, a target that compares meanings), nor where the witness is
much weaker than the target: then it rejects right answers.

The witness answers the caller's request, with its tools and history, and does not see the answer that it checks. Each judged
reply costs a call to the witness; `counts` has the total.

Source: NVIDIA NeMo Switchyard's verification-gated routing calls an independent answer its second-best evidence, after a test suite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from switchwise.engine.policy import Flow
from switchwise.nouns.errors import ConfigurationError, TargetError
from switchwise.nouns.exchange.ask import Ask, Question
from switchwise.nouns.exchange.gather import Gather, Repeat
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.observe.verdicts import Counted
from switchwise.reading.answer_key import answer_key

_SAME = "Do both answers come to the same result? Wording, order and length do not count."


class Witness(Counted):
    """Accept a reply if an independent answer agrees with it.

    Parameters:
        target: name or role of the witness.
        same: target that decides whether differently worded answers mean the same; empty: they count as different.
        key: function of an answer; two answers agree if their keys are equal. None: `switchwise.reading.answer_key`: tool
            calls, JSON, a final answer, or all words.
        on_failure: the verdict if the witness fails or may not be asked.

    Raises:
        ConfigurationError: a parameter has a wrong type; or, when the router is built, a target is not in the pool.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.policies import Rules
    >>> from switchwise.testing import Script
    >>> pool = Pool([Target("opus"), Target("haiku"), Target("luna")])
    >>> router = Router(pool, Rules().prefer("haiku"), verify=Witness("luna"))
    >>> run = router.start(View())
    >>> "".join(drive(run, Script(haiku="Answer: 41", luna="Answer: 42", opus="Answer: 42").perform))
    'Answer: 42'
    >>> run.outcome.target.name, run.outcome.attempts[0].verdict.because
    ('opus', 'luna gives another answer')
    """

    name = "Witness"

    def __init__(
        self,
        target: str,
        same: str = "",
        *,
        key: Callable[[Reply], str] | None = None,
        on_failure: Literal["accept", "reject"] = "accept",
    ) -> None:
        super().__init__()
        if key is not None and not callable(key):
            raise ConfigurationError(f"Witness(key={key!r}): give a function of the reply")
        if on_failure not in ("accept", "reject"):
            raise ConfigurationError(f"Witness(on_failure={on_failure!r}): use 'accept' or 'reject'")
        self.target, self.same, self.on_failure = target, same, on_failure
        self._key = key or answer_key

    def check(self, pool: Pool) -> None:
        """Check that both targets are in the pool."""
        for word in (self.target, self.same):
            if word:
                pool.select(word)

    def __call__(self, view: View, reply: Reply) -> Flow[Verdict]:
        (second,) = yield Gather([Repeat(self.target)])
        self.asked(second)
        if not isinstance(second, Reply):
            return self.given(view, Verdict(self.on_failure == "accept", f"the witness failed: {second}"))
        if self._key(second) == self._key(reply):
            return self.given(view, Verdict(True, f"{self.target} gives the same answer", 1.0))
        if self.same and reply.text and second.text and not reply.tool_calls and not second.tool_calls:
            about = {"first answer": reply.text, "second answer": second.text}
            try:
                answer = yield Ask({"same": Question.yes_no(_SAME)}, about, self.same, because="it compares two answers")
            except TargetError as error:
                return self.given(view, Verdict(self.on_failure == "accept", f"the answers were not compared: {error}"))
            self.asked(answer)
            if answer.answers["same"].label is True:
                return self.given(view, Verdict(True, f"{self.same} says that {self.target} means the same", 0.9))
        return self.given(view, Verdict(False, f"{self.target} gives another answer", 0.2))
