"""Judge a reply by several yes-or-no criteria, in one question to a model.

Use it where you can list the properties of a good answer: sources, the right tone, every part of the question. Single criteria
are judged more consistently than one score (see `Judge`), and the verdict names the missed ones. Not for properties that code
can check (see `Predicate`, `Schema`), and not as a defence against attacks: the reply may try to persuade its judge.

The judge sees the user's last turn and the reply, between marks that the reply cannot forge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from switchwise.engine.policy import Flow
from switchwise.nouns.errors import ConfigurationError, TargetError
from switchwise.nouns.exchange.ask import Ask, Question
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.observe.verdicts import Counted


class Rubric(Counted):
    """Accept a reply that meets enough of the criteria.

    Parameters:
        target: name or role of the judge.
        criteria: name -> yes-or-no question; or the questions alone.
        least: share of the weight that must be met.
        weights: name -> weight; default 1. A criterion of weight 0 is only recorded.
        on_failure: the verdict if the judge fails, may not be asked, or answers no criterion.

    Raises:
        ConfigurationError: a parameter is out of range; or, when the router is built, the judge is not in the pool.

    >>> from switchwise import Answer, Pool, Reply, Router, Target, View, drive
    >>> from switchwise.policies import Rules
    >>> rubric = Rubric("judge", {"source": "Does it name a source?", "short": "Is it short?"})
    >>> router = Router(Pool([Target("opus"), Target("haiku")], asked=[Target("judge")]), Rules().prefer("haiku"), verify=rubric)
    >>> def perform(call):
    ...     if call.ask is None:
    ...         yield Reply(call.target.name)
    ...     else:
    ...         yield Reply(answers={"source": Answer(label=False), "short": Answer(label=True)})
    >>> run = router.start(View())
    >>> _ = list(drive(run, perform))
    >>> run.outcome.attempts[0].verdict.because
    'judge: source is not met'
    """

    name = "Rubric"

    def __init__(
        self,
        target: str,
        criteria: Mapping[str, str] | Sequence[str],
        least: float = 1.0,
        *,
        weights: Mapping[str, float] | None = None,
        on_failure: Literal["accept", "reject"] = "accept",
    ) -> None:
        super().__init__()
        if isinstance(criteria, str) or not criteria:
            raise ConfigurationError(
                f"Rubric(criteria={criteria!r:.80}): give name -> question, such as {{'source': 'Is there one?'}}"
            )
        named = (
            dict(criteria) if isinstance(criteria, Mapping) else {f"criterion {i}": each for i, each in enumerate(criteria, 1)}
        )
        number("Rubric", "least", least, most=1.0, above=True)
        if strange := (weights or {}).keys() - named.keys():
            raise ConfigurationError(
                f"Rubric(weights=...) names {', '.join(sorted(strange))}: the criteria are {', '.join(named)}"
            )
        for name, weight in (weights or {}).items():
            number("Rubric", f"weights[{name}]", weight)
        if on_failure not in ("accept", "reject"):
            raise ConfigurationError(f"Rubric(on_failure={on_failure!r}): use 'accept' or 'reject'")
        self.target, self.criteria, self.least, self.on_failure = target, named, least, on_failure
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in named}
        self._questions = {name: Question.yes_no(question) for name, question in named.items()}

    def check(self, pool: Pool) -> None:
        """Check that the judge is in the pool."""
        pool.select(self.target)

    def __call__(self, view: View, reply: Reply) -> Flow[Verdict]:
        calls = [f"calls the tool {name} with {json.dumps(args, default=str)}" for name, args in reply.tool_calls]
        about = {"request": view.last_user, "answer to be judged": "\n".join([reply.text, *calls]).strip()}
        try:
            ruling = yield Ask(self._questions, about, self.target, because="it judges the reply by criteria")
        except TargetError as error:
            return self.given(view, Verdict(self.on_failure == "accept", f"the judge failed: {error}"))
        self.asked(ruling)
        met = {name: label for name in self.criteria if isinstance(label := ruling.answers[name].label, bool)}
        whole = sum(self.weights[name] for name in met)
        if not whole:
            return self.given(view, Verdict(self.on_failure == "accept", "the judge answered none of the criteria"))
        score = sum(self.weights[name] for name, yes in met.items() if yes) / whole
        missed = [name for name, yes in met.items() if not yes]
        because = (
            f"{self.target}: {', '.join(missed)} {'is' if len(missed) == 1 else 'are'} not met" if missed else "all is met"
        )
        return self.given(view, Verdict(score >= self.least - 1e-9, because, score))
