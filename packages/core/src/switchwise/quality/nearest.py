"""Estimate success by the k nearest neighbours among graded calls.

Use it where requests repeat in other words, with an embedding model. On public data it is worse than the label table (-0.013
AIQ with 23 targets): shrink it, and use it where labels do not separate the work. It keeps vectors, never text.

Source: kNN routing as in RouterBench (arXiv 2403.12031). Needs numpy.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate, Filed, Grade
from switchwise.quality.learning import Learning
from switchwise.quality.text.embedders import embedder_of, hashed_ngrams, unit
from switchwise.state.forking import rlock
from switchwise.state.in_process import Memory

PRIOR = 10.0  # weight of the given estimate, in neighbours


class Nearest(Learning):
    """Mean over the `k` nearest graded calls of each target, weighted by squared cosine similarity, shrunk towards the given
    estimate.

    Parameters:
        k: number of neighbours.
        embed: function of a text that returns a vector, or embeddings of LangChain or LlamaIndex; None: hashed character
            n-grams.
        prior: weight of the given estimate, in neighbours.
        least: least cosine similarity of a neighbour.
        size: most graded calls kept; the oldest is evicted first. One takes about 1 kB.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> from switchwise import Target, Turn, View
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> from switchwise.quality import Grade, Nearest, estimate
    >>> def asked(text):
    ...     return View(conversation=Conversation([Turn("user", text)]))
    >>> quality = Nearest(prior=2)
    >>> for _ in range(8):
    ...     quality.observe(quality.filed(asked("prove the lemma")), "haiku", Grade(0.0))
    >>> [round(estimate(quality, asked(text), [Target("haiku")])[0].p, 1) for text in ("prove this lemma", "say hello")]
    [0.2, 0.5]
    """

    def __init__(self, k: int = 40, *, embed: Any = None, prior: float = PRIOR, least: float = 0.2, size: int = 5_000) -> None:
        super().__init__(None, "nearest")
        whole("Nearest", "k", k)
        whole("Nearest", "size", size)
        number("Nearest", "prior", prior, least=0, above=True)
        number("Nearest", "least", least, least=0, most=1)
        self._embed = hashed_ngrams if embed is None else embedder_of(embed)
        self._k, self._prior, self._least, self._size = k, prior, least, size
        self._calls: dict[str, list[tuple[str, float, float]]] = {}
        self._matrices: dict[str, tuple[Any, Any, Any]] = {}
        self._vectors: Memory[int, Any] = Memory(500)
        self._lock = rlock()

    def _vector(self, text: str) -> Any:
        import numpy as np

        key = hash(text)
        found = self._vectors.get(key)
        if found is None:
            found = np.round(unit(self._embed(text)) * 127).astype(np.int8)
            self._vectors.put(key, found)
        return found

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        text = view.conversation.last_user
        if not text or not self._calls:
            return given
        vector = unit(self._vector(text))
        return [self._of(target.name, vector, before) for target, before in zip(targets, given, strict=True)]

    def _of(self, target: str, vector: Any, given: Estimate) -> Estimate:
        import numpy as np

        vectors, solved, counts = self._matrix(target)
        if vectors is None or vectors.shape[1] != len(vector):
            return given
        similar = vectors @ vector
        near = np.argpartition(-similar, self._k)[: self._k] if len(similar) > self._k else np.arange(len(similar))
        near = near[similar[near] >= self._least]
        if not len(near):
            return given
        weights = similar[near] ** 2 * counts[near]
        n = float(weights.sum())
        p = (float(weights @ solved[near]) + self._prior * given.p) / (n + self._prior)
        return Estimate(
            p, given.n + n, given.dollars, given.seconds, f"{len(near)} similar calls", given.p if given.n else None
        )

    def _matrix(self, target: str) -> tuple[Any, Any, Any]:
        import numpy as np

        with self._lock:
            found = self._matrices.get(target)
            calls = self._calls.get(target)
            if found is None and calls:
                read = [np.frombuffer(b64decode(each[0]), np.int8) for each in calls]
                same = [i for i, vector in enumerate(read) if len(vector) == len(read[-1])]  # not those of an embedder before
                calls = [calls[i] for i in same]
                vectors = np.array([read[i] for i in same], float)
                vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=1)), 1e-9)[:, None]
                found = (vectors, np.array([each[1] for each in calls]), np.array([each[2] for each in calls]))
                self._matrices[target] = found
        return found or (None, None, None)

    def filed(self, view: View) -> Filed:
        text = view.conversation.last_user
        return b64encode(self._vector(text).tobytes()).decode() if text else ""

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        if filed:
            with self._lock:
                own = self._calls.setdefault(target, [])
                own.append((str(filed), float(grade.solved), grade.weight))
                if len(own) > max(1, self._size // len(self._calls)):
                    del own[: -max(1, self._size // len(self._calls))]
                self._matrices.pop(target, None)

    def dump(self) -> Mapping[str, Any]:
        """The state as JSON types."""
        with self._lock:
            calls = [[target, [list(each) for each in own]] for target, own in self._calls.items()]
        return {"calls": calls, "waiting": self.dump_waiting()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        calls = {str(target): [(str(a), float(b), float(c)) for a, b, c in own] for target, own in state["calls"]}
        with self._lock:
            self._calls, self._matrices = calls, {}
        self.load_waiting(state["waiting"])

    @staticmethod
    def _examples() -> list[Nearest]:
        return [Nearest(), Nearest(5, prior=1, size=100)]
