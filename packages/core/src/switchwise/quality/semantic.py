"""Estimate success by route: the request's route is the one with the most similar example phrases.

Use it where examples can define kinds of requests (refunds, bugs, small talk) and no agent, phase or task names them already.
Other languages need an embedding model that covers them. Not as a measure of difficulty: the topic does not determine it.

Source: routing by utterances as in aurelio semantic-router. The default embedder needs numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate, Filed, Grade
from switchwise.quality.label_table import Label, LabelTable
from switchwise.quality.text.embedders import embedder_of, hashed_ngrams, unit
from switchwise.state.in_process import Memory

FADING, TURNS = 0.5, 3  # weight of a user's turn relative to the next one, and number of turns that count
PREFERRED = 10.0  # weight of a preference, in solved outcomes


class Semantic(LabelTable):
    """A label table whose labels are routes; the route is the one most similar to the user's last turns.

    A short turn ("yes, do that") is read together with earlier turns, each of which counts half as much as the next.

    Parameters:
        routes: route -> example phrases.
        prefers: route -> target name, as a start until there are outcomes; counts as ten solved tasks.
        embed: function of a text that returns a vector, or embeddings of LangChain or LlamaIndex; None: hashed character
            n-grams.
        threshold: least cosine similarity; below it there is no route, and the estimates are unchanged.

    Raises:
        ConfigurationError: a route has no phrases, a preference is for an unknown route, or `embed` is not an embedder.

    >>> from switchwise import Target, Turn, View
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> from switchwise.quality import estimate
    >>> quality = Semantic({"refund": ["refund my order", "I want my money back"], "code": ["fix this bug"]}, prefers={"code": "opus"})
    >>> view = View(conversation=Conversation([Turn("user", "please fix the bug in line 3")]))
    >>> quality.route(view), [round(found.p, 2) for found in estimate(quality, view, [Target("opus"), Target("haiku")])]
    ('code', [0.95, 0.5])
    """

    def __init__(
        self,
        routes: Mapping[str, Sequence[str]],
        prefers: Mapping[str, str] | None = None,
        embed: Any = None,
        threshold: float = 0.2,
    ) -> None:
        super().__init__(self._route_label, name="routes")
        if (
            not isinstance(routes, Mapping)
            or not routes
            or any(isinstance(given, str) or not isinstance(given, Collection) or not given for given in routes.values())
        ):
            raise ConfigurationError(
                "Semantic(routes=...): give route -> example phrases, such as {'refund': ['I want my money back']}"
            )
        number("Semantic", "threshold", threshold, least=-1, most=1)
        if strange := set(prefers or {}) - set(routes):
            raise ConfigurationError(
                f"Semantic(prefers=...): {', '.join(sorted(strange))} is not a route; the routes are {', '.join(routes)}"
            )
        self._embed = hashed_ngrams if embed is None else embedder_of(embed)
        self._names = [name for name, phrases in routes.items() for _ in phrases]
        self._phrases = [phrase for phrases in routes.values() for phrase in phrases]
        self._vectors: Any = None
        self._threshold, self._prefers = threshold, dict(prefers or {})
        self._routes: Memory[int, str] = Memory(1_000)

    def route(self, view: View) -> str:
        """The route of the user's last turns; empty if none is similar enough."""
        recent = []
        for turn in reversed(view.conversation):
            if turn.role == "user" and turn.text:
                recent.append(turn.text)
                if len(recent) == TURNS:
                    break
        if not recent:
            return ""
        key = hash(tuple(recent))
        known = self._routes.get(key)
        if known is None:
            known = self._nearest(recent)
            self._routes.put(key, known or "-")
        return "" if known == "-" else known

    def _nearest(self, recent: Sequence[str]) -> str:
        import numpy as np

        if self._vectors is None:
            self._vectors = np.array([unit(self._embed(phrase)) for phrase in self._phrases])
        mixed = sum(FADING**age * unit(self._embed(text)) for age, text in enumerate(recent))
        similar = self._vectors @ unit(mixed)
        best = int(similar.argmax())
        return self._names[best] if similar[best] >= self._threshold else ""

    def _route_label(self, view: View) -> Label:
        route = self.route(view)
        return (route,) if route else ()

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        route = self.route(view)
        if not route:
            return given
        chosen = self._prefers.get(route)
        if chosen is not None:
            given = [
                before._replace(
                    p=(before.p * min(before.n, PREFERRED) + PREFERRED + 0.5 * (not before.n))
                    / (min(before.n, PREFERRED) + PREFERRED + (not before.n)),
                    n=before.n + PREFERRED,
                    source=f"preferred for {route}",
                )
                if target.name == chosen
                else before
                for target, before in zip(targets, given, strict=True)
            ]
        return super().estimate(view, targets, given)

    def filed(self, view: View) -> Filed:
        return super().filed(view) if self.route(view) else []

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        if filed:
            super().observe(filed, target, grade)

    @staticmethod
    def _examples() -> list[LabelTable]:
        return [Semantic({"code": ["fix this bug"], "chat": ["hello there"]}, prefers={"code": "opus"})]
