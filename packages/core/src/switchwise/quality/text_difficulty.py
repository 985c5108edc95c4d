"""Adjust estimates by the difficulty of the text: hashed words and ten dense features, trained by `fit`.

Use it with a thousand or more graded calls of a kind of work: on single questions it adds 0.01 to 0.03 APGR to the table, or
about ten points of saving at equal quality. It changes nothing on labels without data: no model of words transfers to other
work. Not for whole agent tasks: the text of an issue does not predict which target solves it.

Source: a ridge on hashed words combined with an item response model; docs/guide/quality.md has the measurements. Needs numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import exp, log

from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate
from switchwise.quality.fitting.learned import TextModel, example_model
from switchwise.quality.label_table import Label, usual_label
from switchwise.quality.text.dense import dense
from switchwise.quality.text.featuriser import FAR
from switchwise.quality.text.words import buckets, cut
from switchwise.state.in_process import Memory


class TextDifficulty:
    """Adjust the given estimates by the user's last turn.

    Parameters:
        model: a result of `fit` (`load_quality` returns a whole estimator).
        targets: names, in the order of the model's slopes; other targets are unchanged.
        labels: labels with enough data, joined by `/`; on others only the transferable dense features count.
        label: function of the view that returns its label; None: agent, phase, task.

    >>> from switchwise.quality.fitting.learned import example_model
    >>> from switchwise import Target, Turn, View
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> quality = TextDifficulty(example_model(), ["strong", "weak"], ["main"])
    >>> given = [Estimate(0.8, 50.0), Estimate(0.6, 50.0)]
    >>> easy, hard = (
    ...     quality.estimate(View(conversation=Conversation([Turn("user", text)])), [Target("strong"), Target("weak")], given)
    ...     for text in ("easy easy", "hard hard")
    ... )
    >>> easy[1].p > hard[1].p, easy[1].base
    (True, 0.6)
    """

    def __init__(
        self,
        model: TextModel,
        targets: Sequence[str],
        labels: Collection[str],
        label: Callable[[View], Label] | None = None,
    ) -> None:
        import numpy as np

        self.model, self.labels = model, frozenset(labels)
        self._label = label or usual_label
        self._at = {name: i for i, name in enumerate(targets)}
        self._offsets, self._slopes = model.offsets.tolist(), model.slopes.tolist()
        self._table = np.stack([model.scale.idf * model.words, model.scale.idf**2], axis=1).astype(np.float32)
        self._scale = list(zip(model.scale.mean.tolist(), (1 / model.scale.spread).tolist(), strict=True))
        self._dense = (model.dense * model.scale.weight).tolist()
        self._far = None if model.strangers is None else model.strangers.tolist()
        self._seen: Memory[int, float] = Memory(1_000)

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        known = self._known(self._label(view))
        if not known and self._far is None:
            return given
        text = view.conversation.last_user
        if not text:
            return given
        key = hash((text, known))
        number = self._seen.get(key)
        if number is None:
            raw = cut(text).encode("utf-8", "replace")
            number = self.number(raw) if known else self._dense_part(raw, self._far or ())
            self._seen.put(key, number)
        on_logit = self.model.on_logit
        found = []
        for target, before in zip(targets, given, strict=True):
            at = self._at.get(target.name)
            if at is None or not before.n:
                found.append(before)
                continue
            p = before.p
            if on_logit:
                clipped = min(max(p, 0.02), 0.98)
                x = log(clipped / (1 - clipped)) + self._offsets[at] + self._slopes[at] * number
                moved = 1 / (1 + exp(-x))
            else:
                moved = min(max(p + self._slopes[at] * number, 0.0), 1.0)
            found.append(Estimate(moved, before.n, before.dollars, before.seconds, f"{before.source}; the text", p))
        return found

    def number(self, text: bytes) -> float:
        """Score of a cut text: its difficulty (many targets), or the need for the stronger target (two)."""
        entries = self._table[buckets(text)]
        own, norm = entries.sum(axis=0).tolist() if len(entries) else (0.0, 0.0)
        found = (own / norm**0.5 if norm else 0.0) + self._dense_part(text, self._dense) - self.model.middle
        limit = self.model.limit
        return min(max(found, -limit), limit)

    def _dense_part(self, text: bytes, weights: Sequence[float]) -> float:
        total = 0.0
        for value, (mean, scale), weight in zip(dense(text), self._scale, weights, strict=True):
            total += weight * min(max((value - mean) * scale, -FAR), FAR)
        return total

    def _known(self, label: Label) -> bool:
        return any("/".join(label[:depth]) in self.labels for depth in range(len(label), 0, -1))

    @staticmethod
    def _examples() -> list[TextDifficulty]:
        return [TextDifficulty(example_model(), ["opus", "haiku"], ["main"])]
