"""Find the stored question with the same meaning and decide whether its answer may be returned: rows per partition, one risk model.

Rows and the risk model are kept in this process; the answers in the store. Needs numpy.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number, whole
from switchwise.quality.text.embedders import embedder_of, hashed_ngrams, unit
from switchwise.response_cache.risk import Risk
from switchwise.response_cache.same import same_answer
from switchwise.response_cache.wording import Wording, features, same_words, wording
from switchwise.state.in_process import Memory

Same = Callable[[str, str, str], bool | None]
WORDINGS = 8  # questions kept per answer


class Candidate(NamedTuple):
    """The nearest known question.

    Parameters:
        group: group of the answer.
        similarity: cosine of the two questions.
        found: the features of the pair.
        risk: probability that the answer is wrong.
        serves: whether the answer may be served.
    """

    group: Any
    similarity: float
    found: tuple[float, ...]
    risk: float
    serves: bool


class Rows:
    """The questions of a partition, the latest `size`.

    Parameters:
        size: most questions kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: Any = None
        self._groups: list[Hashable] = []
        self._wordings: list[Wording] = []
        self._ids: Any = None
        self._numbers: dict[Hashable, int] = {}
        self._counts: dict[Hashable, int] = {}
        self._next, self._made = 0, 0

    def nearest(self, vector: Any) -> tuple[int, float, float]:
        """Nearest row, its similarity, and its margin over the nearest row with another answer. There is at least one row."""
        count = len(self._groups)
        similar = self._vectors[:count] @ vector
        best = int(similar.argmax())
        others = similar[self._ids[:count] != self._ids[best]]
        margin = float(similar[best] - others.max()) if len(others) else 1.0
        return best, float(similar[best]), margin

    def of(self, row: int) -> tuple[Hashable, Wording]:
        """Group and wording of a row."""
        return self._groups[row], self._wordings[row]

    def add(self, vector: Any, words: Wording, group: Hashable) -> None:
        """Add a question; the oldest one is evicted."""
        import numpy as np

        if self._counts.get(group, 0) >= WORDINGS:
            return
        if self._vectors is None:
            self._vectors = np.zeros((min(256, self._size), len(vector)), np.float32)
            self._ids = np.zeros(len(self._vectors), np.int64)
        at = len(self._groups)
        if at == len(self._vectors) and at < self._size:
            room = min(self._size, 2 * at)
            self._vectors = np.concatenate([self._vectors, np.zeros((room - at, len(vector)), np.float32)])
            self._ids = np.concatenate([self._ids, np.zeros(room - at, np.int64)])
        if group not in self._numbers:
            self._numbers[group] = self._made = self._made + 1
        if at < self._size:
            self._groups.append(group)
            self._wordings.append(words)
        else:
            at, self._next = self._next, (self._next + 1) % self._size
            gone = self._groups[at]
            self._counts[gone] -= 1
            if not self._counts[gone] and gone != group:
                del self._counts[gone], self._numbers[gone]
            self._groups[at], self._wordings[at] = group, words
        self._vectors[at], self._ids[at] = vector, self._numbers[group]
        self._counts[group] = self._counts.get(group, 0) + 1


class SimilarAnswers:
    """Serve answers to questions with the same meaning, with a bound on wrong answers among those served.

    Only the user's last turn is compared by meaning; everything else in the request must be equal. No answer is served before `warm_up`
    labels. Each miss gives a free label: the new answer compared with that of the nearest question. A share `audits` of the possible hits
    is called anyway, which gives labels of hits, and the error in `report`.

    Parameters:
        bound: bound on wrong hits over hits, such as 0.02.
        embed: a function text -> vector, or embeddings of LangChain or LlamaIndex. None: hashed words and character n-grams, which need
            no model; they do not see meaning, so an answer is given only where all content words are the same as well.
        same: function of a question and two answers that returns whether both mean the same, or None if undecided (no label). None:
            `same_answer`, by words.
        false_equal, false_different: error rates of `same`; measure them on your own pairs.
        audits: share of the possible hits that are called anyway, from 0 to 1.
        warm_up: labels needed before the first hit.
        size: most questions kept per partition.
        longest: longest last turn, in characters, that is compared by meaning.
        seed: seed of the random audits.

    Raises:
        ConfigurationError: a parameter is out of range, or `embed` is not an embedder.
    """

    def __init__(
        self,
        bound: float = 0.02,
        embed: Any = None,
        same: Same | None = None,
        false_equal: float = 0.0,
        false_different: float = 0.0,
        audits: float = 0.05,
        warm_up: int = 300,
        size: int = 5_000,
        longest: int = 500,
        seed: int = 0,
    ) -> None:
        number("SimilarAnswers", "bound", bound, above=True, most=0.5)
        for name, value in (("false_equal", false_equal), ("false_different", false_different)):
            number("SimilarAnswers", name, value, most=0.49)
        number("SimilarAnswers", "audits", audits, above=True, most=1.0)
        for name, count in (("warm_up", warm_up), ("size", size), ("longest", longest)):
            whole("SimilarAnswers", name, count)
        if same is not None and not callable(same):
            raise ConfigurationError(f"SimilarAnswers(same={same!r:.80}): give a function of a question and two answers")
        self._embed = hashed_ngrams if embed is None else embedder_of(embed)
        self._sees_meaning = self._embed is not hashed_ngrams
        self.same, self.audits, self.longest = same or same_answer, audits, longest
        self._size = size
        self._risk = Risk(bound, warm_up, false_equal, false_different)
        self._partitions: Memory[Hashable, Rows] = Memory(1_000)
        self._draw = random.Random(seed)
        self._lock = threading.RLock()
        self._audited = [0, 0]
        self._hits = 0

    def propose(self, partition: Hashable, text: str) -> tuple[Any, Candidate | None]:
        """Return the vector of a question, and the nearest known question of the partition."""
        import numpy as np

        vector = np.asarray(unit(self._embed(text)), np.float32)
        with self._lock:
            rows = self._partitions.get(partition)
            if rows is None:
                return vector, None
            near = rows.nearest(vector)
            group, words = rows.of(near[0])
            found = features(wording(text), words, near[1], near[2])
            risk = self._risk.of(found, group)
            may = self._risk.may(risk) and (self._sees_meaning or same_words(found))
            return vector, Candidate(group, near[1], found, risk, may)

    def audit(self, candidate: Candidate) -> bool:
        """Count a candidate that may be served; True if it is audited: called anyway."""
        with self._lock:
            self._risk.serve(candidate.risk)
            self._hits += 1
            return self._draw.random() < self.audits

    def learn(
        self, partition: Hashable, text: str, vector: Any, group: Hashable, candidate: Candidate | None, same: bool | None
    ) -> None:
        """Learn an answered question.

        Parameters:
            group: group of its answer.
            candidate: the nearest earlier question; None if there was none.
            same: whether its answer means the same as the candidate's; None if undecided.
        """
        with self._lock:
            if candidate is not None and same is not None:
                self._risk.label(candidate.found, candidate.group, candidate.risk, same)
                if candidate.serves:
                    self._audited[0] += 1
                    self._audited[1] += not same
            rows = self._partitions.get(partition)
            if rows is None:
                rows = Rows(self._size)
                self._partitions.put(partition, rows)
            rows.add(vector, wording(text), candidate.group if candidate is not None and same else group)

    def report(self) -> dict[str, Any]:
        """Hits, labels, and the error among the audited hits with its 95 % interval (Clopper-Pearson), and the bound."""
        with self._lock:
            audited, wrong = self._audited
            low, high = exact_interval(wrong, audited)
            return {
                "bound": self._risk.bound,
                "labels": self._risk.labels,
                "hits": self._hits,
                "audited": audited,
                "wrong": wrong,
                "interval": [low, high],
            }


def exact_interval(wrong: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share.

    >>> [round(end, 4) for end in exact_interval(2, 100)]
    [0.0024, 0.0704]
    """
    if of == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if wrong == 0 else _solve(lambda p: 1 - _below(wrong - 1, of, p) - tail)
    high = 1.0 if wrong == of else _solve(lambda p: tail - _below(wrong, of, p))
    return low, high


def _below(k: int, n: int, p: float) -> float:
    """Probability of at most `k` of `n`, for 0 < p < 1."""
    from math import exp, lgamma, log

    logs = [lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log(1 - p) for i in range(k + 1)]
    top = max(logs)
    return min(1.0, exp(top) * sum(exp(each - top) for each in logs))


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
