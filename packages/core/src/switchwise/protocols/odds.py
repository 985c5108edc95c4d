"""Reads the probabilities in a decision model's answer, the same way for every API.

`confidence` is ignored: each server computes it differently. Values that are not a distribution over the question's labels are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.exchange.ask import Question
from switchwise.nouns.exchange.reply import Answer, Label

_SLACK = 0.02  # tolerance for rounded numbers that should add up to 1


def odds(question: Question, reported: Mapping[Any, Any]) -> Answer:
    """Return the answer that probabilities by label imply. For yes/no, the probability of yes is enough.

    >>> answer = odds(Question.choice("Which?", ["easy", "hard"]), {"easy": 0.2, "hard": 0.8})
    >>> answer.label, answer.probability
    ('hard', 0.8)
    >>> odds(Question.choice("Which?", ["easy", "hard"]), {"easy": 0.2, "hard": 0.1}).because
    'its probabilities add up to 0.30'
    """
    if question.is_yes_no:
        yes = _probability(reported.get(True))
        if yes is None:
            return Answer(because="it gave no probability")
        return Answer(label=yes >= 0.5, probabilities={True: yes, False: 1.0 - yes})
    found: dict[Label | int, float] = {}
    for label in question.labels:
        value = next((value for key, value in reported.items() if type(key) is type(label) and key == label), None)
        if (likely := _probability(value)) is None:
            return Answer(because=f"it gave no probability of {label!r}")
        found[label] = likely
    if because := _unbalanced(found):
        return Answer(because=because)
    best = max(question.labels, key=found.__getitem__)
    return Answer(label=best, probabilities=found)


def levels(question: Question, score: Any, reported: Mapping[Any, Any]) -> Answer:
    """Return the answer that a score and the probabilities of its levels (by number) imply; known probabilities take precedence over the score."""
    count = len(question.options)
    found: dict[Label | int, float] = {}
    for at in range(count):
        if (likely := _probability(reported.get(at, reported.get(str(at))))) is not None:
            found[at] = likely
    if len(found) == count and not _unbalanced(found):
        return Answer(score=sum(int(at) * likely for at, likely in found.items()), probabilities=found)
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= count - 1:
        return Answer(score=float(score))
    return Answer(because="it gave no score of the question's levels")


def _probability(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value <= 1 else None


def _unbalanced(found: Mapping[Any, float]) -> str:
    total = sum(found.values())
    return "" if abs(total - 1) <= _SLACK else f"its probabilities add up to {total:.2f}"
