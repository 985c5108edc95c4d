"""Texts as rows for a linear model: hashed words weighted by how rare they are, and the ten dense features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from switchwise.quality.fitting.sparse import SparseMatrix
from switchwise.quality.text.dense import NAMES, dense
from switchwise.quality.text.words import BUCKETS, buckets, cut

COMMON = 0.2  # a bucket in a larger share of the texts carries no information
FAR = 4.0  # standard deviations
RARE = 2  # nor does one in fewer texts


class Read:
    """Raw features of texts, before fitting; computed once, used by every fold.

    Parameters:
        texts: whole texts; each is cut to its beginning and end.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        raw = [cut(text).encode("utf-8", "replace") for text in texts]
        self.buckets = [buckets(text) for text in raw]
        self.dense = np.array([dense(text) for text in raw]) if raw else np.zeros((0, len(NAMES)))

    def __len__(self) -> int:
        return len(self.buckets)

    def part(self, chosen: Any) -> Read:
        """The texts of these indices."""
        new = object.__new__(Read)
        new.buckets = [self.buckets[i] for i in chosen]
        new.dense = self.dense[chosen]
        return new


class Scale:
    """Scale of the features in the training part: rarity of each word, mean and spread of the dense ones.

    Parameters:
        read: the training part.
        weight: of each dense feature, relative to the words, whose row has norm 1.
    """

    def __init__(self, read: Read, weight: float) -> None:
        import numpy as np

        n = max(len(read), 1)
        seen = np.bincount(np.concatenate(read.buckets), minlength=BUCKETS) if len(read) else np.zeros(BUCKETS)
        kept = (seen >= RARE) & (seen <= COMMON * n)
        self.idf = np.where(kept, np.log((1 + n) / (1 + seen)) + 1, 0.0)
        spread = read.dense.std(axis=0)
        self.mean, self.spread = (
            read.dense.mean(axis=0),
            np.where(spread > 1e-6, spread, 1e9),
        )  # constant features carry no information
        self.weight = weight

    def rows(self, read: Read) -> tuple[SparseMatrix, Any]:
        """The sparse rows, of norm 1, and the dense ones."""
        import numpy as np

        values = []
        for row in read.buckets:
            own = self.idf[row]
            values.append(own / (np.sqrt(own @ own) or 1.0))
        joined = np.concatenate(values) if values else np.zeros(0)
        return SparseMatrix(read.buckets, joined, BUCKETS), self.scaled(read) * self.weight

    def scaled(self, read: Read) -> Any:
        """The dense features in standard deviations, at most four, to limit the effect of unusual texts."""
        import numpy as np

        return np.clip((read.dense - self.mean) / self.spread, -FAR, FAR)
