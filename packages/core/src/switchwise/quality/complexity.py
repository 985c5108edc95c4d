"""Adjust estimates by the complexity of the request, from ten dense features: length, digits, mathematical signs, lines; no
words.

Use it without graded outcomes: it is the only property of the text that transfers to new kinds of work, and even so is not
significantly better than length alone (0.61 against 0.59 APGR on unseen subjects). Prefer outcomes wherever there are some.

Source: `tools/make_priors.py` fits the weights on public questions; docs/guide/quality.md has the measurements. Needs numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from json import loads
from math import exp, log
from typing import Any

from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate
from switchwise.quality.text.dense import dense
from switchwise.quality.text.words import cut
from switchwise.state.in_process import Memory


class Complexity:
    """Adjust the given estimates: a complex request lowers every target's chance, and the weaker ones' more.

    Parameters:
        strength: change of the log odds per standard deviation of complexity; 0.5 is the value on public data.

    Raises:
        ConfigurationError: `strength` is out of range.

    >>> from switchwise import Target, Turn, View
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> quality, given = Complexity(), [Estimate(0.9, 20.0), Estimate(0.7, 20.0)]
    >>> texts = ("Hi!", "Prove: " + "for all x in R^n, ||Ax|| <= sqrt(k) * (|x|_1 + 3), " * 20)
    >>> easy, hard = (
    ...     quality.estimate(View(conversation=Conversation([Turn("user", text)])), [Target("a"), Target("b")], given) for text in texts
    ... )
    >>> easy[1].p - hard[1].p > easy[0].p - hard[0].p > 0
    True
    """

    def __init__(self, strength: float = 0.5) -> None:
        number("Complexity", "strength", strength, least=0, most=5)
        self._strength = strength
        self._seen: Memory[int, float] = Memory(1_000)

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:  # noqa: ARG002
        text = view.conversation.last_user
        if not text:
            return given
        key = hash(text)
        score = self._seen.get(key)
        if score is None:
            score = complexity(text)
            self._seen.put(key, score)
        return [self._moved(before, score) if before.n else before for before in given]

    def _moved(self, given: Estimate, score: float) -> Estimate:
        p = min(max(given.p, 0.02), 0.98)
        moved = 1 / (1 + exp(-(log(p / (1 - p)) - self._strength * score)))
        return Estimate(moved, given.n, given.dollars, given.seconds, f"{given.source}; complexity {score:+.1f}", given.p)

    @staticmethod
    def _examples() -> list[Complexity]:
        return [Complexity(), Complexity(1.0)]


def complexity(text: str) -> float:
    """Complexity of a text in standard deviations of public questions, between -3 and 3."""
    weights, shift = _weights()
    score = sum(a * b for a, b in zip(dense(cut(text).encode("utf-8", "replace")), weights, strict=True)) - shift
    return float(min(max(score, -3.0), 3.0))


@cache
def _weights() -> tuple[tuple[float, ...], float]:
    stored: Any = loads((files("switchwise.quality") / "complexity.json").read_text("utf-8"))
    return tuple(stored["weights"]), float(stored["shift"])
